# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nodes with firewalld, the daemon itself: whatever zone the uplink is in, the leased address passes."""

from __future__ import annotations

import pytest

from tests.support.router_lab.firewalld import put_in_zone, start_firewalld
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.pod import Pod, talk
from tests.support.router_lab.services import Services


@pytest.fixture(scope="module")
def firewalld(shared_lab: Lab, shared_node: Node) -> Services:
    return start_firewalld(shared_lab, shared_node)


def test_it_serves_in_the_default_zone_and_on_while_a_reload_changes_it(
    shared_lab: Lab, own_pod: Pod, firewalld: Services
) -> None:
    """To a zone that masquerades; an established connection goes on."""
    net = own_pod.net
    assert "reject" in chain(own_pod.node, "filter_FORWARD")
    own_pod.start(**net.to_far()).wait_ready()
    assert own_pod.udp().decode().split() == [net.source, net.far]
    with own_pod.connect() as connection:
        assert talk(connection) == f"{net.source} {net.far}"
        put_in_zone(firewalld, "external")
        assert masquerades(own_pod.node, net)
        assert talk(connection) == f"{net.source} {net.far}"
    assert own_pod.ask() == f"{net.source} {net.far}"
    shared_lab.assert_no_other_source()


def test_it_serves_from_the_start_in_a_zone_that_masquerades(
    shared_lab: Lab, own_pod: Pod, firewalld: Services
) -> None:
    net = own_pod.net
    if not masquerades(own_pod.node, net):
        put_in_zone(firewalld, "external")
    assert masquerades(own_pod.node, net)
    own_pod.start(**net.to_far()).wait_ready()
    assert own_pod.ask() == f"{net.source} {net.far}"
    assert own_pod.udp().decode().split() == [net.source, net.far]
    shared_lab.assert_no_other_source()


def masquerades(node: Node, net: Net) -> bool:
    """Whether packets that leave by the uplink are masqueraded by firewalld's rules as they are now."""
    return 'oifname "up0" goto nat_POST_external' in chain(
        node, "nat_POSTROUTING_ZONES"
    ) and f"meta nfproto ipv{net.version} " in chain(node, "nat_POST_external_allow")


def chain(node: Node, name: str) -> str:
    """Of firewalld's table on a node; empty if there is none of that name."""
    listed = run("ip", "netns", "exec", node.name, "nft", "list", "table", "inet", "firewalld")
    return listed.partition(f"\tchain {name} {{")[2].partition("\t}")[0]
