# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The egress controller's part in a module's run, played by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CLAIMED_BY_LABEL,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EVENT,
    SERVICE,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER

from tests.support.waiting import wait_for


@contextmanager
def once_there(cluster: KubeClient, project: str, play: Callable[[], None]) -> Iterator[None]:
    """Play the controller's part in a thread as soon as the Service is there; its failure fails the test."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            wait_for("the Service to be there", lambda: cluster.get(SERVICE, "x", project), 60)
            play()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=120)
    assert not failures, failures


def set_condition(cluster: KubeClient, project: str, reason: str, *, ready: bool, name: str = "x") -> None:
    """What the egress controller would say of the Service."""
    condition = {
        "type": "EgressReady",
        "status": str(ready),
        "reason": reason,
        "message": f"about {reason}",
        "lastTransitionTime": "2026-11-23T06:31:00Z",
    }
    cluster.patch(SERVICE, name, {"status": {"conditions": [condition]}}, project, subresource="status")


def take_over_lease(cluster: KubeClient, name: str) -> None:
    """The lease becomes one that the controller has claimed for a service, and gives up with it."""
    cluster.patch(EGRESS_LEASE, name, {"metadata": {"labels": {CLAIMED_BY_LABEL: CONTROLLER}}})


def create_event(cluster: KubeClient, project: str) -> None:
    """An Event about the Service, and a newer one of the API server about its own records."""
    allocator = {"reportingComponent": "ipallocator-repair-controller", "lastTimestamp": "2026-01-02T00:00:00Z"}
    _create_event(cluster, project, reason="FailedCreate", message="no such account")
    _create_event(cluster, project, reason="ClusterIPNotAllocated", message="repairing", **allocator)


def _create_event(cluster: KubeClient, project: str, **fields: str) -> None:
    cluster.create(
        EVENT,
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"x.{fields['reason'].lower()}", "namespace": project},
            "involvedObject": {"apiVersion": "v1", "kind": "Service", "name": "x", "namespace": project},
            "type": "Warning",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            **fields,
        },
    )


def replication_controller(service: KubeObject) -> KubeObject:
    """What the egress controller makes for a Service, without what is in its pods."""
    metadata = service["metadata"]
    name = f"{metadata['name']}-avi-egress-pod"
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
    template = {
        "metadata": {"labels": {"name": name}},
        "spec": {"containers": [{"name": "avi-egress-router", "image": "none.example/none"}]},
    }
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "namespace": metadata["namespace"], "ownerReferences": [owner]},
        "spec": {"replicas": 1, "selector": {"name": name}, "template": template},
    }


def make_anew(cluster: KubeClient, network: str) -> None:
    """Give all addresses of a network back, as the end of the quarantine does."""
    for resource in (EGRESS_LEASE, EGRESS_ADDRESS):
        for item in cluster.list(resource, labels=f"egress.avi.dev/network={network}"):
            cluster.delete(resource, item)


def phase(cluster: KubeClient, name: str) -> str | None:
    found: KubeObject | None = cluster.get(EGRESS_LEASE, name)
    return ((found or {}).get("status") or {}).get("phase")
