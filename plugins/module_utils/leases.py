# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases: who holds which source address (design §2 and §6).

Two objects whose names are locks, so that the API server, which creates a name only once, decides every race:
an EgressLease per service slot and an EgressAddress per address. A claim creates the first, then the second, then
writes the lease's status; a crash between any two writes leaves something that the next claim completes.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Callable, Collection, Protocol

from .errors import PoolExhausted, Refused
from .model import EgressNetwork
from .resources import (
    API_GROUP,
    API_VERSION,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    KubeObject,
    Resource,
    address_name,
    lease_name,
)

BOUND = "Bound"
RELEASED = "Released"


@dataclass(frozen=True)
class Slot:
    """One source address that one service is to hold: the service's first, or under ``ha`` its second."""

    network: str
    namespace: str
    service: str
    number: int

    @property
    def lease(self) -> str:
        return lease_name(self.network, self.namespace, self.service, self.number)


class AlreadyExists(Exception):
    """A create met an object of that name."""


class Changed(Exception):
    """A write met an object that is gone, or newer than the one it was decided on."""


class LeaseStore(Protocol):
    """What a claim needs of the API server."""

    def get(self, resource: Resource, name: str) -> KubeObject | None: ...

    def list(self, resource: Resource) -> list[KubeObject]: ...

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        """The stored object; AlreadyExists if the name is taken."""

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        """The stored object; Changed unless ``metadata.resourceVersion`` is the current one."""

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        """Deletes exactly this version of the object; Changed if there is another."""


def claim(
    store: LeaseStore,
    network: EgressNetwork,
    slot: Slot,
    taken: Collection[str],
    now: datetime,
    wanted: str | None = None,
    random_start: Callable[[int], int] = random.randrange,
) -> KubeObject:
    """The Bound EgressLease of a slot, claiming an address if it has none; the same slot gets the same address again.

    ``taken`` are addresses known to be held, a hint that saves requests. Where it misses some, claiming takes longer;
    where it names some that are free, PoolExhausted may come too early, so try again with a newer one. ``wanted`` is
    the one address that will do. Raises PoolExhausted, Refused where the wanted address is another's, and Changed
    when somebody else was at the same lease: claim again.
    """
    lease = store.get(EGRESS_LEASE, slot.lease) or _create(store, EGRESS_LEASE, lease_object(slot))
    status = lease.get("status") or {}
    held = status.get("address")
    if wanted and held and held != wanted:
        raise Refused(
            "AddressMismatch",
            f"EgressLease {slot.lease} holds {held}, not {wanted}; an address never moves by itself: release it first",
        )
    if status.get("phase") == BOUND and held:
        return lease
    if held and _lock(store, slot, lease, held):
        address = held
    else:
        address = _find_address(store, network, slot, lease, taken, wanted, random_start)
    bound = {"phase": BOUND, "address": address, "boundAt": timestamp(now)}
    try:
        return store.replace(EGRESS_LEASE, {**lease, "status": bound}, subresource="status")
    except Changed:
        _unlock_unless_needed(store, slot, lease, address)
        raise


def release(store: LeaseStore, lease: KubeObject, now: datetime) -> KubeObject:
    """The lease as Released: its address stays locked until the quarantine is over, and its slot may have it again."""
    status = lease.get("status") or {}
    if status.get("phase") == RELEASED:
        return lease
    released = {**status, "phase": RELEASED, "releasedAt": timestamp(now)}
    return store.replace(EGRESS_LEASE, {**lease, "status": released}, subresource="status")


def free(store: LeaseStore, lease: KubeObject) -> None:
    """Delete a Released lease, or one that was never bound, and unlock its address.

    The lease goes first and exactly as it was seen, so that a claim that re-binds it meanwhile wins; then its
    address, exactly as the lease had locked it, and what else a claim that broke off had locked for it.
    """
    held = (lease.get("status") or {}).get("address")
    address = store.get(EGRESS_ADDRESS, address_name(lease["spec"]["network"], held)) if held else None
    locked = [address] if address else []
    locked += [item for item in _locks_of(store, lease["metadata"]["name"]) if item["spec"]["address"] != held]
    store.delete(EGRESS_LEASE, lease)
    for item in locked:
        if item["spec"]["leaseUID"] == lease["metadata"]["uid"]:
            store.delete(EGRESS_ADDRESS, item)


def quarantine_over(lease: KubeObject, quarantine_seconds: int, now: datetime) -> bool:
    """Whether a lease is Released long enough that no firewall should trust its address any more."""
    status = lease.get("status") or {}
    if status.get("phase") != RELEASED:
        return False
    return parse_timestamp(status["releasedAt"]) + timedelta(seconds=quarantine_seconds) <= now


