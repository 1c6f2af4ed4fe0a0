# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""OpenShift's nodes as installed: the uplink is Open vSwitch's br-ex, and the node forwards nothing."""

from __future__ import annotations

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.node_firewalls import FIREWALLS, load
from tests.support.router_lab.open_vswitch import add_br_ex, answers_to_the_node, connect_by_br_ex, packets
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.services import Services
from tests.support.router_lab.wait import wait_until


@pytest.fixture(scope="module")
def bridge(shared_net: Net, shared_lab: Lab, shared_node: Node) -> Services:
    """Of a node with OVN-Kubernetes' rules for ``ipForwarding`` unset."""
    services = connect_by_br_ex(shared_lab, shared_node)
    load(shared_node, shared_net, FIREWALLS["OVN-Kubernetes"])
    shared_lab.forward(shared_node.name, "0")
    return services


def test_it_serves_on_br_ex_with_ovn_kubernetes_flows(shared_lab: Lab, own_pod: Pod, bridge: Services) -> None:
    net = own_pod.net
    router = own_pod.start(**net.to_far()).wait_ready()
    assert any("address claimed" in line and "uplink=br-ex" in line for line in router.log), router.log
    assert own_pod.ask() == f"{net.source} {net.far}"
    assert own_pod.udp().decode().split() == [net.source, net.far]
    assert packets(bridge, answers_to_the_node(net)) > 0, "the flows were not what passed them"
    shared_lab.assert_no_other_source()


def test_cut_off_behind_br_ex_the_port_closes_and_comes_back(shared_lab: Lab, own_pod: Pod, bridge: Services) -> None:
    """The bridge keeps its carrier."""
    net = own_pod.net
    router = own_pod.start(**net.to_far()).wait_ready()
    with shared_lab.unplugged(own_pod.node):
        router.wait_not_ready(f"GatewaySilent: the gateway {net.gateway} has not answered {net.source} by the node's")
        assert not own_pod.is_healthy()
        assert "LOWER_UP" in run("ip", "-n", own_pod.node.name, "link", "show", "br-ex")
    wait_until(own_pod.is_healthy, 60.0, "ready", router)
    assert own_pod.ask() == f"{net.source} {net.far}"
    shared_lab.assert_no_other_source()


def test_a_br_ex_that_is_made_anew_is_followed(shared_lab: Lab, own_pod: Pod, bridge: Services) -> None:
    """As when Open vSwitch is restarted, or its configuration applied again: the same name, another interface."""
    net = own_pod.net
    router = own_pod.start(**net.to_far()).wait_ready()
    bridge.run("ovs-vsctl", "del-br", "br-ex")
    wait_until(lambda: not own_pod.is_healthy(), 60.0, "not ready", router)
    add_br_ex(shared_lab, own_pod.node, bridge)
    wait_until(own_pod.is_healthy, 60.0, "ready", router)
    assert own_pod.ask() == f"{net.source} {net.far}"
    shared_lab.assert_no_other_source()


def test_a_port_of_the_bridge_is_refused_as_uplink(own_pod: Pod, bridge: Services) -> None:
    net = own_pod.net
    router = own_pod.start(EGRESS_UPLINK="up0", **net.to_far())
    assert router.process.wait(60) == 78
    router.end()
    right = f"on this node the network of EGRESS_SOURCE {net.source} is at br-ex."
    assert router.log[-1] == f"EGRESS_UPLINK='up0' is not usable: {right}"
    assert veths(own_pod.node) == set()
