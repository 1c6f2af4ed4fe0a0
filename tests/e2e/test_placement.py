# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Placement ``gateway`` with real packets: the project has its address, and nothing privileged in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.hammer import hammering
from tests.support.outside import Outside
from tests.support.project import ENFORCE, NODES, Project
from tests.support.waiting import wait_for

SERVICE = "apart"
HOME = ("-n", "avi-egress")
MOVING_SECONDS = 60


@pytest.fixture(scope="module")
def guarded(new_project: Any) -> Iterator[Project]:
    """A project that admits no privileged pod, in a cloud of its own whose egress pods are in the gateway."""
    project: Project = new_project("guarded", included=False, admits=False)
    kubectl = project.kubectl
    # As the role labels it for this placement.
    kubectl.run("label", "namespace", "avi-egress", "--overwrite", f"{ENFORCE}=privileged")
    project.create_cloud(placement="gateway")
    yield project
    project.delete(SERVICE)
    wait_for("its pods are gone", lambda: not egress_pods(project))
    kubectl.run("delete", "egresscloud", project.name)
    kubectl.run("label", "namespace", "avi-egress", "--overwrite", f"{ENFORCE}=restricted")


def egress_pods(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.kubectl.json(
        *HOME, "get", "pods", "-l", f"egress.avi.dev/namespace={project.name},egress.avi.dev/service={SERVICE}"
    )["items"]
    return found


def test_the_project_has_its_own_address_and_nothing_privileged(
    guarded: Project, blue: Project, outside: Outside
) -> None:
    guarded.create_service(SERVICE, {"destination_ip": outside.destination})
    guarded.wait_served(SERVICE)
    address, source = guarded.cluster_ip(SERVICE), guarded.source_ip(SERVICE)
    (pod,) = egress_pods(guarded)
    for node in NODES:
        for host in (address, pod["status"]["podIP"]):
            assert guarded.fetch(host, node=node).seen == source
            wait_for("blue is refused", lambda to=host, at=node: blue.fetch(to, node=at).refused)
    assert [item["metadata"]["name"] for item in guarded.json("get", "pods,replicationcontrollers")["items"]] == [
        f"client-{node}" for node in NODES
    ]
    names = {item["metadata"]["name"] for item in guarded.json("get", "serviceaccounts")["items"]}
    assert names == {"default"}
    labels = guarded.kubectl.json("get", "namespace", guarded.name)["metadata"]["labels"]
    assert ENFORCE not in labels, "the cluster's own default, the strictest level, is enforced"

    guarded.kubectl.run(*HOME, "delete", "pod", pod["metadata"]["name"])
    wait_for("its successor serves", lambda: guarded.fetch(address).seen == source)
    assert pod["metadata"]["uid"] not in {item["metadata"]["uid"] for item in egress_pods(guarded)}


def test_a_move_there_and_back_keeps_the_address_and_shows_no_other(guarded: Project, outside: Outside) -> None:
    """Under traffic: connections fail for as long as a pod takes to end and another to be ready."""
    kubectl = guarded.kubectl
    guarded.create_service(SERVICE, {"destination_ip": outside.destination})
    guarded.wait_ready(SERVICE)
    source = guarded.source_ip(SERVICE)
    # As the role labels it for placement project.
    kubectl.run("label", "namespace", guarded.name, "--overwrite", f"{ENFORCE}=privileged")
    with hammering(kubectl, guarded, guarded.cluster_ip(SERVICE)) as hammer:
        hammer.wait_for_answers()
        for placement in ("project", "gateway"):
            place(guarded, placement)
            wait_for(f"it has a pod there: {placement}", lambda at=placement: pods_at(guarded, at), MOVING_SECONDS)
            former = "gateway" if placement == "project" else "project"
            phases = {pod["status"]["phase"] for pod in pods_at(guarded, former)}
            assert phases <= {"Succeeded", "Failed"}, "the former pod has ended first"
            guarded.wait_ready(SERVICE)
            assert {*hammer.seen()} <= {source}
            hammer.wait_for_answers()
    assert guarded.source_ip(SERVICE) == source


def pods_at(project: Project, placement: str) -> list[dict[str, Any]]:
    return egress_pods(project) if placement == "gateway" else project.egress_pods(SERVICE)


def place(project: Project, placement: str) -> None:
    """Have the egress pods of the project's cloud elsewhere."""
    change = json.dumps({"spec": {"placement": placement}})
    project.kubectl.run("patch", "egresscloud", project.name, "--type=merge", "-p", change)
