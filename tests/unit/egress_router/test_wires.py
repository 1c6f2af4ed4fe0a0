# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which interfaces a packet may be seen at between the uplink and the wire, and at which it must be."""

from __future__ import annotations

import pytest
from egress_router import netlink
from egress_router.rtnetlink import RouteNetlink
from egress_router.wires import Wires, leads_off, wires_of

from tests.support.node_kernel import Device, Kernel

CARD, SECOND = Device(2, "eth0"), Device(3, "eth1")


def of(monkeypatch: pytest.MonkeyPatch, *devices: Device) -> Wires:
    """Those of the last device, on a node that has these."""
    monkeypatch.setattr(netlink, "NetlinkSocket", lambda _protocol: Kernel(devices))
    return wires_of(RouteNetlink(), devices[-1].index)


def names(*those: str) -> frozenset[str]:
    return frozenset(those)


def test_a_network_card_is_its_own_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of(monkeypatch, SECOND, CARD) == Wires(names("eth0"), names("eth0"))


@pytest.mark.parametrize("kind", ["bridge", "bond", "team"])
def test_a_packet_leaves_by_one_of_the_ports(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    ports = (Device(4, "port0", master=6), Device(5, "port1", master=6))
    assert of(monkeypatch, CARD, *ports, Device(6, "top0", kind)) == Wires(
        names("top0", "port0", "port1"), names("port0", "port1")
    )


def test_a_vlan_on_a_bond_leads_to_the_bonds_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = (Device(2, "eth0", master=4), SECOND, Device(4, "bond0", "bond"), Device(5, "bond0.7", "vlan", parent=4))
    assert of(monkeypatch, *devices) == Wires(names("bond0.7", "bond0", "eth0"), names("eth0"))


def test_a_bridge_of_open_vswitch_leads_to_the_ports_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel doesn't tell its bridges apart."""
    ports = (Device(4, "ovs-system", "openvswitch"), Device(5, "eth2", master=4), SECOND)
    assert of(monkeypatch, *ports, Device(6, "br-ex", "openvswitch")) == Wires(names("br-ex", "eth2"), names("eth2"))


@pytest.mark.parametrize("kind", ["ipvlan", "macsec", "macvtap", "vxlan"])
def test_what_other_kinds_are_on_may_be_passed_or_not(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Some change the packet, so that it is not known again there."""
    assert of(monkeypatch, CARD, Device(6, "top0", kind, parent=2)) == Wires(
        names("top0", "eth0"), names("top0", "eth0")
    )


def test_an_open_vswitch_whose_ports_have_another_name_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of(monkeypatch, CARD, Device(6, "br-ex", "openvswitch")) == Wires(None, names("br-ex"))


def test_of_a_programs_interface_nobody_knows_what_is_below(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of(monkeypatch, CARD, Device(6, "br-ex", "tun")) == Wires(None, names("br-ex"))


@pytest.mark.parametrize("kind", ["tun", "openvswitch"])
def test_of_a_vlan_on_such_an_interface_neither(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    devices = (CARD, Device(5, "br-ex", kind), Device(6, "br-ex.7", "vlan", parent=5))
    assert of(monkeypatch, *devices) == Wires(None, names("br-ex"))


def test_a_machines_tap_is_a_port_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = (Device(2, "eth0", master=6), Device(5, "tap0", "tun", master=6), Device(6, "br0", "bridge"))
    assert of(monkeypatch, *devices) == Wires(names("br0", "eth0", "tap0"), names("eth0", "tap0"))


def test_a_cards_helper_may_be_passed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in virtual machines whose network card has a faster one below itself."""
    assert of(monkeypatch, Device(3, "enP1", master=2), CARD) == Wires(names("eth0", "enP1"), names("eth0", "enP1"))


@pytest.mark.parametrize(
    ("is_apart", "wires"),
    [
        (True, Wires(names("up0"), names("up0"))),
        (False, Wires(names("up0", "end0", "eth0"), names("end0", "eth0"))),
    ],
)
def test_a_veth_leads_to_the_bridge_at_its_other_end(
    monkeypatch: pytest.MonkeyPatch, is_apart: bool, wires: Wires
) -> None:
    devices = (Device(2, "eth0", master=4), Device(3, "end0", master=4), Device(4, "br0", "bridge"))
    assert of(monkeypatch, *devices, Device(5, "up0", "veth", parent=3, is_apart=is_apart)) == wires


@pytest.mark.parametrize(("kind", "leads"), [("ifb", False), ("dummy", False), ("veth", True), (None, True)])
def test_nothing_leaves_the_node_by_some_interfaces(
    monkeypatch: pytest.MonkeyPatch, kind: str | None, leads: bool
) -> None:
    monkeypatch.setattr(netlink, "NetlinkSocket", lambda _protocol: Kernel((Device(2, "x0", kind),)))
    assert leads_off(RouteNetlink(), "x0") is leads
