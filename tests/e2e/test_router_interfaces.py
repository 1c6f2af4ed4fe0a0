# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nodes with several interfaces: the network's gateway is the way out, and no packet is ever on another LAN."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.support.capture import inside
from tests.support.router_lab.bridge import enslave
from tests.support.router_lab.lab import Lab, Lan
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until


@pytest.fixture
def management(net: Net, lab: Lab, node: Node) -> Lan:
    """A LAN by which the node's default route leads, with a router on it; the outside LAN has its gateway too."""
    lab.add_gateway()
    lan = lab.new_lan("management")
    lab.join(lab.namespace("manager"), f"{net.elsewhere}1", lan=lan)
    lab.join(node.name, f"{net.elsewhere}6", "mgmt0", lan)
    run("ip", "-n", node.name, "route", "add", "default", "via", f"{net.elsewhere}1", "dev", "mgmt0")
    return lan


@pytest.mark.parametrize("rp_filter", ["0", "1", "2"])
def test_default_route_by_another_interface(lab: Lab, pod: Pod, node: Node, management: Lan, rp_filter: str) -> None:
    set_rp_filter(node, rp_filter)
    pod.start(**lab.net.to_far()).wait_ready()
    assert pod.ask() == f"{lab.net.source} {lab.net.far}"
    assert pod.udp().decode().split() == [lab.net.source, lab.net.far]
    lab.assert_no_other_source()
    lab.assert_quiet(management)


@both_families
def test_default_routes_by_both_interfaces(net: Net, lab: Lab, pod: Pod, node: Node, management: Lan) -> None:
    """Equal-cost multipath: half of the flows would leave by the other."""
    hops = [("via", f"{net.elsewhere}1", "dev", "mgmt0"), ("via", net.gateway, "dev", "up0")]
    run("ip", "-n", node.name, "route", "replace", "default", *(w for hop in hops for w in ("nexthop", *hop)))
    pod.start(**net.to_far()).wait_ready()
    for _flow in range(10):
        assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()
    lab.assert_quiet(management)


