# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An API server's store of leases in memory: unique names, writes for one version, and the failures of servers."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.errors import AlreadyExists, Conflict
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    KubeObject,
    Resource,
)


class LostConnection(Exception):
    """The request, or the answer to it, did not arrive."""


class MemoryStore:
    """A LeaseStore. ``between`` is called before each request: another client's turn, or the moment of a crash."""

    def __init__(self, between: Callable[[str], None] = lambda _request: None) -> None:
        self.objects: dict[tuple[str, str], KubeObject] = {}
        self.between = between
        self.lose_reply_of_write: int | None = None
        """Counts down with each write; that which makes it 0 is kept, but its answer is lost."""
        self.requests = 0
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        self._turn("get")
        return copy.deepcopy(self.objects.get((resource.kind, name)))

    def list(self, resource: Resource, *, labels: str | None = None) -> list[KubeObject]:
        self._turn("list")
        wanted = dict(pair.split("=") for pair in labels.split(",")) if labels else {}
        return [
            copy.deepcopy(obj)
            for (kind, _name), obj in self.objects.items()
            if kind == resource.kind and wanted.items() <= obj["metadata"].get("labels", {}).items()
        ]

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        self._turn("create")
        key = resource.kind, body["metadata"]["name"]
        if key in self.objects:
            raise AlreadyExists(409, f"{key} already exists")
        return self._keep(key, body, uid=f"uid-{next(self._uids)}")

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        self._turn("replace")
        key = resource.kind, body["metadata"]["name"]
        current = self._exactly(key, body)
        changed = (
            {**current, "status": body["status"]}
            if subresource == "status"
            else {**body, "status": current.get("status")}
        )
        if changed == current:
            self._written()  # As Kubernetes does it: what changes nothing makes no new version.
            return copy.deepcopy(current)
        return self._keep(key, changed, uid=current["metadata"]["uid"])

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        self._turn("delete")
        key = resource.kind, obj["metadata"]["name"]
        if key in self.objects:
            self._exactly(key, obj)
            del self.objects[key]
            self._written()

    def leases(self) -> list[KubeObject]:
        return [obj for (kind, _name), obj in self.objects.items() if kind == EGRESS_LEASE.kind]

    def locks(self) -> dict[str, dict[str, Any]]:
        """From address to the spec of its EgressAddress."""
        return {
            o["spec"]["address"]: o["spec"] for (kind, _n), o in self.objects.items() if kind == EGRESS_ADDRESS.kind
        }

    def _turn(self, request: str) -> None:
        self.requests += 1
        self.between(request)

    def _exactly(self, key: tuple[str, str], body: KubeObject) -> KubeObject:
        current = self.objects.get(key)
        same = ("uid", "resourceVersion")
        if current is None or any(current["metadata"][field] != body["metadata"][field] for field in same):
            raise Conflict(409, f"{key} is another")
        return current

    def _keep(self, key: tuple[str, str], body: KubeObject, uid: str) -> KubeObject:
        metadata = {**body["metadata"], "uid": uid, "resourceVersion": str(next(self._versions))}
        self.objects[key] = copy.deepcopy({**body, "metadata": metadata})
        self._written()
        return copy.deepcopy(self.objects[key])

    def _written(self) -> None:
        if self.lose_reply_of_write is not None:
            self.lose_reply_of_write -= 1
            if self.lose_reply_of_write == 0:
                self.lose_reply_of_write = None
                raise LostConnection("the answer was lost")
