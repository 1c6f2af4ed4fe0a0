# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses that go from one lease to another without ever being anybody else's."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Callable, Collection, Sequence

from ..api.addresses import family_of
from ..api.errors import PoolExhausted, Refused
from ..api.reasons import Reason
from ..api.resources import EGRESS_ADDRESS, EGRESS_LEASE, KubeObject, address_name
from . import lease_status, leases, locks
from .leases import QUOTA_EXCEEDED, Claim, Draw, Slot
from .network import EgressNetwork
from .store import LeaseStore

TRANSFERRED = "Transferred"
"""Why a holding ended that goes on under another lease."""


def claim(
    store: LeaseStore,
    network: EgressNetwork,
    asked: Claim,
    draw: Draw,
    kin: Callable[[], Collection[KubeObject]],
    now: datetime,
) -> KubeObject:
    """The Bound lease of a slot, as of ``leases.claim``; where the pool or the quota leaves none, by ``take_over``."""
    try:
        return leases.claim(store, network, asked, draw, now)
    except (PoolExhausted, Refused) as error:
        is_short = error.reason in (PoolExhausted.reason, QUOTA_EXCEEDED)
        found = take_over(store, network, asked, kin(), now) if is_short and not asked.wanted else None
        if found is None:
            raise
        return found


def transfer(
    store: LeaseStore, source: KubeObject, slot: Slot, now: datetime, claimed_by: str, project: str | None = None
) -> KubeObject:
    """The Bound lease of a slot, with the address that another lease of its network has given back.

    ``project``: the UID of the slot's namespace, if that is known.

    Refused where the source does not have its address to give, or the slot holds another. The source becomes Expired,
    then the lock the slot's, then the slot's lease Bound; repeating it completes what broke off. Until then the lock
    stays, for its address is in quarantine, and the source may take it up again.
    """
    address, giver = lease_status.address(source), source["metadata"]["name"]
    if address is None or lease_status.is_bound(source):
        raise Refused(Reason.NOT_RELEASED, f"EgressLease {giver} has no address to give; release it first")
    target = leases.ensure(store, slot, claimed_by)
    if lease_status.is_bound(target):
        if lease_status.address(target) == address:
            return target
        held = lease_status.address(target)
        raise Refused(Reason.ALREADY_BOUND, f"EgressLease {slot.lease} holds {held}; release it before it gets another")
    lock = store.get(EGRESS_ADDRESS, address_name(slot.network, address))
    if lock is None or locks.in_conflict(lock) or not any(locks.is_holder(lock, lease) for lease in (source, target)):
        raise Refused(Reason.ADDRESS_TAKEN, f"EgressLease {giver} does not have {address} to give any more")
    if not lease_status.is_expired(source):
        leases.write_status(store, source, lease_status.expired(source, TRANSFERRED))
    target = leases.begin(store, target, claimed_by)
    if not locks.is_holder(lock, target):
        locks.lock_again(store, lock, target)
    return leases.write_status(store, target, lease_status.bound(target, address, now, project))


def take_over(
    store: LeaseStore, network: EgressNetwork, asked: Claim, kin: Collection[KubeObject], now: datetime
) -> KubeObject | None:
    """The Bound lease of a slot, with the address that another service of its project gave back, the longest ago.

    For when there is no other: quarantine keeps an address from other projects. ``kin``: leases as known, a hint. None
    if none of them has an address to give.
    """
    for hint in to_take_over(network, asked.slot, kin, asked.ip_family):
        source = store.get(EGRESS_LEASE, hint["metadata"]["name"])
        if source and lease_status.is_released(source) and not leases.is_left_by_another(source, asked.project):
            with suppress(Refused):
                return transfer(store, source, asked.slot, now, asked.claimed_by, asked.project)
    return None


def to_take_over(
    network: EgressNetwork, slot: Slot, kin: Collection[KubeObject], ip_family: str
) -> Sequence[KubeObject]:
    """The leases whose addresses a slot may take over, those that were given back the longest ago first."""

    def fits(lease: KubeObject) -> bool:
        address = lease_status.address(lease) or ""
        return family_of(address) == ip_family and network.leases(address, slot.namespace)

    released = [lease for lease in kin if lease_status.is_released(lease) and leases.is_kin(lease, slot)]
    return sorted(filter(fits, released), key=lease_status.released_at)
