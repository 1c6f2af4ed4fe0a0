# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The playbook ``preflight`` tells node by node what would be in the way, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.ansible_run import Ansible, Run
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import NODES
from tests.support.router_lab.namespaces import links, tables
from tests.support.waiting import wait_for

NAMESPACE = "avi-egress-preflight"
OUTSIDE = ("-e", json.dumps({"egress_preflight_networks": ["outside"]}))
"""Other tests have networks of their own."""
ALL_LOOKS = ["uplink", "route", "proxy", "address", "kernel", "gateway", "departure"]


@pytest.fixture(scope="module")
def ansible(product: Path, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    return Ansible(tmp_path_factory.mktemp("preflight"), product)


@pytest.fixture
def filtered(cluster: Cluster, outside: Outside) -> Iterator[str]:
    """A node whose outermost interface lets no TCP of leased addresses pass; only IPv4 has such a filter there."""
    node = NODES[1]
    rule = f"meta l4proto tcp ip saddr {outside.begin}-{outside.end} drop"
    chain = f'chain out {{ type filter hook egress device "eth1" priority 0; {rule}; }};'
    nft(cluster, node, f"table netdev site {{ {chain} }}")
    yield node
    nft(cluster, node, "delete table netdev site")


def nft(cluster: Cluster, node: str, script: str) -> None:
    command = ["ip", "netns", "exec", cluster.namespace(node), "nft", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def leased(kubectl: Kubectl) -> list[str]:
    """The phases of the preflight's leases."""
    found = kubectl.json("get", "egressleases", "-l", f"egress.avi.dev/namespace={NAMESPACE}")["items"]
    return [item.get("status", {}).get("phase", "") for item in found]


def by_node(run: Run) -> dict[tuple[str, str], dict[str, Any]]:
    """The findings by node and subnet."""
    return {(item["node"], item["subnet"]): item for item in run.result("Look at the nodes")["findings"]}


def assert_nothing_is_left(cluster: Cluster, kubectl: Kubectl, before: set[tuple[str, str]]) -> None:
    assert kubectl.run("get", "namespace", NAMESPACE, "--ignore-not-found") == ""
    assert set(leased(kubectl)) == {"Expired"}
    assert on_nodes(cluster) <= before  # Pods of earlier tests may have ended meanwhile.


def on_nodes(cluster: Cluster) -> set[tuple[str, str]]:
    """The interfaces and tables of routers, each with its node."""
    names = {node: (*links(cluster.namespace(node)), *tables(cluster.namespace(node))) for node in NODES}
    return {(node, name) for node, found in names.items() for name in found if name.startswith("av")}


def test_what_is_in_the_way_at_one_node_is_told_after_a_run_that_was_killed(
    cluster: Cluster, kubectl: Kubectl, ansible: Ansible, outside: Outside, outside_v6: Outside, filtered: str
) -> None:
    before = on_nodes(cluster)
    environment = {**os.environ, "K8S_AUTH_KUBECONFIG": str(ansible.kubeconfig)}
    with subprocess.Popen(
        ["ansible-playbook", "avi.egress.preflight", *OUTSIDE],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as killed:
        wait_for("its address", lambda: "Bound" in leased(kubectl), 120)
        os.killpg(killed.pid, signal.SIGKILL)

    run = ansible.playbook("avi.egress.preflight", *OUTSIDE)

    assert "found something in the way: NodeFirewall" in run.failure
    found = by_node(run)
    assert sorted(found) == sorted((node, one.subnet) for node in NODES for one in (outside, outside_v6))
    obstacle = found.pop((filtered, outside.subnet))
    assert obstacle["reason"] == "NodeFirewall", found
    assert obstacle["address"] in obstacle["message"]
    assert "nftables" in obstacle["remedy"]
    assert [(item["reason"], item["looks"]) for item in found.values()] == [(None, ALL_LOOKS)] * 3
    assert_nothing_is_left(cluster, kubectl, before)


def test_nodes_as_they_should_be_pass(cluster: Cluster, kubectl: Kubectl, ansible: Ansible) -> None:
    before = on_nodes(cluster)
    variables = ("-e", json.dumps({"egress_audit_preflight": True, "egress_preflight_node_selector": "{}"}))

    foreseen = ansible.playbook("avi.egress.preflight", "avi.egress.audit", "--check", *variables, *OUTSIDE)
    run = ansible.playbook("avi.egress.preflight", *OUTSIDE)

    assert (foreseen.failure, foreseen.stats["changed"]) == ("", 0)
    assert {item["reason"] for item in by_node(foreseen).values()} == {None}
    assert all("would be looked at" in line for line in foreseen.result("Tell what was seen")["msg"][1:])
    assert foreseen.custom_stats["egress_preflight_nodes"] == []
    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert run.custom_stats["egress_preflight_obstacles"] == []
    assert run.custom_stats["egress_preflight_nodes"] == list(NODES)
    assert [line.split()[-1] for line in run.result("Tell what was seen")["msg"][1:]] == ["Right"] * 4
    assert_nothing_is_left(cluster, kubectl, before)
