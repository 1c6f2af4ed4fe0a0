# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases: who holds which source address (docs/explanation/leases.md).

Two objects whose names are locks, so that the API server, which creates a name only once, decides every race:
an EgressLease per service slot and an EgressAddress per address. A claim creates the first, then the second, then
writes the lease's status; a crash between any two writes leaves something that the next claim completes.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Callable, Container, Iterable, Iterator

from ..api.addresses import IPV4, family_of
from ..api.errors import AlreadyExists, Conflict, PoolExhausted, Refused
from ..api.reasons import Reason
from ..api.resources import (
    API_GROUP,
    API_VERSION,
    CLAIMED_BY_LABEL,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    NAMESPACE_LABEL,
    NETWORK_LABEL,
    KubeObject,
    address_name,
    lease_name,
)
from . import lease_status, locks
from .address_pool import AddressPool
from .network import EgressNetwork
from .store import LeaseStore

CONTROLLER = "controller"
"""Claimed for a service that is there, and given up with it."""
ADMINISTRATOR = "administrator"
"""Leased ahead of a service (``avi_ipam_lease``): it stays until it is given back in the same way."""
IMPORT = "import"
"""Brought from another cluster: the controller's as soon as its service is there."""

PROJECT_GONE = "ProjectGone"
"""Why a holding ended whose namespace was deleted and made again."""

QUOTA_EXCEEDED = Reason.QUOTA_EXCEEDED

Draw = Callable[[AddressPool], Iterator[str]]
"""The addresses of a pool in the order in which a claim tries them, less those that are known to be taken."""


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


def at_random(taken: Container[str], random_below: Callable[[int], int] = random.randrange) -> Draw:
    """By chance: concurrent claims rarely meet, and what came free last is not given out next."""
    return lambda pool: pool.at_random(taken, random_below)


@dataclass(frozen=True)
class Claim:
    """An address that a slot is to hold: a certain one, or any of a family that is not reserved."""

    slot: Slot
    wanted: str | None = None
    """The one address that will do."""
    ip_family: str = IPV4
    """Of any address that will do; a wanted one has its own."""
    claimed_by: str = ADMINISTRATOR
    """The label's value: who gives the lease up again."""
    project: str | None = None
    """The UID of the slot's namespace; None for any of its name."""


def claim(store: LeaseStore, network: EgressNetwork, asked: Claim, draw: Draw, now: datetime) -> KubeObject:
    """The Bound EgressLease of a slot, claiming an address if it has none; the same slot gets the same address again.

    ``draw`` gives the addresses to try. Where it gives some that are taken, claiming takes longer; where it leaves out
    some that are free, PoolExhausted may come too early, so try again with a newer one.

    Raises PoolExhausted, Refused where the wanted address is another's, the project has its quota, or the lease is
    Bound to what is not asked for, and Conflict when somebody else was at the same lease: claim again.

    A lease that is not Bound gets a new address where its own is not what is asked for, is not leased any more or is
    in conflict. Its former one stays locked for the slot, which may take it up again until its quarantine is over.
    What a deleted project of the same name has left goes into quarantine, and the slot gets another address.

    What is refused makes no lease, and where that is known beforehand no write at all.
    """
    slot = asked.slot
    lease = store.get(EGRESS_LEASE, slot.lease)
    candidates = _candidates(store, network, asked, draw, lease)
    if is_new := lease is None:
        _check_quota_of(store, network, asked)
        candidates = _require_any(store, network, asked, candidates)
        lease = _create(store, slot, asked.claimed_by)
    is_left = is_left_by_another(lease, asked.project)
    if is_left:
        lease = release(store, lease, now, PROJECT_GONE)
    held = None if is_left else address_to_keep(lease, asked.wanted, asked.ip_family)
    if held and lease_status.is_bound(lease):
        return _of_project(store, lease, asked)
    if not is_new and not lease_status.is_released(lease):
        _check_quota_of(store, network, asked)
    lease = begin(store, lease, asked.claimed_by)
    if held and network.leases(held, slot.namespace) and locks.lock(store, lease, held) is None:
        address = held
    else:
        try:
            address = _lock_one(store, network, asked, lease, candidates)
        except (PoolExhausted, Refused):
            _delete_unless_used(store, lease)
            raise
    try:
        return write_status(store, lease, lease_status.bound(lease, address, now, asked.project))
    except Conflict:
        _unlock_unless_needed(store, slot, lease, address)
        raise