@both_families
def test_destination_on_the_link_of_a_third_interface(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """It is beside the node, but what the gateway protects is reached by the gateway only."""
    lab.add_gateway()
    beside = lab.new_lan("beside")
    lab.join(node.name, f"{net.far.removesuffix('200')}77", "third0", beside)
    pod.start(**net.to_far()).wait_ready()
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()
    lab.assert_quiet(beside)


@both_families
def test_no_route_to_the_destination(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """The node has none; the network has a gateway. A rule that hides all of the node's routes changes nothing."""
    lab.add_gateway()
    router = pod.start(**net.to_far()).wait_ready()
    assert pod.ask() == f"{net.source} {net.far}"
    run("ip", "-n", node.name, f"-{net.version}", "rule", "add", "pref", "10", "blackhole")
    time.sleep(0.5)
    assert pod.ask() == f"{net.source} {net.far}"
    assert not any("repaired" in line for line in router.log), router.log
    lab.assert_no_other_source()


@both_families
def test_two_networks_leave_by_their_own_uplinks(net: Net, lab: Lab, node: Node) -> None:
    lab.add_gateway()
    second = lab.new_lan("second")
    station = lab.namespace("station")
    lab.join(station, f"{net.elsewhere}1", lan=second)
    lab.give(station, f"{net.far}/{net.bits}", "up0")
    lab.join(node.name, f"{net.elsewhere}6", "up1", second)
    subnet = {4: f"{net.elsewhere}0/24", 6: f"{net.elsewhere}/64"}[net.version]
    contracts = (
        net.to_far(),
        net.to_far(EGRESS_SOURCE=f"{net.elsewhere}55", EGRESS_GATEWAY=f"{net.elsewhere}1", EGRESS_SUBNET=subnet),
    )
    pods = [lab.pod(node, number) for number in (1, 2)]
    for pod, contract in zip(pods, contracts, strict=True):
        pod.start(**contract).wait_ready()
    with inside(station):
        listener = socket.create_server((net.far, 8080), family=net.family)
    with listener, pods[1].connect():
        _connection, peer = listener.accept()
        assert peer[0] == f"{net.elsewhere}55"
    assert pods[0].ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()
    assert set(second.capture.settled()) == {f"{net.elsewhere}55", net.far}


@both_families
def test_without_a_gateway_the_nodes_table_serves_if_it_leads_by_the_uplink(net: Net, lab: Lab, pod: Pod) -> None:
    lab.add_gateway()
    run("ip", "-n", pod.node.name, "route", "add", "default", "via", net.gateway)
    pod.start(**net.to_far(EGRESS_GATEWAY="", EGRESS_SUBNET="")).wait_ready()
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()


@both_families
def test_without_a_gateway_another_route_is_refused(net: Net, lab: Lab, pod: Pod, management: Lan) -> None:
    router = pod.start(**net.to_far(EGRESS_GATEWAY="", EGRESS_SUBNET=""))
    router.wait_log(f"WrongRoute: the node's route to {net.far} leaves by mgmt0, not by the uplink up0; give")
    assert (pod.is_healthy(), veths(pod.node)) == (False, set())
    run("ip", "-n", pod.node.name, "route", "replace", "default", "via", net.gateway, "dev", "up0")
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()
    lab.assert_quiet(management)


def test_without_gateway_and_route_it_is_refused(lab: Lab, pod: Pod) -> None:
    router = pod.start(**lab.net.to_far(EGRESS_GATEWAY=""))
    router.wait_log(f"WrongRoute: the node has no route to {lab.net.far}; give the subnet of the EgressNetwork its gat")
    assert not pod.is_healthy()


@both_families
def test_named_uplink_that_lacks_the_subnet_is_refused(net: Net, lab: Lab, pod: Pod, management: Lan) -> None:
    router = pod.start(EGRESS_UPLINK="mgmt0", **net.to_far())
    assert router.process.wait(60) == 78
    router.end()
    wanted = f"EGRESS_UPLINK='mgmt0' is not usable: on this node the network of EGRESS_SOURCE {net.source} is at up0."
    assert router.log[-1] == wanted
    lab.assert_quiet(management)


@both_families
def test_named_uplink_needs_no_address_if_the_gateway_is_given(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """As on a node whose interface is connected to the LAN for its egress pods alone."""
    lab.add_gateway()
    run("ip", "-n", node.name, f"-{net.version}", "address", "flush", "dev", "up0", "scope", "global")
    pod.start(EGRESS_UPLINK="up0", **net.to_far()).wait_ready()
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()


@pytest.mark.parametrize("when", ["before", "later"])
@both_families
def test_port_of_a_bridge_stands_for_the_bridge(net: Net, lab: Lab, pod: Pod, node: Node, when: str) -> None:
    if when == "before":
        enslave(lab, node)
    router = pod.start(EGRESS_UPLINK="up0").wait_ready()
    if when == "later":
        enslave(lab, node)
        followed = ("data path repaired", "uplink=ex0")
        wait_until(lambda: any(word in line for line in router.log for word in followed), 60.0, "followed", router)
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask().split()[0] == net.source
    lab.assert_no_other_source()


@both_families
def test_a_macvlan_is_an_uplink_of_its_own(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """As a VLAN is, it stands on an interface which has no address there; frames come and go by its own hooks."""
    lab.add_gateway()
    run("ip", "-n", node.name, "address", "flush", "dev", "up0")
    run("ip", "-n", node.name, "link", "add", "lan0", "link", "up0", "type", "macvlan", "mode", "bridge")
    run("ip", "-n", node.name, "link", "set", "lan0", "up")
    lab.give(node.name, f"{net.node}1/{net.lan}", "lan0")
    router = pod.start(**net.to_far()).wait_ready()
    assert any("address claimed" in line and "uplink=lan0" in line for line in router.log), router.log
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()


def set_rp_filter(node: Node, value: str) -> None:
    """The node's reverse path filter, for all interfaces."""
    with inside(node.name):
        for name in ("all", "default", "up0"):
            Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").write_text(value, encoding="ascii")
