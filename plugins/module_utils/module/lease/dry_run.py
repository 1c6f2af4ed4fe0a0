# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A store of leases that keeps its writes in memory, for check mode and for what is decided before the first write."""

from __future__ import annotations

import itertools
from typing import Collection, Iterator, List

from ...api.errors import AlreadyExists, Conflict
from ...api.resources import KubeObject, Resource
from ...ipam.address_pool import AddressPool
from .snapshot import LeaseSnapshot

_INVENTED = ("uid", "resourceVersion")
"""What the API server would have chosen otherwise."""


class DryRunStore:
    """A LeaseStore whose writes change a snapshot alone, refused where the API server would refuse them.

    Names are unique, a write is for one version of an object, a status is written by itself, and what changes nothing
    makes no new version.
    """

    def __init__(self, snapshot: LeaseSnapshot) -> None:
        self.snapshot = snapshot
        self._numbers = itertools.count(1)

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        return self.snapshot.objects[resource.kind].get(name)

    def list(self, resource: Resource, *, labels: str | None = None) -> List[KubeObject]:
        """``labels``: a selector of the kind ``name=value,name=value``."""
        wanted = dict(pair.split("=", 1) for pair in labels.split(",")).items() if labels else ()
        found = self.snapshot.objects[resource.kind].values()
        return [obj for obj in found if not wanted or wanted <= (obj["metadata"].get("labels") or {}).items()]

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        name = body["metadata"]["name"]
        if name in self.snapshot.objects[resource.kind]:
            raise AlreadyExists(409, f"{resource.plural} {name} already exists")
        return self._keep(resource, body, f"dry-run-uid-{next(self._numbers)}")

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        current = self._exactly(resource, body)
        if current is None:
            raise Conflict(404, f"{resource.plural} {body['metadata']['name']} not found")
        if subresource:
            changed = {**current, subresource: body[subresource]}
        else:
            status = {"status": current["status"]} if "status" in current else {}
            changed = {**{key: value for key, value in body.items() if key != "status"}, **status}
        return current if changed == current else self._keep(resource, changed, current["metadata"]["uid"])

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        if self._exactly(resource, obj):
            self.snapshot.write(resource, obj["metadata"]["name"], None)

    def _exactly(self, resource: Resource, body: KubeObject) -> KubeObject | None:
        """The object, if there is one; Conflict where that is not this version of it."""
        metadata = body["metadata"]
        current = self.snapshot.objects[resource.kind].get(metadata["name"])
        if current and any(current["metadata"][field] != metadata[field] for field in _INVENTED):
            raise Conflict(409, f"{resource.plural} {metadata['name']} is another one by now")
        return current

    def _keep(self, resource: Resource, body: KubeObject, uid: str) -> KubeObject:
        metadata = {**body["metadata"], "uid": uid, "resourceVersion": f"dry-run-{next(self._numbers)}"}
        stored = {**body, "metadata": metadata}
        self.snapshot.write(resource, metadata["name"], stored)
        return stored


class ChanceDraw:
    """How one claim draws an address by chance (a ``leases.Draw``), and from how many it has drawn."""

    def __init__(self, snapshot: LeaseSnapshot, network: str) -> None:
        self._snapshot = snapshot
        self._network = network
        self._pool = AddressPool(())
        self._taken: Collection[str] = ()

    def __call__(self, pool: AddressPool) -> Iterator[str]:
        self._pool, self._taken = pool, self._snapshot.taken(self._network)
        return pool.at_random(self._taken)

    @property
    def free(self) -> int:
        """How many addresses there were to draw from; 0 if none was drawn."""
        return self._pool.size - sum(address in self._pool for address in self._taken)


def as_told(before: KubeObject | None, after: KubeObject | None, free: int) -> KubeObject | None:
    """A lease that a dry run has made, without what only the real run decides.

    That is its identity and version, which stay as they were, and an address that was drawn from ``free`` ones.
    """
    if after is None:
        return None
    known = (before or {}).get("metadata") or {}
    metadata = {key: value for key, value in after["metadata"].items() if key not in _INVENTED}
    metadata |= {key: known[key] for key in _INVENTED if key in known}
    status = {"status": {**after["status"], "address": f"one of {free} free"}} if free else {}
    return {**after, "metadata": metadata, **status}
