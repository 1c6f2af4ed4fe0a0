# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node whose default route leads by a second interface and which forwards nothing but pods' packets, in a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster import Cluster
from tests.support.capture import Capture
from tests.support.management_lan import management_lan
from tests.support.outside import Outside
from tests.support.project import DUAL_STACK, NODES, Project
from tests.support.router_links import nodes_that_hold
from tests.support.waiting import wait_for

NODE = NODES[1]
ON_THAT_NODE = {"nodeSelector": {"kubernetes.io/hostname": NODE}}
FOUR, SIX = "elsewhere-four", "elsewhere-six"


@pytest.fixture
def management(cluster: Cluster, green: Project) -> Iterator[Capture]:
    """All that crosses the LAN by which the node's default route leads."""
    with management_lan(cluster, NODE) as capture:
        yield capture


@pytest.fixture
def services(green: Project, management: Capture, outside: Outside, outside_v6: Outside) -> Iterator[dict[str, str]]:
    """The cluster IPs by name of a Service in each family, which serve by a pod on that node."""
    wanted = {FOUR: outside, SIX: outside_v6}
    try:
        for (name, to), spec in zip(wanted.items(), ({}, DUAL_STACK), strict=True):
            green.create_service(name, {"destination_ip": to.destination, **ON_THAT_NODE}, **spec)
        for name in wanted:
            green.wait_ready(name)
        yield {name: green.cluster_ip(name) for name in wanted}
    finally:
        for name in wanted:
            green.delete(name)
        wait_for("their pods are gone", lambda: not any(map(green.egress_pods, wanted)))


@pytest.fixture
def lan(cluster: Cluster, outside: Outside, outside_v6: Outside) -> Iterator[Capture]:
    """All packets to the remote application on the cluster's own networks, from before the Services exist."""
    with Capture(cluster.namespace("fabric"), to=[outside.destination, outside_v6.destination]) as capture:
        yield capture


def test_it_serves_by_its_own_network_and_nothing_leaves_by_the_other(
    green: Project, cluster: Cluster, lan: Capture, management: Capture, services: dict[str, str], outside: Outside
) -> None:
    sources = {name: green.source_ip(name) for name in services}
    for name, host in services.items():
        assert nodes_that_hold(cluster, sources[name]) == [NODE]
        for node in NODES:
            # Ready is the pod's word; kube-proxy follows a moment later.
            wait_for(f"{name} leads outside from {node}", partial(is_served, green, host, node))
            assert green.fetch(host, node=node).seen == sources[name]
    assert set(lan.settled()) == set(sources.values())
    assert not management.settled()
    # What a leak would look like: a plain connection leaves by the node's default route.
    assert green.fetch(outside.destination, node=NODE).error
    assert management.settled(), "the capture tells nothing"


def is_served(project: Project, host: str, node: str) -> bool:
    return project.fetch(host, node=node).seen is not None