def is_left_by_another(lease: KubeObject, project: str | None) -> bool:
    """Whether what a lease holds, or held last, was that of another namespace of the same name, which is gone.

    What an administrator has leased ahead stays with the name until he gives it back.
    """
    if lease_status.is_bound(lease) and claimed_by(lease) != CONTROLLER:
        return False
    return lease_status.is_of_another(lease, project)


def _of_project(store: LeaseStore, lease: KubeObject, asked: Claim) -> KubeObject:
    """A Bound lease with its namespace noted: a lease of before 0.2.0, or one that came from elsewhere, has none."""
    is_noted = asked.project is None or lease_status.project(lease) is not None
    if is_noted or not asked.claimed_by == claimed_by(lease) == CONTROLLER:
        return lease
    return write_status(store, lease, lease_status.of_project(lease, asked.project))


def address_to_keep(lease: KubeObject, wanted: str | None, ip_family: str) -> str | None:
    """What a lease holds, if that is what is asked for: the wanted address, else one of ``ip_family``.

    Refused where it holds another one that it cannot leave, for it is Bound.
    """
    name, held = lease["metadata"]["name"], lease_status.address(lease)
    family = family_of(wanted) if wanted else ip_family
    if held is None or (held == (wanted or held) and family_of(held) == family):
        return held
    if not lease_status.is_bound(lease):
        return None
    if family_of(held) != family:
        raise Refused(
            Reason.ADDRESS_FAMILY_MISMATCH,
            f"EgressLease {name} holds {held}, and an {family} address is asked for; an address never changes under a "
            "running service: remove the egress_pod annotation until the lease is Released, or release it by "
            "avi_ipam_lease if that acquired it",
        )
    raise Refused(
        Reason.ADDRESS_MISMATCH,
        f"EgressLease {name} holds {held}, not {wanted}; an address never moves by itself: release it first",
    )


def ensure(store: LeaseStore, slot: Slot, claimed_by: str) -> KubeObject:
    """The lease of a slot, made if there is none."""
    return store.get(EGRESS_LEASE, slot.lease) or _create(store, slot, claimed_by)


def _create(store: LeaseStore, slot: Slot, claimed_by: str) -> KubeObject:
    """The lease of a slot, which somebody else may have made by now."""
    with suppress(AlreadyExists):
        return store.create(EGRESS_LEASE, lease_object(slot, claimed_by))
    if found := store.get(EGRESS_LEASE, slot.lease):
        return found
    raise Conflict(409, f"EgressLease {slot.lease} came and went while it was claimed")


def write_status(store: LeaseStore, lease: KubeObject, status: lease_status.Status) -> KubeObject:
    """The lease with another status; Conflict unless it is still as it was seen."""
    return store.replace(EGRESS_LEASE, {**lease, "status": status}, subresource="status")


def begin(store: LeaseStore, lease: KubeObject, claimed_by: str) -> KubeObject:
    """A lease that is not Bound as the claimant's, about to lock an address.

    An Expired one is made another version first: a pass that finds its new lock to be nobody's and deletes it does so
    because the lease is over, and a claim that paused for longer than that must not bind it afterwards.
    """
    if lease_status.is_expired(lease):
        lease = write_status(store, lease, lease_status.reopened(lease))
    return hand_over(store, lease, claimed_by)


def hand_over(store: LeaseStore, lease: KubeObject, claimed_by: str) -> KubeObject:
    """The lease as somebody's, who is to give it up."""
    metadata = lease["metadata"]
    labels = metadata.get("labels") or {}
    if labels.get(CLAIMED_BY_LABEL, ADMINISTRATOR) == claimed_by:
        return lease
    body = {**lease, "metadata": {**metadata, "labels": {**labels, CLAIMED_BY_LABEL: claimed_by}}}
    return store.replace(EGRESS_LEASE, body)


def claimed_by(lease: KubeObject) -> str:
    """Whose a lease is."""
    labels = lease["metadata"].get("labels") or {}
    return str(labels.get(CLAIMED_BY_LABEL, ADMINISTRATOR))


def release(store: LeaseStore, lease: KubeObject, now: datetime, reason: str) -> KubeObject:
    """The lease as Released: its address stays locked until the quarantine is over, and its slot may have it again.

    ``reason``: one CamelCase word for the lease's history.
    """
    if not lease_status.is_bound(lease):
        return lease
    return write_status(store, lease, lease_status.released(lease, now, reason))


