# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases and locks as one task knows them: read once, and from then on what the task itself writes is entered.

A copy of it is where a task foretells: each step is entered as if it had been taken, so the next one sees it. What is
known may be old by the time of a write; that is for the API server to notice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Collection, Iterable, Mapping, Tuple

from ...api.resources import KubeObject, address_name
from ...ipam import lease_status
from ...ipam.leases import Slot, slot_of
from ...ipam.transfers import TRANSFERRED

Change = Tuple[KubeObject, KubeObject]
"""A lease as it was and as it is."""


class LeaseSnapshot:
    """Who holds what. Not thread-safe."""

    def __init__(self, leases: Iterable[KubeObject], addresses: Iterable[KubeObject]) -> None:
        self._leases: dict[tuple[str, str], dict[str, KubeObject]] = defaultdict(dict)
        self._locks: dict[str, dict[str, KubeObject]] = defaultdict(dict)
        self._asked: dict[str, set[str]] = defaultdict(set)
        self._drawn: Counter[tuple[str, str]] = Counter()
        for lease in leases:
            self._keep(lease)
        for lock in addresses:
            self._locks[lock["spec"]["network"]][lock["spec"]["address"]] = lock

    def copy(self) -> LeaseSnapshot:
        """The same, to enter in it what has not happened."""
        other = LeaseSnapshot(self.leases(), self.locks())
        for network, asked in self._asked.items():
            other._asked[network] = set(asked)
        return other

    def leases(self) -> list[KubeObject]:
        return [lease for project in self._leases.values() for lease in project.values()]

    def locks(self) -> list[KubeObject]:
        return [lock for network in self._locks.values() for lock in network.values()]

    def get(self, slot: Slot) -> KubeObject | None:
        return self._leases[slot.network, slot.namespace].get(slot.lease)

    def find(self, name: str) -> KubeObject | None:
        """The lease of a name."""
        network, namespace = name.split(".")[:2]
        return self._leases[network, namespace].get(name)

    def project(self, slot: Slot) -> list[KubeObject]:
        """The leases that the slot's project has of its network."""
        return list(self._leases[slot.network, slot.namespace].values())

    def locked(self, network: str) -> Mapping[str, KubeObject]:
        """The EgressAddress of each address of a network that has one."""
        return self._locks[network]

    def ask(self, network: str, address: str) -> None:
        """Keep an address that the task will lease from being drawn by another step of it."""
        self._asked[network].add(address)

    def taken(self, network: str) -> Collection[str]:
        """The addresses of a network that no step may draw."""
        return {*self._locks[network], *self._asked[network]}

    def drawn(self, network: str, ip_family: str) -> int:
        """How many leases were entered whose address nobody knows yet."""
        return self._drawn[network, ip_family]

    def enter_drawn(self, lease: KubeObject, ip_family: str) -> None:
        """A lease whose address will be drawn."""
        self._keep(lease)
        self._drawn[lease["spec"]["network"], ip_family] += 1

    def enter(self, lease: KubeObject) -> Change | None:
        """A lease as it is now, and its address as its own; the lease that had it until now, and how that one is over.

        One that is not Bound leaves the lock as it is.
        """
        self._keep(lease)
        address = lease_status.address(lease)
        if not lease_status.is_bound(lease):
            return None
        network = lease["spec"]["network"]
        former = self._locks[network].get(address or "")
        if former and former["spec"]["lease"] == lease["metadata"]["name"]:
            return None
        self._locks[network][address or ""] = _lock(lease, address or "")
        return self._give_away(former["spec"]["lease"], address or "") if former else None

    def forget(self, lease: KubeObject) -> None:
        """A lease that is deleted."""
        spec = lease["spec"]
        self._leases[spec["network"], spec["namespace"]].pop(lease["metadata"]["name"], None)

    def _give_away(self, name: str, address: str) -> Change | None:
        giver = self.find(name)
        if giver is None or lease_status.address(giver) != address:
            return None
        after = {**giver, "status": lease_status.expired(giver, TRANSFERRED)}
        self._keep(after)
        return giver, after

    def _keep(self, lease: KubeObject) -> None:
        slot = slot_of(lease)
        self._leases[slot.network, slot.namespace][slot.lease] = lease


def _lock(lease: KubeObject, address: str) -> KubeObject:
    """As much of an EgressAddress as is known of one that may not be there yet."""
    network, metadata = lease["spec"]["network"], lease["metadata"]
    spec = {"network": network, "address": address, "lease": metadata["name"], "leaseUID": metadata.get("uid")}
    return {"metadata": {"name": address_name(network, address)}, "spec": spec}
