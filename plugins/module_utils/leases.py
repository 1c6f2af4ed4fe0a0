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

from .addresses import IPV4, family_of
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
    ip_family: str = IPV4,
    random_start: Callable[[int], int] = random.randrange,
) -> KubeObject:
    """The Bound EgressLease of a slot, claiming an address if it has none; the same slot gets the same address again.

    ``taken`` are addresses known to be held, a hint that saves requests. Where it misses some, claiming takes longer;
    where it names some that are free, PoolExhausted may come too early, so try again with a newer one. ``wanted`` is
    the one address that will do; without it, any of ``ip_family``. Raises PoolExhausted, Refused where the wanted
    address is another's or the lease is Bound to one of the other family, and Changed when somebody else was at the
    same lease: claim again.

    A Released lease of the other family gets a new address. Its former one stays locked for the slot, which may take
    it up again until the quarantine is over (see ``former_quarantine_ends``). A Released lease whose address the
    network does not lease any more gets a new one too.
    """
    lease = store.get(EGRESS_LEASE, slot.lease) or _create(store, EGRESS_LEASE, lease_object(slot))
    held = address_to_keep(lease, wanted, ip_family)
    if held and (lease.get("status") or {}).get("phase") == BOUND:
        return lease
    if held and held in network.pool and _lock(store, slot, lease, held):
        address = held
    else:
        address = _find_address(store, network, slot, lease, taken, wanted, ip_family, random_start)
    bound = {"phase": BOUND, "address": address, "boundAt": timestamp(now)}
    try:
        return store.replace(EGRESS_LEASE, {**lease, "status": bound}, subresource="status")
    except Changed:
        _unlock_unless_needed(store, slot, lease, address)
        raise


def address_to_keep(lease: KubeObject, wanted: str | None, ip_family: str) -> str | None:
    """What a lease holds, if that is of the family asked for (the wanted address', else ``ip_family``).

    Refused where it holds another one that cannot be left. One of the other family can, once the lease is Released.
    """
    name, status = lease["metadata"]["name"], lease.get("status") or {}
    held: str | None = status.get("address")
    family = family_of(wanted) if wanted else ip_family
    if held and family_of(held) != family:
        if status.get("phase") != BOUND:
            return None
        raise Refused(
            "AddressFamilyMismatch",
            f"EgressLease {name} holds {held}, and an {family} address is asked for; an address never changes under a "
            "running service: remove the egress_pod annotation until the lease is Released, or release it by "
            "avi_ipam_lease if that acquired it",
        )
    if wanted and held and held != wanted:
        raise Refused(
            "AddressMismatch",
            f"EgressLease {name} holds {held}, not {wanted}; an address never moves by itself: release it first",
        )
    return held


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


def former_quarantine_ends(lease: KubeObject, quarantine_seconds: int) -> datetime:
    """When an address may be given up that a lease, now Bound to another, may have held before.

    Counted from when it was bound to the other, at the earliest then it no longer held the former one.
    """
    return parse_timestamp(lease["status"]["boundAt"]) + timedelta(seconds=quarantine_seconds)


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
    ip_family: str,
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
        # Locked before a crash, a lost lease or a change of family: taking it up again is sticky, and nothing leaks.
        address = str(orphan["spec"]["address"])
        if family_of(address) == ip_family and address in network.pool and _lock(store, slot, lease, address):
            return address
    pool = network.pool.of(ip_family)
    for address in pool.candidates(frozenset(taken), random_start(pool.size) if pool.size else 0):
        if _lock(store, slot, lease, address):
            return address
    raise PoolExhausted(network.name, ip_family, pool.size)


def _locks_of(store: LeaseStore, lease: str) -> list[KubeObject]:
    """The EgressAddresses that name a lease as their holder."""
    return [item for item in store.list(EGRESS_ADDRESS) if item["spec"]["lease"] == lease]


def _unlock_unless_needed(store: LeaseStore, slot: Slot, lease: KubeObject, address: str) -> None:
    """Give back what a claim has locked in vain: another claim of the same slot bound it elsewhere, or it is gone.

    A lease that is not bound may be about to be bound to this very address by another claim, and a lock that was taken
    up again may be that of its former address, still in quarantine. The claim of a new lease of this name writes its
    own UID into the lock first, and so spares it this deletion.
    """
    current = store.get(EGRESS_LEASE, slot.lease)
    is_there, status = _same(current, lease), (current or {}).get("status") or {}
    if is_there and (status.get("phase") != BOUND or status.get("address") == address):
        return
    lock = store.get(EGRESS_ADDRESS, address_name(slot.network, address))
    if is_there and lock and "claims" in lock["spec"]:
        return
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
    is_predecessors = holder["spec"]["leaseUID"] != lease["metadata"]["uid"]
    # Read after the lock, so that a claim of a lease that is gone can't take the lock from its successor.
    if is_predecessors and not _same(store.get(EGRESS_LEASE, slot.lease), lease):
        raise Changed(f"EgressLease {slot.lease} was deleted while it was claimed")
    # Written, not merely read: whoever decided to delete the orphan now meets a newer version. The count makes it one.
    store.replace(EGRESS_ADDRESS, {**holder, "spec": {**body["spec"], "claims": holder["spec"].get("claims", 1) + 1}})
    return True


def _create(store: LeaseStore, resource: Resource, body: KubeObject) -> KubeObject:
    try:
        return store.create(resource, body)
    except AlreadyExists:
        found: Any = store.get(resource, body["metadata"]["name"])
        if found is None:
            raise Changed(f"{resource.kind} {body['metadata']['name']} came and went while it was claimed") from None
        return found  # type: ignore[no-any-return]