def free(store: LeaseStore, lease: KubeObject) -> None:
    """Unlock the address of a lease that is not Bound, which becomes Expired; one that was never bound is deleted.

    The lease goes first and exactly as it was seen, so that a claim that re-binds it meanwhile wins; then its
    address, exactly as the lease had locked it, and what else a claim that broke off had locked for it.
    """
    locked = locks.deletable(store, lease)
    if lease_status.address(lease):
        write_status(store, lease, lease_status.expired(lease))
    else:
        store.delete(EGRESS_LEASE, lease)
    for item in locked:
        with suppress(Conflict):  # Claimed again between the two writes.
            store.delete(EGRESS_ADDRESS, item)


def relock(store: LeaseStore, lease: KubeObject) -> bool:
    """Lock the address of a Bound or Released lease whose lock was lost; False where it is another's by now."""
    address = lease_status.address(lease)
    return address is not None and locks.lock(store, lease, address) is None


def project_labels(slot: Slot) -> str:
    """The label selector of the leases that the slot's project has of its network."""
    return f"{NETWORK_LABEL}={slot.network},{NAMESPACE_LABEL}={slot.namespace}"


def check_wanted(network: EgressNetwork, namespace: str, wanted: str) -> None:
    """Refused where a project can't have an address of the network, be it held or not."""
    if wanted not in network.pool:
        raise Refused(
            Reason.ADDRESS_NOT_IN_NETWORK, f"EgressNetwork {network.name}: {wanted} is none of its leasable addresses"
        )
    if not network.leases(wanted, namespace):
        owner = network.reservations[wanted]
        raise Refused(
            Reason.ADDRESS_RESERVED, f"EgressNetwork {network.name}: {wanted} is reserved for project {owner}"
        )


def check_quota(network: EgressNetwork, slot: Slot, leases: Iterable[KubeObject]) -> None:
    """Refused where the slot's project holds as many of the network's addresses as it may."""
    quota = network.quota(slot.namespace)
    held = sum(_counts(lease) for lease in leases if is_kin(lease, slot))
    if quota is not None and held >= quota:
        # A number that changed while nothing else does would have each of very many conditions written again.
        shown = quota if held == quota else f"more than {quota}"
        raise Refused(
            QUOTA_EXCEEDED,
            f"EgressNetwork {network.name}: project {slot.namespace} holds {shown} addresses, those in quarantine "
            f"included, and may hold {quota}; release one, or raise its spec.quotas",
        )


def check_share(network: EgressNetwork, slot: Slot, ip_family: str, leases: Iterable[KubeObject]) -> None:
    """Refused where the services of the slot's project have drawn as much of the network as one project may."""
    drawn = sum(
        _counts(lease) and claimed_by(lease) == CONTROLLER and family_of(lease_status.address(lease) or "") == ip_family
        for lease in leases
        if is_kin(lease, slot)
    )
    if drawn >= network.share(ip_family):
        raise Refused(
            QUOTA_EXCEEDED,
            f"EgressNetwork {network.name}: services of project {slot.namespace} hold {network.share(ip_family)} "
            f"{ip_family} addresses, those in quarantine included, which is the part of the network that one project "
            "may draw; release one, or give the project its number in spec.quotas",
        )


def _check_quota_of(store: LeaseStore, network: EgressNetwork, asked: Claim) -> None:
    """Refused by the quota of the claim's project or, if it has none, by its share, which holds for services alone."""
    slot, has_quota = asked.slot, network.quota(asked.slot.namespace) is not None
    draws = asked.claimed_by == CONTROLLER and not asked.wanted
    if not (has_quota or draws) or not network.limits(slot.namespace, asked.ip_family):
        return
    known = store.list(EGRESS_LEASE, labels=project_labels(slot))
    if has_quota:
        check_quota(network, slot, known)
    else:
        check_share(network, slot, asked.ip_family, known)


def _counts(lease: KubeObject) -> bool:
    """Whether a lease keeps an address from other projects."""
    return lease_status.is_bound(lease) or lease_status.is_released(lease)


def is_kin(lease: KubeObject, slot: Slot) -> bool:
    """Whether a lease is another one of the slot's project and network."""
    spec = lease["spec"]
    same = (spec["network"], spec["namespace"]) == (slot.network, slot.namespace)
    return same and bool(lease["metadata"]["name"] != slot.lease)


def taken_by(network: EgressNetwork, lock: KubeObject) -> Refused:
    """Why an address can't be had that is locked."""
    spec = lock["spec"]
    if locks.in_conflict(lock):
        return Refused(
            Reason.ADDRESS_IN_CONFLICT,
            f"EgressNetwork {network.name}: a host that it was not leased to answers for {spec['address']}; see "
            f"EgressAddress {lock['metadata']['name']}, and delete that when it is settled",
        )
    return Refused(Reason.ADDRESS_TAKEN, f"EgressNetwork {network.name}: {spec['address']} is held by {spec['lease']}")


