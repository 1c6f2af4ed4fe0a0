# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the router refuses, with a sentence."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.support.capture import inside
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, settings, tables
from tests.support.router_lab.net import SOURCE, Net, both_families, ipv6
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.pod import Pod


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"EGRESS_SOURCE": "192.168.7.7"}, "EGRESS_SOURCE='192.168.7.7' is not usable on this node"),
        ({"EGRESS_SOURCE": "10.70.112.61"}, "it is an address of this node itself"),
        ({"EGRESS_UPLINK": "bond7"}, "EGRESS_UPLINK='bond7' is not usable: this node has no interface of that name."),
        ({"EGRESS_PORTS": ""}, "EGRESS_PORTS is not set"),
        ({"TCP_HM_PORT": "80"}, "TCP_HM_PORT='80' is not usable: EGRESS_PORTS already serves 80/tcp"),
    ],
)
def test_what_does_not_fit_ends_with_one_sentence(pod: Pod, node: Node, env: dict[str, str], said: str) -> None:
    router = pod.start(**env)
    assert router.process.wait(60) == 78
    router.end()
    assert said in router.log[-1]
    assert sum("rule set loaded" not in line for line in router.log) == 1, router.log
    assert veths(node) == set()


@both_families
def test_the_nodes_own_network_is_left_alone(net: Net, node: Node) -> None:
    """A pod with hostNetwork that pretends to be a router would cut all pods of its node off."""
    before = settings(node.name)
    router = Pod(node.name, node.name, node, net).start()
    assert router.process.wait(60) == 71
    router.end()
    words = "the pod has the node's own network (hostNetwork), which must not become a router's"
    assert router.log == [f"egress router: {words}."]
    assert (settings(node.name), tables(node.name)) == (before, set())


@ipv6
def test_a_pod_without_an_address_of_the_family_is_told(net: Net, pod: Pod) -> None:
    run("ip", "-n", pod.name, "-6", "route", "del", "default")
    router = pod.start()
    assert router.process.wait(60) == 71
    router.end()
    assert router.log == [
        "egress router: the pod has no interface with an IPv6 address and a default route: check its pod network."
    ]


@ipv6
def test_ipv4_does_not_cross_the_link_of_an_ipv6_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Even if both ends were given IPv4 addresses."""
    router = pod.start().wait_ready()
    (veth,) = veths(node)
    run("ip", "-n", pod.name, "address", "add", "10.9.9.1/24", "dev", "egress0")
    run("ip", "-n", node.name, "address", "add", "10.9.9.2/24", "dev", veth)
    with inside(pod.name):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagram, pytest.raises(PermissionError):
        datagram.sendto(b"?", ("10.9.9.2", 5353))
    router.process.send_signal(signal.SIGSTOP)
    run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
    with inside(node.name):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside(pod.name):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with listener, datagram:
        listener.bind(("10.9.9.2", 5353))
        listener.settimeout(0.3)
        datagram.sendto(b"?", ("10.9.9.2", 5353))
        with pytest.raises(TimeoutError):
            listener.recv(16)
    router.process.send_signal(signal.SIGCONT)


def test_named_uplink(lab: Lab, pod: Pod) -> None:
    pod.start(EGRESS_UPLINK="up0").wait_ready()
    assert pod.ask().split()[0] == SOURCE
    lab.assert_no_other_source()
