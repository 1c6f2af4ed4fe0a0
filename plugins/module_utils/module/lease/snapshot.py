# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases and locks as a task knows them: as they were listed, and as its own writes have made them since.

What is known may be old by the time of a write; that is for the API server to notice.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Collection, Iterable, Mapping, Tuple

from ...api.resources import EGRESS_ADDRESS, EGRESS_LEASE, KubeObject, Resource
from ...ipam import lease_status
from ...ipam.leases import Slot, slot_of

Change = Tuple["KubeObject | None", "KubeObject | None"]
"""A lease as it was and as it is; None where there is none."""


class LeaseSnapshot:
    """Who holds what. Not thread-safe. Its objects are values: to change one, hand in another."""

    def __init__(self, leases: Iterable[KubeObject], locks: Iterable[KubeObject]) -> None:
        self.objects: dict[str, dict[str, KubeObject]] = {EGRESS_LEASE.kind: {}, EGRESS_ADDRESS.kind: {}}
        """By kind and name."""
        self._projects: dict[tuple[str, str], dict[str, KubeObject]] = defaultdict(dict)
        self._locked: dict[str, dict[str, KubeObject]] = defaultdict(dict)
        self._held: dict[str, dict[str, str]] = defaultdict(dict)
        self._asked: dict[str, set[str]] = defaultdict(set)
        self._former: dict[str, KubeObject | None] = {}
        for lease in leases:
            self.assume(EGRESS_LEASE, lease)
        for lock in locks:
            self.assume(EGRESS_ADDRESS, lock)

    def copy(self) -> LeaseSnapshot:
        """The same, to write in it what has not happened."""
        other = LeaseSnapshot(self.leases(), self.objects[EGRESS_ADDRESS.kind].values())
        for network, asked in self._asked.items():
            other._asked[network] = set(asked)
        return other

    def leases(self) -> Collection[KubeObject]:
        return self.objects[EGRESS_LEASE.kind].values()

    def get(self, slot: Slot) -> KubeObject | None:
        return self.objects[EGRESS_LEASE.kind].get(slot.lease)

    def project(self, slot: Slot) -> Collection[KubeObject]:
        """The leases that the slot's project has of its network."""
        return self._projects[slot.network, slot.namespace].values()

    def locked(self, network: str) -> Mapping[str, KubeObject]:
        """The EgressAddress of each address of a network that has one."""
        return self._locked[network]

    def ask(self, network: str, address: str) -> None:
        """Keep an address that the task will lease from being drawn by another step of it."""
        self._asked[network].add(address)

    def taken(self, network: str) -> Collection[str]:
        """The addresses of a network that no step may draw: locked, asked for, or held without a lock."""
        return {*self._locked[network], *self._asked[network], *self._held[network].values()}

    def assume(self, resource: Resource, obj: KubeObject) -> None:
        """A lease or lock as it is now."""
        self.objects[resource.kind][obj["metadata"]["name"]] = obj
        index, key = self._index(resource, obj)
        index[key] = obj
        if resource is EGRESS_LEASE:
            self._hold(obj)

    def forget(self, resource: Resource, name: str) -> None:
        """A lease or lock that is not there any more."""
        if obj := self.objects[resource.kind].pop(name, None):
            index, key = self._index(resource, obj)
            index.pop(key, None)
            if resource is EGRESS_LEASE:
                self._held[obj["spec"]["network"]].pop(name, None)

    def write(self, resource: Resource, name: str, obj: KubeObject | None) -> None:
        """A lease or lock as the task has made it, None where it has deleted it."""
        if resource is EGRESS_LEASE:
            self._former.setdefault(name, self.objects[resource.kind].get(name))
        self.forget(resource, name) if obj is None else self.assume(resource, obj)

    def take_changes(self) -> Mapping[str, Change]:
        """What the task has made of leases, by name, since it last asked this."""
        former, self._former = self._former, {}
        return {name: (lease, self.objects[EGRESS_LEASE.kind].get(name)) for name, lease in former.items()}

    def _hold(self, lease: KubeObject) -> None:
        held, name = self._held[lease["spec"]["network"]], lease["metadata"]["name"]
        address = lease_status.address(lease)
        if address and (lease_status.is_bound(lease) or lease_status.is_released(lease)):
            held[name] = address
        else:
            held.pop(name, None)

    def _index(self, resource: Resource, obj: KubeObject) -> tuple[dict[str, KubeObject], str]:
        """Where else an object is kept, and by which name."""
        if resource is EGRESS_LEASE:
            slot = slot_of(obj)
            return self._projects[slot.network, slot.namespace], slot.lease
        return self._locked[obj["spec"]["network"]], obj["spec"]["address"]
