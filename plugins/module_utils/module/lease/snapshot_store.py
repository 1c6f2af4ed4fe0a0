# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The API server as a task's claims see it, which knows most of it already."""

from __future__ import annotations

from typing import List

from ...api.resources import EGRESS_ADDRESS, EGRESS_LEASE, KubeObject, Resource
from ...client.kube_client import KubeClient
from .snapshot import LeaseSnapshot


class SnapshotStore:
    """The LeaseStore of one claim: what the snapshot knows is not asked for again, unless it did not fit."""

    def __init__(self, client: KubeClient, snapshot: LeaseSnapshot) -> None:
        self._client = client
        self._snapshot = snapshot
        self._asked: set[str] = set()

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        if resource is EGRESS_LEASE and name not in self._asked:
            self._asked.add(name)
            return self._snapshot.objects[resource.kind].get(name)
        found = self._client.get(resource, name)
        self._snapshot.assume(resource, found) if found else self._snapshot.forget(resource, name)
        return found

    def list(self, resource: Resource, *, labels: str | None = None) -> List[KubeObject]:
        """The locks as known; leases as the server has them."""
        if resource is EGRESS_ADDRESS:
            return list(self._snapshot.objects[resource.kind].values())
        return self._client.list(resource, labels=labels)

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        return self._written(resource, self._client.create(resource, body))

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        return self._written(resource, self._client.replace(resource, body, subresource))

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        self._client.delete(resource, obj)
        self._snapshot.write(resource, obj["metadata"]["name"], None)

    def _written(self, resource: Resource, stored: KubeObject) -> KubeObject:
        self._snapshot.write(resource, stored["metadata"]["name"], stored)
        return stored
