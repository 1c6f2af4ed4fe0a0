# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Ready means proved: what is wrong between pod and LAN is seen, told with its remedy, and never served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.router_lab.bridge import enslave
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import links, run, settings, tables
from tests.support.router_lab.neighbour_talk import answer
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.node_firewalls import nft
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.router import Router
from tests.support.router_lab.wait import wait_until

# What can still come between: programs at the interface itself, which see a frame after the router's own table.
EGRESS_HOOK = "table netdev site {{ chain out {{ type filter hook egress device up0 priority 0; {rule}; }}; }}"
TOLD = 75
# net/netfilter/core.c
MOST_HOOKS = 1024


def at_the_uplink(net: Net, rule: str) -> str:
    """A rule for packets of the leased address to the far application, at the uplink's way out."""
    ip = {4: "ip", 6: "ip6"}[net.version]
    return EGRESS_HOOK.format(rule=f"{ip} daddr {net.far} {rule.format(ip=ip, **vars(net))}")


@both_families
def test_filter_at_the_interface_is_told_as_the_nodes_firewall(
    net: Net, lab: Lab, pod: Pod, node: Node, tmp_path: Path
) -> None:
    lab.add_gateway()
    nft(node, at_the_uplink(net, "drop"))
    told = tmp_path / "termination-log"
    told.touch()
    options = ("--termination-log", str(told), "--patience", "1")
    router = pod.start(*options, **net.to_far())
    seen = f"a packet from {net.source} to {net.far} did not leave by the node's uplink up0; let what filters at"
    router.wait_log(f"not ready: NodeFirewall: {seen}")
    assert not pod.is_healthy()
    assert router.process.wait(60) == TOLD
    assert told.read_text().startswith(f"fault reason=NodeFirewall address={net.source} message={seen}")
    patient = pod.start(*options, **net.to_far())
    patient.wait_log("NodeFirewall")
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "netdev", "site")
    wait_until(pod.is_healthy, 60.0, "ready", patient)
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()


@both_families
def test_filter_that_is_set_later_closes_the_port(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    lab.add_gateway()
    router = pod.start(**net.to_far()).wait_ready()
    nft(node, at_the_uplink(net, "drop"))
    router.wait_not_ready("NodeFirewall")
    assert not pod.is_healthy()
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "netdev", "site")
    wait_until(pod.is_healthy, 60.0, "ready", router)
    lab.assert_no_other_source()


@pytest.mark.parametrize("when", ["before", "later"])
@both_families
def test_another_source_has_the_address_withdrawn(net: Net, lab: Lab, pod: Pod, node: Node, when: str) -> None:
    """None of the clients' packets leaves so, if it is there before."""
    lab.add_gateway()
    rewrite = at_the_uplink(net, "{ip} saddr set {node}1")
    if when == "before":
        nft(node, rewrite)
    router = pod.start(**net.to_far())
    if when == "later":
        router.wait_ready()
        nft(node, rewrite)
    router.wait_log(f"NodeMasquerades: a packet from {net.source} left by up0 with the source {net.node}1; except")
    assert (pod.is_healthy(), veths(node), answer(lab.remote, net, net.remote)) == (False, set(), None)
    assert not pod.is_served()
    assert f"{net.node}1" not in lab.far_application.peers