def lease_object(slot: Slot) -> KubeObject:
    """The EgressLease of a slot, not yet bound."""
    return {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": EGRESS_LEASE.kind,
        "metadata": {
            "name": slot.lease,
            "labels": {f"{API_GROUP}/network": slot.network, f"{API_GROUP}/namespace": slot.namespace},
        },
        "spec": {
            "network": slot.network,
            "namespace": slot.namespace,
            "service": slot.service,
            "slot": slot.number,
        },
    }


def address_object(network: str, address: str, lease: KubeObject) -> KubeObject:
    """The lock on an address, naming the lease that holds it."""
    return {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": EGRESS_ADDRESS.kind,
        "metadata": {"name": address_name(network, address), "labels": {f"{API_GROUP}/network": network}},
        "spec": {
            "network": network,
            "address": address,
            "lease": lease["metadata"]["name"],
            "leaseUID": lease["metadata"]["uid"],
        },
    }


def slot_of(lease: KubeObject) -> Slot:
    spec = lease["spec"]
    return Slot(spec["network"], spec["namespace"], spec["service"], spec["slot"])


def timestamp(moment: datetime) -> str:
    """A moment as the API writes it: RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _find_address(
    store: LeaseStore,
    network: EgressNetwork,
    slot: Slot,
    lease: KubeObject,
    taken: Collection[str],
    wanted: str | None,
    random_start: Callable[[int], int],
) -> str:
    if wanted:
        if wanted not in network.pool:
            raise Refused(
                "AddressNotInNetwork", f"EgressNetwork {network.name}: {wanted} is none of its leasable addresses"
            )
        if not _lock(store, slot, lease, wanted):
            raise Refused("AddressTaken", f"EgressNetwork {network.name}: {wanted} is held by another lease")
        return wanted
    for orphan in _locks_of(store, slot.lease):
        # Locked before a crash or a lost lease: taking it up again is sticky, and no address leaks.
        if _lock(store, slot, lease, str(orphan["spec"]["address"])):
            return str(orphan["spec"]["address"])
    size = network.pool.size
    for address in network.pool.candidates(frozenset(taken), random_start(size) if size else 0):
        if _lock(store, slot, lease, address):
            return address
    raise PoolExhausted(network.name, size)


def _locks_of(store: LeaseStore, lease: str) -> list[KubeObject]:
    """The EgressAddresses that name a lease as their holder."""
    return [item for item in store.list(EGRESS_ADDRESS) if item["spec"]["lease"] == lease]


def _unlock_unless_needed(store: LeaseStore, slot: Slot, lease: KubeObject, address: str) -> None:
    """Give back what a claim has locked in vain: another claim of the same slot bound it elsewhere, or it is gone.

    A lease that is not bound yet may be about to be bound to this very address by another claim. The claim of a new
    lease of this name writes its own UID into the lock first, and so spares it this deletion.
    """
    current = store.get(EGRESS_LEASE, slot.lease)
    if _same(current, lease) and ((current or {}).get("status") or {}).get("address") in (None, address):
        return
    lock = store.get(EGRESS_ADDRESS, address_name(slot.network, address))
    if lock and lock["spec"]["leaseUID"] == lease["metadata"]["uid"]:
        with suppress(Changed):
            store.delete(EGRESS_ADDRESS, lock)


def _same(current: KubeObject | None, lease: KubeObject) -> bool:
    return current is not None and bool(current["metadata"]["uid"] == lease["metadata"]["uid"])


def _lock(store: LeaseStore, slot: Slot, lease: KubeObject, address: str) -> bool:
    """Whether the address is this lease's now: created, or found to be its own (a lost reply, or its own orphan)."""
    body = address_object(slot.network, address, lease)
    try:
        store.create(EGRESS_ADDRESS, body)
        return True
    except AlreadyExists:
        holder = store.get(EGRESS_ADDRESS, body["metadata"]["name"])
    if holder is None or holder["spec"]["lease"] != slot.lease:
        return False
    if holder["spec"]["leaseUID"] != lease["metadata"]["uid"]:
        # Read after the lock, so that a claim of a lease that is gone can't take the lock from its successor.
        if not _same(store.get(EGRESS_LEASE, slot.lease), lease):
            raise Changed(f"EgressLease {slot.lease} was deleted while it was claimed")
        # Written, not merely read: whoever decided to delete the orphan now meets a newer version.
        store.replace(EGRESS_ADDRESS, {**holder, "spec": body["spec"]})
    return True


def _create(store: LeaseStore, resource: Resource, body: KubeObject) -> KubeObject:
    try:
        return store.create(resource, body)
    except AlreadyExists:
        found: Any = store.get(resource, body["metadata"]["name"])
        if found is None:
            raise Changed(f"{resource.kind} {body['metadata']['name']} came and went while it was claimed") from None
        return found  # type: ignore[no-any-return]
