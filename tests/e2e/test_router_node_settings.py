# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the router sets on a node, and what becomes of it."""

from __future__ import annotations

import signal
import socket

from tests.support.capture import inside
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, settings, tables
from tests.support.router_lab.neighbour_talk import answer
from tests.support.router_lab.net import Net, both_families, ipv6
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.node_firewalls import nft
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until


@both_families
def test_nothing_of_the_node_is_changed(net: Net, pod: Pod, node: Node) -> None:
    """No address, no route, no rule, no neighbour's entry, no setting of the uplink or of the node as a whole."""
    before = settings(node.name)
    pod.start().wait_ready()
    assert settings(node.name) == before
    assert tables(node.name) == veths(node)


@both_families
def test_answers_stop_with_the_pods_namespace(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote) == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, net.remote) == node.mac, "while the pod is there, its kernel serves"
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 60.0, "the kernel removed the veth")
    for sender in (net.remote, net.nobody):
        assert answer(lab.remote, net, sender) is None


@both_families
def test_what_a_killed_pod_leaves_does_not_harm_the_node(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """A chain of the node's table outlives it. Should the node get the address for itself, that has no effect."""
    pod.start().wait_ready().end(signal.SIGKILL)
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 60.0, "the kernel removed the veth")
    lab.give(node.name, f"{net.source}/{net.bits}", "up0")
    assert answer(lab.remote, net, net.remote) == node.mac
    with inside(node.name):
        listener = socket.create_server((net.source, 8080), family=net.family)
    with inside(lab.remote):
        client = socket.socket(net.family)
    with listener, client:
        client.settimeout(2)
        client.connect((net.source, 8080))


@both_families
def test_what_a_killed_pod_leaves_is_removed_by_the_next_router(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """By any router of the node, at its next look; nobody else's table is touched."""
    router, gone = pod.start().wait_ready(), lab.pod(node, 2)
    gone.start(EGRESS_SOURCE=net.second_source).wait_ready().end(signal.SIGKILL)
    lab.delete(gone.name)
    nft(node, "table netdev site { chain in { type filter hook ingress device up0 priority 0; }; }")
    wait_until(lambda: len(veths(node)) == 1, 60.0, "the kernel removed the veth")
    wait_until(lambda: tables(node.name) == veths(node) | {"site"}, 60.0, "the next look", router)
    assert "is gone" in "\n".join(router.log)
    assert pod.ask().split()[0] == net.source


@both_families
def test_probes_are_answered_with_or_without_the_router(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """By the pod's kernel, so that no other station takes the address while the router restarts."""
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, net.nobody) == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, net.nobody) == node.mac


@ipv6
def test_a_neighbour_that_asks_the_node_alone_is_answered(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """RFC 4861 §7.3: so does one that wants to know whether the address is still there."""
    pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote, to=node.mac) == node.mac


@both_families
def test_the_nodes_table_is_put_back_and_goes_at_sigterm(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Without it the address was not held, so it is claimed anew."""
    router = pod.start().wait_ready()
    (table,) = tables(node.name)
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "netdev", table)
    wait_until(lambda: sum("address claimed" in line for line in router.log) == 2, 60.0, "claimed anew", router)
    assert tables(node.name) == {table}
    router.wait_ready()
    assert pod.ask().split()[0] == net.source
    router.end()
    assert tables(node.name) == set()
    lab.assert_no_other_source()


@ipv6
def test_the_nodes_guard_is_put_back(net: Net, pod: Pod, node: Node) -> None:
    """The address is held meanwhile, and clients are served on."""
    router = pod.start().wait_ready()
    (table,) = tables(node.name)
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "inet", table)
    router.wait_log("data path repaired: node's tables")
    run("ip", "netns", "exec", node.name, "nft", "list", "table", "inet", table)
    assert pod.ask().split()[0] == net.source
    assert pod.metric("egress_router_claims_total") == 1


@both_families
def test_node_answers_for_the_one_address_only(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Not for BRIDGE_IP_ADDR either, which another may have on this LAN."""
    pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote) == node.mac
    for other in (net.second_source, net.pod, net.bridge):
        assert answer(lab.remote, net, net.remote, other, seconds=0.3) is None, other


@both_families
def test_several_routers_share_a_node(net: Net, lab: Lab, node: Node) -> None:
    pods = [lab.pod(node, number) for number in (1, 2)]
    for pod, source in zip(pods, (net.source, net.second_source), strict=True):
        pod.start(EGRESS_SOURCE=source)
    for pod, source in zip(pods, (net.source, net.second_source), strict=True):
        pod.routers[0].wait_ready()
        assert pod.ask().split()[0] == source
    lab.assert_no_other_source(net.source, net.second_source)
