# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which interface is the uplink, on nodes with bonds, VLANs, teams, VRFs and Open vSwitch, which not every kernel has.

Devices that a test's kernel has are in tests/e2e/test_router_interfaces.py.
"""

from __future__ import annotations

import pytest
from egress_router import netlink
from egress_router.config import ConfigError, parse
from egress_router.rtnetlink import RouteNetlink
from egress_router.uplink import Uplink, Uplinks

from tests.support.node_kernel import Device, Kernel

SUBNET = {"EGRESS_SOURCE": "10.70.112.155", "EGRESS_PORTS": "80/tcp=10.10.24.85:80", "EGRESS_GATEWAY": "10.70.112.1"}
SUBNET["EGRESS_SUBNET"] = "10.70.112.0/24"


def found(monkeypatch: pytest.MonkeyPatch, devices: tuple[Device, ...], **env: str) -> Uplink:
    """The uplink of a node with these devices."""
    monkeypatch.setattr(netlink, "NetlinkSocket", lambda _protocol: Kernel(devices))
    return Uplinks(parse(SUBNET | env), RouteNetlink()).find()


@pytest.mark.parametrize("kind", ["bond", "team", "bridge"])
@pytest.mark.parametrize("named", ["eth0", "top0", ""])
def test_a_port_stands_for_its_master(monkeypatch: pytest.MonkeyPatch, kind: str, named: str) -> None:
    devices = (
        Device(2, "eth0", master=4),
        Device(3, "eth1", master=4),
        Device(4, "top0", kind, address="10.70.112.61/24"),
    )
    uplink = found(monkeypatch, devices, EGRESS_UPLINK=named)
    assert (uplink.name, uplink.mac.hex(), uplink.mtu) == ("top0", "020000000004", 1504)
    assert str(uplink.own) == "10.70.112.61/24"


@pytest.mark.parametrize("named", ["bond0.7", ""])
def test_a_vlan_is_an_uplink_of_its_own(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """And not what it is on, which has another network."""
    devices = (
        Device(2, "eth0", master=3),
        Device(3, "bond0", "bond", address="192.168.1.5/24"),
        Device(4, "bond0.7", "vlan", parent=3, address="10.70.112.61/24"),
    )
    uplink = found(monkeypatch, devices, EGRESS_UPLINK=named)
    assert (uplink.name, uplink.mac.hex(), uplink.connected) == ("bond0.7", "020000000004", True)


def test_the_bond_below_a_vlan_is_refused_as_uplink_of_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = (Device(3, "bond0", "bond"), Device(4, "bond0.7", "vlan", parent=3, address="10.70.112.61/24"))
    with pytest.raises(
        ConfigError, match=r"^EGRESS_UPLINK='bond0' is not usable: .* 10\.70\.112\.155 is at bond0\.7\.$"
    ):
        found(monkeypatch, devices, EGRESS_UPLINK="bond0")


def test_a_bonds_port_in_a_bridge_stands_for_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """As oVirt's nodes and many hypervisors have it, with a VLAN between."""
    devices = (
        Device(2, "eth0", master=3),
        Device(3, "bond0", "bond"),
        Device(4, "bond0.7", "vlan", master=5, parent=3),
        Device(5, "br7", "bridge", address="10.70.112.61/24"),
    )
    assert found(monkeypatch, devices, EGRESS_UPLINK="bond0.7").name == "br7"


def test_a_member_of_a_vrf_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VRF is a routing table, and no station of a LAN."""
    devices = (Device(2, "eth0", master=3, address="10.70.112.61/24"), Device(3, "blue", "vrf"))
    assert found(monkeypatch, devices).name == "eth0"


@pytest.mark.parametrize("named", ["ens3", ""])
def test_a_port_of_open_vswitchs_kernel_datapath_is_refused(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Its master is the datapath, which has no place on a LAN: the bridge's own interface has."""
    devices = (
        Device(2, "ens3", master=4, address=None if named else "10.70.112.61/24"),
        Device(4, "ovs-system", "openvswitch"),
        Device(5, "br-ex", "openvswitch"),
    )
    with pytest.raises(ConfigError, match=r"'ens3' is not usable: it is a port of Open vSwitch, .* such as br-ex\.$"):
        found(monkeypatch, devices, EGRESS_UPLINK=named)


def test_open_vswitchs_bridge_is_an_uplink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own interface has no master."""
    devices = (
        Device(2, "ens3", master=4),
        Device(4, "ovs-system", "openvswitch"),
        Device(5, "br-ex", "openvswitch", address="10.70.112.61/24"),
    )
    assert (found(monkeypatch, devices).name, found(monkeypatch, devices, EGRESS_UPLINK="br-ex").index) == ("br-ex", 5)
