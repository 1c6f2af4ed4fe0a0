# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a pass looks at, without an API server: caches that show what they are given, a server that notes its writes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from egress_controller.cache.context import Context
from egress_controller.cache.listers import Lister
from egress_controller.cache.refused_services import RefusedServices


class Store:
    """An informer's cache; every index gives all that is in it."""

    def __init__(self, *objects: KubeObject) -> None:
        self.objects = {obj["metadata"]["name"]: obj for obj in objects}

    def get(self, name: str) -> KubeObject | None:
        return self.objects.get(name)

    def all(self) -> list[KubeObject]:
        return list(self.objects.values())

    def of(self, index: str, value: Any) -> list[KubeObject]:
        return self.all()


class Server:
    """The API server: it knows some leases, and keeps what it is asked to write."""

    def __init__(self, *leases: KubeObject) -> None:
        self.leases = Store(*leases)
        self.deleted: list[str] = []
        self.patches: list[KubeObject] = []

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        return self.leases.get(name)

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        self.deleted.append(obj["metadata"]["name"])

    def patch(self, resource: Resource, name: str, body: KubeObject, *, subresource: str) -> None:
        self.patches.append(body)


class Told:
    """The Events; it keeps their reasons and messages."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def emit(self, obj: KubeObject, kind: str, reason: str, message: str) -> None:
        self.events.append((reason, message))


def context(client: Any, known: Any, networks: Any = None, events: Any = None, queue: Any = None) -> Context:
    """What a reconciler works with: ``networks`` is the lister of networks."""
    listers: Any = SimpleNamespace(networks=networks)
    watches: Any = None
    return Context(client, known, listers, queue, events, watches, "here", RefusedServices())


def caches(**stores: Store) -> Any:
    return SimpleNamespace(**stores)


def lister(networks: Store, read: Callable[[KubeObject], Any] = read_network) -> Any:
    return Lister(networks, read)  # type: ignore[arg-type]


def network(*cidrs: str, **spec: Any) -> KubeObject:
    metadata = {"name": "dmz", "uid": "1", "generation": 1}
    return {"kind": "EgressNetwork", "metadata": metadata, "spec": {"subnets": [{"cidr": x} for x in cidrs], **spec}}


def lock(address: str, lease: str = "dmz.green.web.0") -> KubeObject:
    name = "dmz." + address.replace(".", "-").replace(":", "-")
    spec = {"network": "dmz", "address": address, "lease": lease, "leaseUID": "1"}
    return {"metadata": {"name": name, "resourceVersion": "7"}, "spec": spec}


def lease(address: str, bound_at: str, phase: str = "Bound", **status: Any) -> KubeObject:
    return {
        "metadata": {"name": "dmz.green.web.0", "uid": "1"},
        "spec": {"network": "dmz", "namespace": "green"},
        "status": {"phase": phase, "address": address, "boundAt": bound_at, **status},
    }


ADDRESS = "10.70.112.1"
OTHER = "10.70.112.2"
MAC = "02:00:00:00:00:01"
WORDS = f"conflict address={ADDRESS} held-by={MAC}"
T0, SOON, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z", "2026-01-01T00:05:00Z"


def ended(message: str | None) -> dict[str, Any]:
    return {"terminated": {"exitCode": 75, **({"message": message} if message is not None else {})}}


RUNNING: dict[str, Any] = {"running": {"startedAt": SOON}}


def pod(
    message: str | None = WORDS,
    *,
    name: str = "web-avi-egress-pod-x1",
    uid: str = "p1",
    source: str = ADDRESS,
    ready: bool = False,
    made: str = T0,
    **status: Any,
) -> KubeObject:
    """An egress pod that was started again after its router had said ``message``, and waits."""
    container = {"name": "avi-egress-router", "started": ready, "restartCount": 1, "state": RUNNING}
    container |= {"lastState": ended(message), **status}
    return {
        "metadata": {"name": name, "namespace": "green", "uid": uid, "creationTimestamp": made},
        "spec": {"containers": [{"name": "avi-egress-router", "env": [{"name": "EGRESS_SOURCE", "value": source}]}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }
