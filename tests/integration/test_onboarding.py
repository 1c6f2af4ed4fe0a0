# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Onboarding opens nothing: what Pod Security enforced in a project is remembered, held, and restored at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    DEPLOYMENT,
    NAMESPACE,
    POD,
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import Forbidden, KubeClient, Selection
from ansible_collections.avi.egress.plugins.plugin_utils.audit import ADMISSION_POLICIES

from tests.support.ansible_run import Ansible, Run
from tests.support.api_server import ApiServer, api_server
from tests.support.kinds import POLICY
from tests.support.waiting import wait_for

ENFORCE = "pod-security.kubernetes.io/enforce"
HELD, BEFORE = "egress.avi.dev/pod-security", "egress.avi.dev/pod-security-before"
LIMIT_RANGE = Resource("", "v1", "LimitRange", "limitranges")
PROJECTS = {"strict": "restricted", "plain": "baseline", "open": "privileged", "bare": None}
"""By what they enforce before they are onboarded."""
BY_DEFAULT = "baseline"
"""What the API server enforces by itself."""
SITE: dict[str, Any] = {
    "egress_wait": False,
    "egress_placement": "project",
    "egress_projects": [*PROJECTS, "new"],
    "egress_networks": [{"name": "lan", "uplink": "eth0", "subnets": [{"cidr": "10.70.112.0/24"}]}],
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that enforces a level of its own where there is no label."""
    with api_server(tmp_path_factory.mktemp("api"), BY_DEFAULT) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    found = api.cluster()
    for name, level in PROJECTS.items():
        labels = {"team": "a", **({ENFORCE: level} if level else {})}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        found.create(NAMESPACE, body)
    return found


def play(ansible: Ansible, name: str, *arguments: str, **variables: Any) -> Run:
    return ansible.playbook(f"avi.egress.{name}", *arguments, "-e", json.dumps(variables))


def of(cluster: KubeClient, project: str) -> tuple[dict[str, str], dict[str, str]]:
    """A namespace's labels and annotations of this matter."""
    metadata = (cluster.get(NAMESPACE, project) or {})["metadata"]
    labels = {key: value for key, value in metadata["labels"].items() if key in (ENFORCE, HELD)}
    return labels, {key: value for key, value in (metadata.get("annotations") or {}).items() if key == BEFORE}


def may_run_privileged(cluster: KubeClient, project: str) -> bool:
    container = {"name": "c", "image": "x", "securityContext": {"privileged": True}}
    metadata = {"name": "tried", "namespace": project}
    body: KubeObject = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    try:
        cluster.create(POD, body, dry_run=True)
    except Forbidden:
        return False
    return True


def deletions(
    cluster: KubeClient, resource: Resource, version: str, count: int, labels: str | None = None
) -> list[int]:
    """The cluster's revisions at which objects were deleted after a version: so many, or as many as come in time."""
    events = cluster.watch(Selection(resource, labels=labels), version=version, timeout=10)
    gone = (int(obj["metadata"]["resourceVersion"]) for kind, obj in events if kind == "DELETED")
    return list(islice(gone, count))


def test_onboarding_remembers_what_was_enforced_and_holds_other_pods_to_it(
    ansible: Ansible, cluster: KubeClient
) -> None:
    run = play(ansible, "site", **SITE)
    assert run.failure == ""
    assert {item["metadata"]["name"] for item in cluster.list(POLICY)} == set(ADMISSION_POLICIES)
    for name, level in PROJECTS.items():
        assert of(cluster, name) == ({ENFORCE: "privileged", HELD: level or BY_DEFAULT}, {BEFORE: level or ""})
    assert of(cluster, "new") == ({ENFORCE: "privileged", HELD: BY_DEFAULT}, {BEFORE: ""})
    wait_for("the policies to be in force", lambda: not may_run_privileged(cluster, "strict"))
    assert [name for name in SITE["egress_projects"] if may_run_privileged(cluster, name)] == ["open"]


def test_a_second_run_remembers_the_same(ansible: Ansible, cluster: KubeClient) -> None:
    before = {name: cluster.get(NAMESPACE, name) for name in SITE["egress_projects"]}
    run = play(ansible, "onboard_project", egress_projects=SITE["egress_projects"])
    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert {name: cluster.get(NAMESPACE, name) for name in before} == before


def test_check_mode_foresees_the_clusters_own_default(ansible: Ansible, cluster: KubeClient) -> None:
    run = play(ansible, "onboard_project", "--check", "--diff", egress_projects=["unmade"])
    assert run.failure == ""
    foreseen = run.result("Include the projects, and admit their egress pods")["result"]
    assert foreseen["metadata"]["labels"].items() >= {ENFORCE: "privileged", HELD: BY_DEFAULT}.items()
    assert cluster.get(NAMESPACE, "unmade") is None


def test_what_cannot_be_found_out_is_told_and_a_label_says_it(ansible: Ansible, cluster: KubeClient) -> None:
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "narrow"}})
    limits = [{"type": "Pod", "min": {"cpu": "1"}}]
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "least", "namespace": "narrow"}}
    cluster.create(LIMIT_RANGE, {**body, "spec": {"limits": limits}})
    run = play(ansible, "onboard_project", egress_projects=["narrow"])
    assert run.failure.startswith(
        "namespace narrow has no label pod-security.kubernetes.io/enforce, and what the cluster"
    )
    assert "minimum cpu usage per Pod is 1" in run.failure
    assert of(cluster, "narrow") == ({}, {})
    cluster.patch(NAMESPACE, "narrow", {"metadata": {"labels": {ENFORCE: "restricted"}}})
    assert play(ansible, "onboard_project", egress_projects=["narrow"]).failure == ""
    assert of(cluster, "narrow") == ({ENFORCE: "privileged", HELD: "restricted"}, {BEFORE: "restricted"})


