# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Routed addresses with FRR on two nodes and on the gateway, configured as docs/how-to/routed-networks.md has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.router_lab.frr import Frr
from tests.support.router_lab.hammer import Hammer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import V4, Net, both_families
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until

PAGE = (CHECKOUT / "docs/how-to/routed-networks.md").read_text(encoding="utf-8")
OF_A_NODE = PAGE.partition("```frr\n")[2].partition("```")[0]
OF_THE_GATEWAY = """
router bgp 64500
 bgp router-id 10.70.112.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor NODES peer-group
 neighbor NODES remote-as 64512
 neighbor {node}1 peer-group NODES
 neighbor {node}2 peer-group NODES
 address-family {family} unicast
  neighbor {node}1 activate
  neighbor {node}2 activate
 exit-address-family
"""


@dataclass(frozen=True)
class Fabric:
    """A gateway's namespace, and a pod on each of two nodes; all three machines have FRR."""

    gateway: str
    pods: list[Pod]


@pytest.fixture
def fabric(net: Net, lab: Lab, tmp_path: Path) -> Iterator[Fabric]:
    gateway = lab.add_gateway()
    pods = [lab.pod(lab.node(number), number) for number in (1, 2)]
    family = {4: "ipv4", 6: "ipv6"}[net.version]
    with ExitStack() as daemons:
        daemons.enter_context(Frr(gateway, tmp_path / "gateway", OF_THE_GATEWAY.format(node=net.node, family=family)))
        for number, pod in enumerate(pods, 1):
            config = OF_A_NODE.replace("router-id 10.70.112.61", f"router-id {V4.node}{number}")
            daemons.enter_context(Frr(pod.node.name, tmp_path / f"node{number}", config))
        yield Fabric(gateway, pods)


@both_families
def test_it_is_served_by_bgp_and_moves_to_another_node(net: Net, lab: Lab, fabric: Fabric) -> None:
    first, second = fabric.pods
    for pod in fabric.pods:
        ip(net, pod.node.name, "add", "blackhole", elsewhere(net))
    serving = first.start(**net.by_route()).wait_ready()
    wait_until(first.is_served, 60.0, "the gateway has learnt the route", serving)
    assert first.ask() == f"{net.routed} {net.far}"
    follower = second.start(**net.by_route())
    follower.wait_log(f"another has {net.routed}: the node has a route to it via")
    with Hammer(second) as hammer:
        serving.end()
        follower.wait_ready()
        hammer.wait_more(1)
    assert second.ask() == f"{net.routed} {net.far}"
    assert not first.is_served()
    assert set(lab.far_application.peers) == {net.routed}
    learnt = json.loads(ip(net, fabric.gateway, "show", "proto", "bgp"))
    assert [route["dst"] for route in learnt] == [net.routed], "nothing else of the nodes, whose tables have more"


def ip(net: Net, namespace: str, *command: str) -> str:
    """The output of ip about a machine's routes."""
    return run("ip", f"-{net.version}", "-n", namespace, "-j", "route", *command)


def elsewhere(net: Net) -> str:
    """An address that is none of the network's."""
    return {4: "203.0.113.9", 6: "2001:db8:99::9"}[net.version]
