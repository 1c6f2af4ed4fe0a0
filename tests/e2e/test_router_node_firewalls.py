# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whatever firewall and NAT a node has, the leased address passes: frames never meet them."""

from __future__ import annotations

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node
from tests.support.router_lab.node_firewalls import FIREWALLS, IPTABLES, load
from tests.support.router_lab.pod import Pod


@pytest.mark.parametrize("firewall", FIREWALLS)
@both_families
def test_it_serves_on_a_node_whose_firewall_is(net: Net, lab: Lab, pod: Pod, node: Node, firewall: str) -> None:
    """From the start; the remote application is on the LAN. OVN-Kubernetes has the node forward nothing else."""
    if firewall.startswith("OVN"):
        lab.forward(node.name, "0")
    load(node, net, FIREWALLS[firewall])
    pod.start().wait_ready()
    assert pod.ask() == f"{net.source} {net.remote}"
    assert pod.udp().decode().split() == [net.source, net.remote]
    lab.assert_no_other_source()


@both_families
def test_it_serves_on_when_a_firewall_is_set_later(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Behind the gateway, and with the older tool."""
    lab.add_gateway()
    pod.start(**net.to_far()).wait_ready()
    assert pod.ask() == f"{net.source} {net.far}"
    tool = {4: "iptables", 6: "ip6tables"}[net.version]
    for rule in IPTABLES:
        run("ip", "netns", "exec", node.name, tool, *rule.split())
    load(node, net, FIREWALLS["reject at the end of forward"])
    assert pod.ask() == f"{net.source} {net.far}"
    assert pod.udp().decode().split() == [net.source, net.far]
    lab.assert_no_other_source()
