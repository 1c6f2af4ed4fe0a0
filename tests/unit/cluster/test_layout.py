# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Names, addresses and paths."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.layout import ROLES, Layout


def test_the_environment_gives_what_the_caller_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_CLUSTER_NAME", "blue")
    monkeypatch.setenv("EGRESS_CLUSTER_API_PORT", "17000")
    monkeypatch.setenv("EGRESS_CLUSTER_STATE", "/srv/clusters")
    assert Layout.from_environment() == Layout("blue", 17000, Path("/srv/clusters"))
    assert Layout.from_environment("green", 18000, Path("/opt")) == Layout("green", 18000, Path("/opt"))


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAME", "API_PORT", "STATE"):
        monkeypatch.delenv(f"EGRESS_CLUSTER_{name}", raising=False)
    layout = Layout.from_environment()
    assert (layout.name, layout.api_port) == ("egress", 16443)
    assert layout.kubeconfig == Path("/var/lib/avi-egress/egress/kubeconfig")
    assert layout.namespace("remote") == "avi-egress-remote"


@pytest.mark.parametrize("name", ["", "Green", "a b", "../x", "-a", "a-", "a" * 21, "a/b"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cluster name"):
        Layout(name)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(ClusterError, match=str(port)):
        Layout(api_port=port)


def test_a_port_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_CLUSTER_API_PORT", "https")
    with pytest.raises(ClusterError, match="EGRESS_CLUSTER_API_PORT is 'https'"):
        Layout.from_environment()


def test_unknown_roles_and_nodes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="node2"):
        Layout().namespace("node3")
    with pytest.raises(ClusterError, match="node1, node2"):
        Layout().node("control")


def test_no_name_or_path_of_two_clusters_meets() -> None:
    one, two = Layout("one", 16443), Layout("two", 16444)
    assert not {one.namespace(role) for role in ROLES} & {two.namespace(role) for role in ROLES}
    assert not {one.cgroup(node) for node in one.nodes} & {two.cgroup(node) for node in two.nodes}
    assert one.state != two.state


def test_the_networks_do_not_overlap() -> None:
    networks = [Layout.underlay, Layout.lan, Layout.pods, Layout.services]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    first, second = Layout.nodes
    assert not first.pods.overlaps(second.pods)
    for node in Layout.nodes:
        assert node.pods.subnet_of(Layout.pods)
        assert node.underlay.network == Layout.underlay
        assert node.lan.network == Layout.lan


def test_the_ipv6_networks_do_not_overlap() -> None:
    networks = [Layout.underlay_v6, Layout.lan_v6, Layout.pods_v6, Layout.services_v6]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    first, second = Layout.nodes
    assert not first.pods_v6.overlaps(second.pods_v6)
    for node in Layout.nodes:
        assert node.pods_v6.subnet_of(Layout.pods_v6)
        assert node.underlay_v6.network == Layout.underlay_v6
        assert node.lan_v6.network == Layout.lan_v6


def test_addresses_for_leases_are_free() -> None:
    taken = {Layout.remote.ip, *(node.lan.ip for node in Layout.nodes)}
    assert not taken & {Layout.lan[index] for index in range(150, 200)}
    taken_v6 = {Layout.remote_v6.ip, *(node.lan_v6.ip for node in Layout.nodes)}
    assert not taken_v6 & {Layout.lan_v6[index] for index in range(0x100, 0x200)}