@both_families
def test_another_source_below_a_bridge_has_the_address_withdrawn(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """The bridge itself lets the packet out as it should be."""
    lab.add_gateway()
    enslave(lab, node)
    nft(node, at_the_uplink(net, "{ip} saddr set {node}1"))
    one_port = f"80/tcp={net.at(net.far, 8080)}"
    router = pod.start(**net.to_far(EGRESS_PORTS=one_port))
    router.wait_log(f"NodeMasquerades: a packet from {net.source} left by up0 with the source {net.node}1; except")
    assert (pod.is_healthy(), veths(node)) == (False, set())
    assert not pod.is_served()


@both_families
def test_a_filter_below_a_bridge_is_told_as_the_nodes_firewall(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """The bridge lets the packet out, and the gateway is heard: it never gets to the wire all the same."""
    lab.add_gateway()
    enslave(lab, node)
    nft(node, at_the_uplink(net, "drop"))
    router = pod.start(**net.to_far(EGRESS_PORTS=f"80/tcp={net.at(net.far, 8080)}"))
    router.wait_log(f"not ready: NodeFirewall: a packet from {net.source} to {net.far} did not leave by the node's")
    assert not pod.is_healthy()
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "netdev", "site")
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()


@pytest.mark.parametrize("verb", ["fwd", "dup"])
@both_families
def test_another_interface_has_the_address_withdrawn(net: Net, lab: Lab, pod: Pod, node: Node, verb: str) -> None:
    """Whether or not the packet leaves as it should, too."""
    lab.add_gateway()
    management = lab.new_lan("management")
    lab.join(node.name, f"{net.elsewhere}6", "mgmt0", management)
    nft(node, at_the_uplink(net, f"{verb} to mgmt0"))
    router = pod.start(**net.to_far())
    router.wait_log(f"WrongRoute: a packet from {net.source} left by mgmt0 instead of the uplink up0; except")
    assert (pod.is_healthy(), veths(node)) == (False, set())
    assert not pod.is_served()


@both_families
def test_silent_gateway_is_told(net: Net, lab: Lab, pod: Pod) -> None:
    gateway = lab.add_gateway()
    router = pod.start(**net.to_far()).wait_ready()
    run("ip", "-n", gateway, "link", "set", "up0", "down")
    router.wait_not_ready(f"GatewaySilent: the gateway {net.gateway} has not answered {net.source} by the node's")
    assert not pod.is_healthy()
    run("ip", "-n", gateway, "link", "set", "up0", "up")
    if net.version == 6:
        # The kernel forgot it, unlike an IPv4 one.
        lab.give(gateway, f"{net.gateway}/{net.lan}", "up0")
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask() == f"{net.source} {net.far}"
    lab.assert_no_other_source()


@both_families
def test_gateway_that_was_never_there_is_told_to_the_cluster(
    net: Net, lab: Lab, pod: Pod, node: Node, tmp_path: Path
) -> None:
    told = tmp_path / "termination-log"
    told.touch()
    router = pod.start("--termination-log", str(told), "--patience", "1", **net.to_far())
    assert router.process.wait(60) == TOLD
    assert told.read_text().startswith(f"fault reason=GatewaySilent address={net.source} message=the gateway ")


@both_families
def test_a_kernel_that_refuses_the_nodes_table_is_told_and_nothing_changed(
    net: Net, lab: Lab, pod: Pod, node: Node, tmp_path: Path
) -> None:
    """As one without the family ``netdev`` does: here the hook at the uplink has no room left."""
    chains = [f"chain c{n} {{ type filter hook ingress device up0 priority {n}; }};" for n in range(MOST_HOOKS)]
    nft(node, f"table netdev full {{ {' '.join(chains)} }}")
    told = tmp_path / "termination-log"
    told.touch()
    before, first = (settings(node.name), tables(node.name), links(node.name)), next_index(node)
    router = pod.start("--termination-log", str(told), "--patience", "1")
    assert router.process.wait(60) == TOLD
    assert told.read_text().startswith(
        f"fault reason=NodeKernel address={net.source} message=the node's kernel can't pass frames of {net.source} by"
        " its uplink up0 (nftables: Could not process rule: Argument list too long); it needs nftables' family netdev"
    )
    assert (settings(node.name), tables(node.name), links(node.name)) == before
    assert next_index(node) == first + 1, "no interface was made, not even for a moment"
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "netdev", "full")
    pod.start().wait_ready()
    assert pod.ask() == f"{net.source} {net.remote}"
    lab.assert_no_other_source()


def next_index(node: Node) -> int:
    """That of an interface which is made for it and removed."""
    run("ip", "-n", node.name, "link", "add", "next0", "type", "bridge")
    (made,) = json.loads(run("ip", "-n", node.name, "-j", "link", "show", "next0"))
    run("ip", "-n", node.name, "link", "del", "next0")
    return int(made["ifindex"])


@both_families
def test_dead_destination_takes_no_router_down(net: Net, lab: Lab, pod: Pod) -> None:
    """Neither one on the LAN nor one behind the gateway; the other destination is served."""
    lab.add_gateway()
    dead = [net.at(net.far.replace("200", "77"), 80), net.at(net.remote.replace("200", "77"), 80)]
    ports = f"80/tcp={net.at(net.far, 8080)},81/tcp={dead[0]},82/tcp={dead[1]}"
    router = pod.start(**net.to_far(EGRESS_PORTS=ports)).wait_ready()
    for port in (81, 82):
        assert not pod.is_served(port)
    router_is_ready(pod, router)
    assert pod.ask() == f"{net.source} {net.far}"


def router_is_ready(pod: Pod, router: Router) -> None:
    """After another of its regular looks."""
    wait_until(lambda: not pod.is_healthy() or pod.http("/readyz") == (200, "ok\n"), 60.0, "a look", router)
    assert pod.is_healthy()


@both_families
def test_the_packets_of_the_proof_reach_no_application(net: Net, lab: Lab, pod: Pod) -> None:
    """They end at the gateway, whose word about them is not counted as something strange."""
    lab.add_gateway()
    pod.start(**net.to_far()).wait_ready()
    assert not lab.far_application.peers
    assert pod.metric('egress_router_dropped_packets_total{reason="input"}') == 0
    lab.capture.settled()
    assert lab.capture.errors[net.gateway] > 0, "the gateway was asked to pass them on and didn't"
