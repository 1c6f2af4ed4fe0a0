# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nodes pull both images from a registry that asks for a login, by the digests that the role pushed; and packets flow.

The registry is on the cluster's underlay. The machine pushes by a forwarded port, so it has two names, as OpenShift's
has. The nodes have the images' layers already, from the archives that the other tests use: what they fetch here is what
names these, manifest and configuration.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support import playbook
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.registry import LOOPBACK, PULLER, PULLER_PASSWORD, PUSHER, PUSHER_PASSWORD, Registry, free_port
from tests.support.waiting import wait_for

SERVICE = "pulled"


@pytest.fixture(scope="module")
def registry(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The registry, which the nodes reach and trust."""
    layout = cluster.layout
    found = Registry(
        tmp_path_factory.mktemp("registry"),
        tmp_path_factory.mktemp("storage"),
        str(layout.control.ip),
        layout.namespace_path("control"),
        names=(LOOPBACK,),
    )
    found.start()
    cluster.trust_registry(found.host, found.ca)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def door(cluster: Cluster, registry: Registry) -> Iterator[str]:
    """The registry as the machine reaches it."""
    near = free_port(LOOPBACK)
    far = (str(cluster.layout.namespace_path("control")), str(cluster.layout.control.ip), str(registry.port))
    # It ends with the tests, however they end.
    command = ("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.cluster.forward", str(near), *far)
    with subprocess.Popen(command) as forwarder:
        try:
            yield f"{LOOPBACK}:{near}"
        finally:
            forwarder.terminate()


@pytest.fixture(scope="module")
def delivered(
    product: Path, site_variables: dict[str, Any], registry: Registry, door: str, green: Project
) -> Iterator[Project]:
    """A project of a cluster whose images come from the registry; what it was installed with before comes back."""
    variables = {
        **site_variables,
        "egress_image_source": "build",
        "egress_registry": f"{door}/avi",
        "egress_registry_seen_as": f"{registry.host}/avi",
        "egress_registry_username": PUSHER,
        "egress_registry_password": PUSHER_PASSWORD,
        "egress_registry_ca": str(registry.ca),
        "egress_registry_pull_username": PULLER,
        "egress_registry_pull_password": PULLER_PASSWORD,
        "egress_projects": [green.name],
    }
    try:
        playbook.run(product, variables, "site", show=False)
        yield green
    finally:
        playbook.run(product, {**site_variables, "egress_projects": [green.name]}, "site", show=False)


def test_nodes_pull_both_images_by_digest_and_the_service_works(
    delivered: Project, registry: Registry, kubectl: Kubectl, cluster: Cluster, outside: Outside
) -> None:
    delivered.create_service(SERVICE, {"destination_ip": outside.destination})
    try:
        delivered.wait_served(SERVICE)
        source = delivered.source_ip(SERVICE)

        assert delivered.fetch(delivered.cluster_ip(SERVICE)).seen == source
        running = {
            "avi-egress-router": delivered.egress_pods(SERVICE),
            "avi-egress-controller": controllers(kubectl),
        }
        for name, pods in running.items():
            (digest,) = {digest_of(pod, f"{registry.host}/avi/{name}") for pod in pods}
            assert registry.has(f"avi/{name}", digest)
            for pod in pods:
                answers = answers_to(node_address(cluster, pod), registry, f"avi/{name}", digest)
                assert 401 in answers, "the registry gives nothing without a login"
                assert answers[-1] == 200
    finally:
        kubectl.run("-n", delivered.name, "delete", "service", SERVICE, "--ignore-not-found")
        wait_for("the pod is gone", lambda: not delivered.egress_pods(SERVICE))


def controllers(kubectl: Kubectl) -> list[dict[str, Any]]:
    """The controllers that are not ending."""
    found = kubectl.json("-n", "avi-egress", "get", "pods", "-l", "app.kubernetes.io/name=avi-egress-controller")[
        "items"
    ]
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def digest_of(pod: dict[str, Any], image: str) -> str:
    """The digest (its digits) by which a pod asks for an image, and which its node says that it runs."""
    asked = pod["spec"]["containers"][0]["image"]
    assert asked.startswith(f"{image}@sha256:")
    assert pod["status"]["containerStatuses"][0]["imageID"] == asked
    return str(asked.rpartition(":")[2])


def node_address(cluster: Cluster, pod: dict[str, Any]) -> str:
    return str(cluster.layout.node(pod["spec"]["nodeName"]).underlay.ip)


def answers_to(client: str, registry: Registry, repository: str, digest: str) -> list[int]:
    """The statuses with which the registry has answered a client's requests for a manifest."""
    path = f"/v2/{repository}/manifests/sha256:{digest}"
    return [request.status for request in registry.requests() if (request.client, request.path) == (client, path)]
