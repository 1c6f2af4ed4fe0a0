# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whatever firewall and NAT a node has, the leased address passes: frames never meet them."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.capture import inside
from tests.support.router_lab.bridge import enslave
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, tables
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node
from tests.support.router_lab.node_firewalls import (
    BRIDGE_FIREWALLS,
    FIREWALLS,
    IPTABLES,
    load,
    nft,
    serve_external_ip,
    taken,
)
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


@pytest.mark.parametrize("firewall", BRIDGE_FIREWALLS)
@both_families
def test_it_serves_by_a_bridge_whose_frames_meet_the_nodes_firewall(
    net: Net, lab: Lab, pod: Pod, node: Node, firewall: str
) -> None:
    """As Kubernetes' installer wants it (bridge-nf-call-iptables); what bites is at the bridge's ports."""
    enslave(lab, node)
    with inside(node.name):
        for family in ("ip", "ip6"):
            Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}tables").write_text("1", encoding="ascii")
    nft(node, BRIDGE_FIREWALLS[firewall])
    pod.start().wait_ready()
    assert pod.ask() == f"{net.source} {net.remote}"
    assert pod.udp().decode().split() == [net.source, net.remote]
    lab.assert_no_other_source()


@both_families
def test_each_of_these_firewalls_bites_what_the_node_forwards(net: Net, lab: Lab, node: Node) -> None:
    """Else nothing would be shown by passing it: the same packets, handed to the node as a pod network hands them."""
    pod = lab.forwarded_by(node, net.source)
    assert [leaves_unchanged(lab, node, pod, source) for source in (net.source, net.client)] == [True, True]
    for name, rules in FIREWALLS.items():
        if name == "ICMPv6 dropped in input" and net.version == 4:
            continue
        load(node, net, rules)
        source = net.client if name == "masquerade by pod subnet" else net.source
        assert not leaves_unchanged(lab, node, pod, source), name
        nft(node, "flush ruleset")


@pytest.mark.parametrize("mode", ["lan", "routed"])
@both_families
def test_what_another_pod_sends_with_the_source_is_dropped(net: Net, lab: Lab, pod: Pod, node: Node, mode: str) -> None:
    """A container with NET_RAW can do that; it goes by the node's stack. What it sends as itself is left alone."""
    lab.add_gateway()
    source, env = (net.source, {}) if mode == "lan" else (net.routed, net.by_route())
    other = lab.forwarded_by(node, source)
    assert [leaves_unchanged(lab, node, other, sender) for sender in (source, net.client)] == [True, True]
    router = pod.start(**env).wait_ready()
    assert [leaves_unchanged(lab, node, other, sender) for sender in (source, net.client)] == [False, True]
    router.end()
    assert tables(node.name) == set()


def leaves_unchanged(lab: Lab, node: Node, namespace: str, source: str) -> bool:
    """Whether a datagram to the remote application gets to the LAN with its source."""
    run("ip", "-n", node.name, "neigh", "flush", "dev", "up0")
    before = lab.capture.settled()[source]
    with inside(namespace):
        sender = socket.socket(lab.net.family, socket.SOCK_DGRAM)
    with sender:
        sender.bind((source, 0))
        sender.sendto(b"x", (lab.net.remote, 5353))
    return lab.capture.settled()[source] > before


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


@both_families
def test_a_service_whose_external_ip_is_the_destination_gets_nothing(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Whoever may set ``externalIPs`` would else be the remote application; what the node itself sends goes there."""
    serve_external_ip(node, net, net.remote, net.client)
    pod.start().wait_ready()
    assert pod.ask() == f"{net.source} {net.remote}"
    assert pod.udp().decode().split() == [net.source, net.remote]
    lab.assert_no_other_source()
    assert taken(node) == 0
    with inside(node.name):
        own = socket.socket(net.family, socket.SOCK_DGRAM)
    with own, suppress(OSError):
        own.sendto(b"x", (net.remote, 5353))
    assert taken(node) == 1
