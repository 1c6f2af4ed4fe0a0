# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``EgressCloud.spec.pods`` on real nodes: pods go where they may alone, and what the cluster refuses is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.waiting import wait_for

SERVICE = "fitted"
NODE = "node2"
TAINT = "egress.example/infra"


@pytest.fixture(scope="module")
def fitted(new_project: Any) -> Iterator[Project]:
    """A project in a cloud of its own, whose egress pods are for a node that is kept for them."""
    project: Project = new_project("fitted", included=False)
    kubectl = project.kubectl
    pods = {
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "tolerations": [{"key": TAINT, "operator": "Exists"}],
    }
    kubectl.run("taint", "node", NODE, "--overwrite", f"{TAINT}=yes:NoSchedule")
    try:
        project.create_cloud(pods=pods)
        yield project
        project.delete(SERVICE)
        wait_for("its pods are gone", lambda: not project.egress_pods(SERVICE))
        kubectl.run("delete", "egresscloud", project.name)
    finally:
        kubectl.run("taint", "node", NODE, f"{TAINT}-")


def set_pods(project: Project, pods: dict[str, Any]) -> None:
    patch = json.dumps({"spec": {"pods": pods}})
    project.kubectl.run("patch", "egresscloud", project.name, "--type=merge", "-p", patch)


def test_pods_are_where_the_administrator_wants_them_and_never_the_first_to_end(
    fitted: Project, outside: Outside
) -> None:
    fitted.create_service(SERVICE, {"destination_ip": outside.destination})
    fitted.wait_served(SERVICE)
    (pod,) = fitted.egress_pods(SERVICE)
    assert pod["spec"]["nodeName"] == NODE
    assert pod["status"]["qosClass"] == "Burstable"
    assert fitted.fetch(fitted.cluster_ip(SERVICE)).seen == fitted.source_ip(SERVICE)


def test_what_the_cluster_does_not_know_is_told_and_mended(fitted: Project) -> None:
    set_pods(fitted, {"priorityClassName": "no-such-class"})
    wait_for("the condition to tell", lambda: fitted.condition(SERVICE).get("reason") == "PodRefused")
    assert "no PriorityClass with name no-such-class was found" in fitted.condition(SERVICE)["message"]
    address, source = fitted.cluster_ip(SERVICE), fitted.source_ip(SERVICE)
    assert fitted.fetch(address).seen == source, "what runs goes on"
    set_pods(fitted, {"priorityClassName": None})
    fitted.wait_ready(SERVICE)
    wait_for("it to serve from its address again", lambda: fitted.fetch(address).seen == source)


def test_what_a_limit_range_refuses_is_told_and_what_runs_goes_on(fitted: Project) -> None:
    kubectl, address, source = fitted.kubectl, fitted.cluster_ip(SERVICE), fitted.source_ip(SERVICE)
    (before,) = fitted.egress_pods(SERVICE)
    head = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small", "namespace": fitted.name}}
    kubectl.apply({**head, "spec": {"limits": [{"type": "Container", "max": {"memory": "256Mi"}}]}})
    set_pods(fitted, {"resources": {"limits": {"memory": "512Mi"}}})
    wait_for("the condition to tell", lambda: fitted.condition(SERVICE).get("reason") == "PodRefused")
    assert "maximum memory usage per Container is 256Mi, but limit is 512Mi" in fitted.condition(SERVICE)["message"]
    assert fitted.fetch(address).seen == source
    assert [pod["metadata"]["uid"] for pod in fitted.egress_pods(SERVICE)] == [before["metadata"]["uid"]]

    kubectl.run("delete", "limitrange", "-n", fitted.name, "small")
    wait_for("another pod", lambda: before["metadata"]["uid"] not in str(fitted.egress_pods(SERVICE)))
    fitted.wait_served(SERVICE)
    assert fitted.fetch(address).seen == source


def test_what_is_no_setting_is_told_and_what_runs_goes_on(fitted: Project) -> None:
    set_pods(fitted, {"toleration": []})
    wait_for("the condition to tell", lambda: "spec.pods.toleration is []" in str(fitted.condition(SERVICE)))
    assert fitted.fetch(fitted.cluster_ip(SERVICE)).seen == fitted.source_ip(SERVICE)
    set_pods(fitted, {"toleration": None})
    fitted.wait_ready(SERVICE)
