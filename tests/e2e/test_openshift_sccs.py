# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""OpenShift's own SCC admission in a cluster with pods and packets: which SCC admits whom, and what none admits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.allocator import UID_RANGE
from tests.cluster.tools import admits_by_sccs
from tests.support.client import client_pod
from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError, Outside
from tests.support.project import NODES, Project

pytestmark = pytest.mark.skipif(
    not admits_by_sccs(), reason="no pod is admitted by an SCC here: EGRESS_KUBERNETES=openshift has a cluster of those"
)
SERVICE = "admitted"
TENANT = "--as=tenant-under-sccs"


@pytest.fixture(scope="module")
def sources(green: Project, outside: Outside) -> Iterator[list[str]]:
    """The source addresses of a service with two egress pods, which are up."""
    green.create_service(SERVICE, {"destination_ip": outside.destination, "ha": True})
    try:
        green.wait_served(SERVICE)
        yield green.source_ip(SERVICE).split(",")
    finally:
        green.delete(SERVICE)


def chosen(*pods: dict[str, Any]) -> set[str]:
    """The SCCs that pods were admitted by."""
    return {pod["metadata"]["annotations"]["openshift.io/scc"] for pod in pods}


def users(*pods: dict[str, Any]) -> set[int | None]:
    """As whom the containers of pods run; None where that is the image's user."""
    return {container["securityContext"].get("runAsUser") for pod in pods for container in pod["spec"]["containers"]}


def first_user(kubectl: Kubectl, namespace: str) -> int:
    annotations = kubectl.json("get", "namespace", namespace)["metadata"]["annotations"]
    return int(annotations[UID_RANGE].partition("/")[0])


def test_each_pod_is_admitted_by_the_scc_that_is_meant_for_it(
    green: Project, sources: list[str], kubectl: Kubectl
) -> None:
    cloud = kubectl.json("get", "egresscloud", "default")
    egress_pods = green.egress_pods(SERVICE)
    clients = [green.json("get", "pod", f"client-{node}") for node in NODES]
    controllers = kubectl.json("-n", "avi-egress", "get", "pods")["items"]

    assert len(egress_pods) == len(sources) == len(controllers) == 2
    assert chosen(*egress_pods) == {f"avivantage-scc-{cloud['spec']['uuid']}"}
    assert chosen(*clients) == chosen(*controllers) == {"restricted-v2"}
    assert users(*egress_pods) == {None}
    assert users(*clients) == {first_user(kubectl, green.name)}
    assert users(*controllers) == {first_user(kubectl, "avi-egress")}


@pytest.mark.parametrize("node", NODES)
def test_pods_so_admitted_show_the_projects_own_addresses(green: Project, sources: list[str], node: str) -> None:
    assert green.fetch(green.cluster_ip(SERVICE), node=node).seen in sources


@pytest.fixture(scope="module")
def tenant(green: Project) -> Iterator[str]:
    """The option that makes kubectl somebody with the ClusterRole ``admin`` in green."""
    binding, user = ("rolebinding", "under-sccs"), TENANT.partition("=")[2]
    green.kubectl.run("-n", green.name, "create", *binding, "--clusterrole=admin", f"--user={user}")
    yield TENANT
    green.kubectl.run("-n", green.name, "delete", *binding)


def told(green: Project, tenant: str, pod: dict[str, Any]) -> str:
    """What the API server answers to a tenant who would make a pod; nothing if it would be made."""
    dry = ("create", "--dry-run=server", "-f", "-")
    try:
        green.kubectl.run("-n", green.name, tenant, *dry, stdin=json.dumps(pod))
    except DemoError as error:
        return str(error)
    return ""


def wanting(project: Project, **more: Any) -> dict[str, Any]:
    """A tenant's pod; of it and of its container some fields are given."""
    pod = client_pod(project.name, "any", name="wanting")
    container = pod["spec"]["containers"][0]
    container["securityContext"] = {**container["securityContext"], **more.pop("container", {})}
    pod["spec"] |= more
    return pod


@pytest.mark.parametrize(
    ("wish", "fault"),
    [
        ({"hostNetwork": True}, "Host network is not allowed to be used"),
        (
            {"container": {"privileged": True, "allowPrivilegeEscalation": True}},
            "Privileged containers are not allowed",
        ),
        ({"container": {"runAsUser": 1000}}, "must be in the ranges"),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "hostPath volumes are not allowed to be used"),
    ],
    ids=["host network", "privileged", "a user of its own choice", "host path"],
)
def test_a_tenants_pod_that_wants_more_is_refused_by_the_sccs(
    green: Project, tenant: str, wish: dict[str, Any], fault: str
) -> None:
    words = told(green, tenant, wanting(green, **wish))

    assert "unable to validate against any security context constraint" in words
    assert fault in words
    assert told(green, tenant, wanting(green)) == "", "the same pod without that wish"