def test_a_project_whose_egress_pods_are_elsewhere_admits_none(ansible: Ansible, cluster: KubeClient) -> None:
    for _time in range(2):
        run = play(ansible, "onboard_project", egress_projects=["plain", "apart"], egress_placement="gateway")
        assert run.failure == ""
    assert run.stats["changed"] == 0
    assert of(cluster, "plain") == ({ENFORCE: "baseline"}, {})
    assert of(cluster, "apart") == ({}, {})
    assert (cluster.get(NAMESPACE, "apart") or {})["metadata"]["labels"]["egress.avi.dev/project"] == "included"
    assert not any(
        item["metadata"]["name"].startswith("avivantage-") for item in cluster.list(SERVICE_ACCOUNT, "apart")
    )
    play(ansible, "onboard_project", egress_projects=["plain"])
    assert of(cluster, "plain") == ({ENFORCE: "privileged", HELD: "baseline"}, {BEFORE: "baseline"})


def test_offboarding_restores_what_was_enforced(ansible: Ansible, cluster: KubeClient) -> None:
    cluster.patch(NAMESPACE, "new", {"metadata": {"labels": {ENFORCE: "baseline"}}})
    for _time in range(2):
        run = play(ansible, "offboard_project", egress_projects=["strict", "bare", "new"])
        assert run.failure == ""
        assert of(cluster, "new") == ({ENFORCE: "baseline"}, {}), "what somebody has set since stays"
        assert of(cluster, "strict") == ({ENFORCE: "restricted"}, {})
        assert of(cluster, "bare") == ({}, {})
    assert run.stats["changed"] == 0


def test_the_uninstallation_restores_it_and_takes_the_policies_away_last(ansible: Ansible, cluster: KubeClient) -> None:
    cluster.patch(NAMESPACE, "open", {"metadata": {"labels": {ENFORCE: None}}})
    policies, version = cluster.list_with_version(POLICY)
    accounts = cluster.list(SERVICE_ACCOUNT, labels="egress.avi.dev/cloud")
    assert accounts
    run = play(ansible, "uninstall")
    assert run.failure == ""
    first = min(deletions(cluster, POLICY, version, len(policies)))
    assert first > max(deletions(cluster, DEPLOYMENT, version, 1))
    assert first > max(deletions(cluster, SERVICE_ACCOUNT, version, len(accounts), "egress.avi.dev/cloud"))
    restored = [cluster.get(NAMESPACE, name) or {} for name in ("plain", "open")]
    assert first > max(int(item["metadata"]["resourceVersion"]) for item in restored)
    assert of(cluster, "plain") == ({ENFORCE: "baseline"}, {})
    assert of(cluster, "open") == ({}, {}), "what somebody has taken off since stays off"
    assert of(cluster, "new") == ({ENFORCE: "baseline"}, {})
    assert not may_run_privileged(cluster, "plain")
    metadata = (cluster.get(NAMESPACE, "plain") or {})["metadata"]
    assert metadata["labels"].items() >= {"team": "a", "egress.avi.dev/project": "included"}.items()
