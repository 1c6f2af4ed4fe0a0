# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the router sets on a node, and the facts of the kernel that this rests on."""

from __future__ import annotations

import signal
import time

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, tables
from tests.support.router_lab.neighbour_talk import answer
from tests.support.router_lab.net import Net, both_families, ipv6
from tests.support.router_lab.node import Node, proxied, veths
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until


@both_families
def test_answers_stop_with_the_pods_namespace(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """The proxy entry outlives the pod, but without the route it has no effect."""
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote) == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, net.remote) == node.mac, (
        "while the pod is there, the kernel serves without the router"
    )
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 2.0, "the kernel removed the veth")
    assert proxied(node, net) == {net.source}
    assert answer(lab.remote, net, net.remote) is None


def test_probes_are_answered_by_the_router_and_not_by_the_kernel(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, "0.0.0.0") == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, "0.0.0.0") is None
    assert answer(lab.remote, net, net.remote) == node.mac


@ipv6
def test_ipv6_probes_are_answered_by_the_kernel_with_or_without_the_router(
    net: Net, lab: Lab, pod: Pod, node: Node
) -> None:
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, "::") == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, "::") == node.mac


@ipv6
def test_a_neighbour_that_asks_the_node_alone_is_answered(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """RFC 4861 §7.3: so does one that wants to know whether the address is still there, and the kernel's proxy doesn't
    answer that while only the uplink's proxying is on."""
    pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote, to=node.mac) == node.mac


@ipv6
def test_without_the_nodes_guard_a_dead_pods_address_would_still_be_answered_for(
    net: Net, lab: Lab, pod: Pod, node: Node
) -> None:
    pod.start().wait_ready().end(signal.SIGKILL)
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 2.0, "the kernel removed the veth")
    (guard,) = tables(node.name)
    for sender in ("::", net.remote):
        assert answer(lab.remote, net, sender) is None
    assert answer(lab.remote, net, net.remote, to=node.mac) is None
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "inet", guard)
    assert answer(lab.remote, net, net.remote) == node.mac


@ipv6
def test_the_nodes_guard_is_put_back_and_goes_at_sigterm(net: Net, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    (guard,) = tables(node.name)
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "inet", guard)
    router.wait_log("data path repaired: node's guard", 12.0)
    assert tables(node.name) == {guard}
    router.end()
    assert tables(node.name) == set()


@both_families
def test_node_answers_for_the_one_address_only_and_at_once(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    pod.start().wait_ready()
    start = time.monotonic()
    assert answer(lab.remote, net, net.remote) == node.mac
    assert time.monotonic() - start < 0.1
    for other in (net.second_source, net.pod):
        assert answer(lab.remote, net, net.remote, other, seconds=0.3) is None, other


@both_families
def test_several_routers_share_a_node(net: Net, lab: Lab, node: Node) -> None:
    """Each has its own link, although each link's node end has the same address."""
    pods = [lab.pod(node, number) for number in (1, 2)]
    for pod, source in zip(pods, (net.source, net.second_source), strict=True):
        pod.start(EGRESS_SOURCE=source)
    for pod, source in zip(pods, (net.source, net.second_source), strict=True):
        pod.routers[0].wait_ready()
        assert pod.ask().split()[0] == source
    lab.assert_no_other_source(net.source, net.second_source)
