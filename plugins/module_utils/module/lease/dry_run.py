# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What claims, releases and transfers come to, told from what is known before anything is written.

Pure but for the survey, which reads what is asked for. Whatever is refused here is refused by the claim too; where
others write in between, the claim decides.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Mapping, Sequence

from ...api import addresses
from ...api.errors import PoolExhausted, Refused
from ...api.reasons import Reason
from ...api.resources import KubeObject
from ...api.timestamps import timestamp
from ...ipam import lease_status, leases, locks, transfers
from ...ipam.leases import QUOTA_EXCEEDED, Slot
from ...ipam.network import EgressNetwork
from .bulk import Step
from .requests import LeaseRequest
from .snapshot import LeaseSnapshot
from .view import LeasingView


def foretell(view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest) -> Step:
    """What a request comes to, entered in the snapshot."""
    if not request.present:
        return _foretell_release(view, snapshot, request)
    network = view.admitting(request.slot)
    if request.giver:
        return _foretell_transfer(view, snapshot, request, request.giver)
    return _foretell_claim(view, snapshot, request, network)


def ask(snapshot: LeaseSnapshot, requests: Sequence[LeaseRequest]) -> None:
    """Enter the free addresses that requests are for: what one draws must not be what another one needs."""
    for request in requests:
        lease = snapshot.get(request.slot)
        if not request.present or request.giver or lease_status.is_bound(lease):
            continue
        address = request.wanted
        if lease and not address:
            address = leases.address_to_keep(lease, None, family_to_ask_for(lease, request))
        if address:
            snapshot.ask(request.slot.network, address)


def family_to_ask_for(lease: KubeObject | None, request: LeaseRequest) -> str:
    """The one that the request names, else the wanted address', else that of what the lease has, else IPv4."""
    address = request.wanted or lease_status.address(lease)
    return request.ip_family or (addresses.family_of(address) if address else addresses.IPV4)


def giver_of(view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest, giver: Slot) -> KubeObject | None:
    """The lease that is to give its address to the request's; None where it has done so. Refused where it can't."""
    target, source, name = snapshot.get(request.slot), snapshot.get(giver), giver.lease
    if target and lease_status.is_bound(target):
        held = leases.address_to_keep(target, request.wanted, family_to_ask_for(target, request))
        if source and not _has_given(source, held):
            raise Refused(
                Reason.ALREADY_BOUND, f"EgressLease {request.slot.lease} holds {held}, which is not from {name}"
            )
        return None
    address = lease_status.address(source)
    if source is None or address is None:
        raise Refused(Reason.NOTHING_TO_GIVE, f"EgressLease {name}, which transfer_from names, has no address to give")
    if request.wanted and request.wanted != address:
        raise Refused(Reason.ADDRESS_MISMATCH, f"EgressLease {name} has {address} to give, not {request.wanted}")
    if not (lease_status.is_released(source) or lease_status.is_expired(source)):
        _refuse_if_used(view, source)
    network = view.leasable[request.slot.network]
    leases.check_wanted(network, request.slot.namespace, address)
    if giver.namespace != request.slot.namespace:
        leases.check_quota(network, request.slot, snapshot.project(request.slot))
    lock = snapshot.locked(network.name).get(address)
    if lock is None or not any(lease and locks.is_holder(lock, lease) for lease in (source, target)):
        raise Refused(Reason.ADDRESS_TAKEN, f"EgressLease {name} does not have {address} to give any more")
    if locks.in_conflict(lock):
        raise leases.taken_by(network, lock)
    return source


def _foretell_transfer(view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest, giver: Slot) -> Step:
    before, source = snapshot.get(request.slot), giver_of(view, snapshot, request, giver)
    if source is None:
        missing = snapshot.get(giver) is None
        told = f"EgressLease {giver.lease} is gone: whether the address of EgressLease "
        warnings = [f"{told}{request.slot.lease} came from it cannot be seen"] if missing else []
        return Step(request.slot, False, before, before, warnings=warnings)
    after = _as_bound(before, request, lease_status.address(source) or "")
    return Step(request.slot, True, before, after, snapshot.enter(after))


