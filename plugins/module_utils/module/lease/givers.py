# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which lease gives its address to another one, where ``transfer_from`` asks for that."""

from __future__ import annotations

from ...api.errors import Refused
from ...api.reasons import Reason
from ...api.resources import KubeObject
from ...ipam import lease_status, leases, locks, transfers
from ...ipam.leases import Slot
from .requests import LeaseRequest
from .snapshot import LeaseSnapshot
from .view import LeasingView


def giver_of(view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest, giver: Slot) -> KubeObject | None:
    """The lease that is to give its address to the request's; None where it has done so. Refused where it can't."""
    target, source, name = snapshot.get(request.slot), snapshot.get(giver), giver.lease
    if target and lease_status.is_bound(target):
        held = leases.address_to_keep(target, request.wanted, request.family(target))
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
        refuse_if_used(view, source)
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


def refuse_if_used(view: LeasingView, lease: KubeObject) -> None:
    """Refused where the lease's service is there."""
    slot = leases.slot_of(lease)
    if view.uses(slot):
        raise Refused(
            Reason.IN_USE,
            f"EgressLease {slot.lease}: Service {slot.namespace}/{slot.service} uses it; delete the service first, "
            "with avi_egress_service state=absent",
        )


def _has_given(source: KubeObject, address: str | None) -> bool:
    return any(item.address == address and item.reason == transfers.TRANSFERRED for item in lease_status.of(source))