def lease_object(slot: Slot, claimed_by: str = ADMINISTRATOR) -> KubeObject:
    """The EgressLease of a slot, not yet bound."""
    return {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": EGRESS_LEASE.kind,
        "metadata": {
            "name": slot.lease,
            "labels": {NETWORK_LABEL: slot.network, NAMESPACE_LABEL: slot.namespace, CLAIMED_BY_LABEL: claimed_by},
        },
        "spec": {
            "network": slot.network,
            "namespace": slot.namespace,
            "service": slot.service,
            "slot": slot.number,
        },
    }


def slot_of(lease: KubeObject) -> Slot:
    spec = lease["spec"]
    return Slot(spec["network"], spec["namespace"], spec["service"], spec["slot"])


def _candidates(
    store: LeaseStore, network: EgressNetwork, asked: Claim, draw: Draw, lease: KubeObject | None
) -> Iterator[str]:
    """The addresses that a claim may try, in their order; nothing is looked up before the first is asked for.

    ``lease``: the slot's as it was found. What a deleted project of the same name had by it is none of them.
    """
    slot, wanted, ip_family = asked.slot, asked.wanted, asked.ip_family
    if wanted:
        check_wanted(network, slot.namespace, wanted)
        yield wanted
        return
    for orphan in locks.locks_of(store, slot.lease):
        # Locked before a crash, a lost lease or a change of family: taking it up again is sticky, and nothing leaks.
        address = str(orphan["spec"]["address"])
        known = asked.project is None or not lease_status.may_have_forgotten(lease, address)
        mine = known and not lease_status.was_anothers(lease, address, asked.project)
        if mine and family_of(address) == ip_family and network.leases(address, slot.namespace):
            yield address
    drawn = draw(network.drawn.of(ip_family))
    yield from (address for address in drawn if not lease_status.was_anothers(lease, address, asked.project))


def _require_any(store: LeaseStore, network: EgressNetwork, asked: Claim, candidates: Iterator[str]) -> Iterator[str]:
    """The same candidates; PoolExhausted where there are none, Refused where the wanted one is another's."""
    first = next(candidates, None)
    if first is None:
        raise _exhausted(network, asked)
    if asked.wanted:
        lock = store.get(EGRESS_ADDRESS, address_name(network.name, first))
        if lock and (lock["spec"]["lease"] != asked.slot.lease or locks.in_conflict(lock)):
            raise taken_by(network, lock)
    return chain([first], candidates)


def _lock_one(
    store: LeaseStore, network: EgressNetwork, asked: Claim, lease: KubeObject, candidates: Iterator[str]
) -> str:
    """The first of the candidates that the lease could lock."""
    for address in candidates:
        lock = locks.lock(store, lease, address)
        if lock is None:
            return address
        if asked.wanted:
            raise taken_by(network, lock)
    raise _exhausted(network, asked)


def _exhausted(network: EgressNetwork, asked: Claim) -> PoolExhausted:
    return PoolExhausted(network.name, asked.ip_family, network.drawn.of(asked.ip_family).size)


def _delete_unless_used(store: LeaseStore, lease: KubeObject) -> None:
    """A lease that a claim has made in vain goes: another claim that is at it meets a Conflict, and makes its own."""
    if lease_status.phase(lease) is None and lease_status.address(lease) is None:
        with suppress(Conflict):
            store.delete(EGRESS_LEASE, lease)


def _unlock_unless_needed(store: LeaseStore, slot: Slot, lease: KubeObject, address: str) -> None:
    """Give back what a claim has locked in vain: another claim of the same slot bound it elsewhere, or it is gone.

    A lease that is not bound may be about to be bound to this very address by another claim, and a lock that was taken
    up again may be that of its former address, still in quarantine. The claim of a new lease of this name writes its
    own UID into the lock first, and so spares it this deletion. One in conflict waits for an administrator.
    """
    current = store.get(EGRESS_LEASE, slot.lease)
    is_there = locks.is_same(current, lease)
    if is_there and (not lease_status.is_bound(current) or lease_status.address(current) == address):
        return
    lock = store.get(EGRESS_ADDRESS, address_name(slot.network, address))
    if lock is None or locks.in_conflict(lock) or (is_there and "claims" in lock["spec"]):
        return
    if lock["spec"]["leaseUID"] == lease["metadata"]["uid"]:
        with suppress(Conflict):
            store.delete(EGRESS_ADDRESS, lock)
