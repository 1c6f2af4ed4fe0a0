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
from .requests import Wish
from .snapshot import Ledger
from .view import Survey


def foretell(view: Survey, ledger: Ledger, wish: Wish) -> Step:
    """What a wish comes to, entered in the ledger."""
    if not wish.present:
        return _foretell_release(view, ledger, wish)
    network = view.admitting(wish.slot)
    if wish.giver:
        return _foretell_transfer(view, ledger, wish, wish.giver)
    return _foretell_claim(view, ledger, wish, network)


def ask(ledger: Ledger, wishes: Sequence[Wish]) -> None:
    """Enter the free addresses that wishes are for: what one draws must not be what another one needs."""
    for wish in wishes:
        lease = ledger.get(wish.slot)
        if not wish.present or wish.giver or lease_status.is_bound(lease):
            continue
        address = wish.wanted
        if lease and not address:
            address = leases.address_to_keep(lease, None, family_to_ask_for(lease, wish))
        if address:
            ledger.ask(wish.slot.network, address)


def family_to_ask_for(lease: KubeObject | None, wish: Wish) -> str:
    """The one that the wish names, else the wanted address', else that of what the lease has, else IPv4."""
    address = wish.wanted or lease_status.address(lease)
    return wish.ip_family or (addresses.family_of(address) if address else addresses.IPV4)


def giver_of(view: Survey, ledger: Ledger, wish: Wish, giver: Slot) -> KubeObject | None:
    """The lease that is to give its address to the wish's; None where it has done so. Refused where it can't."""
    target, source, name = ledger.get(wish.slot), ledger.get(giver), giver.lease
    if target and lease_status.is_bound(target):
        held = leases.address_to_keep(target, wish.wanted, family_to_ask_for(target, wish))
        if source and not _has_given(source, held):
            raise Refused(Reason.ALREADY_BOUND, f"EgressLease {wish.slot.lease} holds {held}, which is not from {name}")
        return None
    address = lease_status.address(source)
    if source is None or address is None:
        raise Refused(Reason.NOTHING_TO_GIVE, f"EgressLease {name}, which transfer_from names, has no address to give")
    if wish.wanted and wish.wanted != address:
        raise Refused(Reason.ADDRESS_MISMATCH, f"EgressLease {name} has {address} to give, not {wish.wanted}")
    if not (lease_status.is_released(source) or lease_status.is_expired(source)):
        _refuse_if_used(view, source)
    network = view.leasable[wish.slot.network]
    leases.check_wanted(network, wish.slot.namespace, address)
    if giver.namespace != wish.slot.namespace:
        leases.check_quota(network, wish.slot, ledger.project(wish.slot))
    lock = ledger.locked(network.name).get(address)
    if lock is None or not any(lease and locks.is_holder(lock, lease) for lease in (source, target)):
        raise Refused(Reason.ADDRESS_TAKEN, f"EgressLease {name} does not have {address} to give any more")
    if locks.in_conflict(lock):
        raise leases.taken_by(network, lock)
    return source


def _foretell_transfer(view: Survey, ledger: Ledger, wish: Wish, giver: Slot) -> Step:
    before, source = ledger.get(wish.slot), giver_of(view, ledger, wish, giver)
    if source is None:
        missing = ledger.get(giver) is None
        told = f"EgressLease {giver.lease} is gone: whether the address of EgressLease "
        warnings = [f"{told}{wish.slot.lease} came from it cannot be seen"] if missing else []
        return Step(wish.slot, False, before, before, warnings=warnings)
    after = _as_bound(before, wish, lease_status.address(source) or "")
    return Step(wish.slot, True, before, after, ledger.enter(after))


def _has_given(source: KubeObject, address: str | None) -> bool:
    return any(item.address == address and item.reason == transfers.TRANSFERRED for item in lease_status.of(source))