def _has_given(source: KubeObject, address: str | None) -> bool:
    return any(item.address == address and item.reason == transfers.TRANSFERRED for item in lease_status.of(source))


def _foretell_claim(view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest, network: EgressNetwork) -> Step:
    before, slot = snapshot.get(request.slot), request.slot
    ip_family = family_to_ask_for(before, request)
    lease = before or leases.lease_object(slot)
    held = leases.address_to_keep(lease, request.wanted, ip_family)
    if lease_status.is_bound(lease):
        return Step(request.slot, False, before, before)
    network = view.leasable[network.name]
    try:
        if not lease_status.is_released(lease):
            leases.check_quota(network, slot, snapshot.project(slot))
        address = _known_address(network, request, snapshot.locked(network.name), held, ip_family)
        if address is None:
            free = _count_free(network, snapshot, ip_family)
            after = _as_bound(before, request, f"one of {free} free")
            snapshot.enter_drawn(after, ip_family)
            return Step(request.slot, True, before, after)
    except (PoolExhausted, Refused) as error:
        is_short = error.reason in (PoolExhausted.reason, QUOTA_EXCEEDED)
        sources = transfers.to_take_over(network, slot, snapshot.project(slot), ip_family) if is_short else ()
        if not sources or request.wanted:
            raise
        address = lease_status.address(sources[0]) or ""
    after = _as_bound(before, request, address)
    return Step(request.slot, True, before, after, snapshot.enter(after))


def _known_address(
    network: EgressNetwork, request: LeaseRequest, locked: Mapping[str, KubeObject], held: str | None, ip_family: str
) -> str | None:
    """What the claim will get, None where that is drawn only then."""
    slot = request.slot

    def mine(address: str) -> bool:
        lock = locked.get(address)
        free = lock is None or (lock["spec"]["lease"] == slot.lease and not locks.in_conflict(lock))
        return free and network.leases(address, slot.namespace)

    if request.wanted:
        leases.check_wanted(network, slot.namespace, request.wanted)
        if not mine(request.wanted):
            raise leases.taken_by(network, locked[request.wanted])
        return request.wanted
    if held and mine(held):
        return held
    own = (address for address, lock in locked.items() if lock["spec"]["lease"] == slot.lease and mine(address))
    return next((address for address in own if addresses.family_of(address) == ip_family), None)


def _count_free(network: EgressNetwork, snapshot: LeaseSnapshot, ip_family: str) -> int:
    pool = network.drawn.of(ip_family)
    held = sum(address in pool for address in snapshot.taken(network.name))
    free = pool.size - held - snapshot.drawn(network.name, ip_family)
    if free <= 0:
        raise PoolExhausted(network.name, ip_family, pool.size)
    return free


def _foretell_release(view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest) -> Step:
    before = snapshot.get(request.slot)
    if before is None or lease_status.is_released(before) or lease_status.is_expired(before):
        return Step(request.slot, False, before, before)
    _refuse_if_used(view, before)
    status = before.get("status") or {}
    if not lease_status.is_bound(before):
        snapshot.forget(before)
        return Step(request.slot, True, before, _without_claim(before))
    # The moment is a guess, by which later items of a list know which address was given back the longest ago.
    after = {**before, "status": {**status, "phase": lease_status.RELEASED, "releasedAt": timestamp(datetime.now(UTC))}}
    snapshot.enter(after)
    return Step(request.slot, True, before, after)


def _without_claim(lease: KubeObject) -> KubeObject | None:
    """A lease whose claim was never finished, once that is given up: the record that it was before, if it was one."""
    return {**lease, "status": lease_status.expired(lease)} if lease_status.address(lease) else None


def _refuse_if_used(view: LeasingView, lease: KubeObject) -> None:
    slot = leases.slot_of(lease)
    if view.uses(slot):
        raise Refused(
            Reason.IN_USE,
            f"EgressLease {slot.lease}: Service {slot.namespace}/{slot.service} uses it; delete the service first, "
            "with avi_egress_service state=absent",
        )


def _as_bound(lease: KubeObject | None, request: LeaseRequest, address: str) -> KubeObject:
    return {**(lease or leases.lease_object(request.slot)), "status": {"phase": lease_status.BOUND, "address": address}}