def _foretell_claim(view: Survey, ledger: Ledger, wish: Wish, network: EgressNetwork) -> Step:
    before, slot = ledger.get(wish.slot), wish.slot
    ip_family = family_to_ask_for(before, wish)
    lease = before or leases.lease_object(slot)
    held = leases.address_to_keep(lease, wish.wanted, ip_family)
    if lease_status.is_bound(lease):
        return Step(wish.slot, False, before, before)
    network = view.leasable[network.name]
    try:
        if not lease_status.is_released(lease):
            leases.check_quota(network, slot, ledger.project(slot))
        address = _known_address(network, wish, ledger.locked(network.name), held, ip_family)
        if address is None:
            free = _count_free(network, ledger, ip_family)
            after = _as_bound(before, wish, f"one of {free} free")
            ledger.enter_drawn(after, ip_family)
            return Step(wish.slot, True, before, after)
    except (PoolExhausted, Refused) as error:
        is_short = error.reason in (PoolExhausted.reason, QUOTA_EXCEEDED)
        sources = transfers.to_take_over(network, slot, ledger.project(slot), ip_family) if is_short else ()
        if not sources or wish.wanted:
            raise
        address = lease_status.address(sources[0]) or ""
    after = _as_bound(before, wish, address)
    return Step(wish.slot, True, before, after, ledger.enter(after))


def _known_address(
    network: EgressNetwork, wish: Wish, locked: Mapping[str, KubeObject], held: str | None, ip_family: str
) -> str | None:
    """What the claim will get, None where that is drawn only then."""
    slot = wish.slot

    def mine(address: str) -> bool:
        lock = locked.get(address)
        free = lock is None or (lock["spec"]["lease"] == slot.lease and not locks.in_conflict(lock))
        return free and network.leases(address, slot.namespace)

    if wish.wanted:
        leases.check_wanted(network, slot.namespace, wish.wanted)
        if not mine(wish.wanted):
            raise leases.taken_by(network, locked[wish.wanted])
        return wish.wanted
    if held and mine(held):
        return held
    own = (address for address, lock in locked.items() if lock["spec"]["lease"] == slot.lease and mine(address))
    return next((address for address in own if addresses.family_of(address) == ip_family), None)


def _count_free(network: EgressNetwork, ledger: Ledger, ip_family: str) -> int:
    pool = network.drawn.of(ip_family)
    held = sum(address in pool for address in ledger.taken(network.name))
    free = pool.size - held - ledger.drawn(network.name, ip_family)
    if free <= 0:
        raise PoolExhausted(network.name, ip_family, pool.size)
    return free


def _foretell_release(view: Survey, ledger: Ledger, wish: Wish) -> Step:
    before = ledger.get(wish.slot)
    if before is None or lease_status.is_released(before) or lease_status.is_expired(before):
        return Step(wish.slot, False, before, before)
    _refuse_if_used(view, before)
    status = before.get("status") or {}
    if not lease_status.is_bound(before):
        ledger.forget(before)
        return Step(wish.slot, True, before, _without_claim(before))
    # The moment is a guess, by which later items of a list know which address was given back the longest ago.
    after = {**before, "status": {**status, "phase": lease_status.RELEASED, "releasedAt": timestamp(datetime.now(UTC))}}
    ledger.enter(after)
    return Step(wish.slot, True, before, after)


def _without_claim(lease: KubeObject) -> KubeObject | None:
    """A lease whose claim was never finished, once that is given up: the record that it was before, if it was one."""
    return {**lease, "status": lease_status.expired(lease)} if lease_status.address(lease) else None


def _refuse_if_used(view: Survey, lease: KubeObject) -> None:
    slot = leases.slot_of(lease)
    if view.uses(slot):
        raise Refused(
            Reason.IN_USE,
            f"EgressLease {slot.lease}: Service {slot.namespace}/{slot.service} uses it; delete the service first, "
            "with avi_egress_service state=absent",
        )


def _as_bound(lease: KubeObject | None, wish: Wish, address: str) -> KubeObject:
    return {**(lease or leases.lease_object(wish.slot)), "status": {"phase": lease_status.BOUND, "address": address}}
