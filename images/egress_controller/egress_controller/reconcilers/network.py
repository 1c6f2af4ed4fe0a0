# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reconciler of EgressNetworks: the figures and conditions of the network's status."""

from __future__ import annotations

from itertools import islice
from typing import Iterable, Mapping, Sequence

from ansible_collections.avi.egress.plugins.module_utils.api import conditions
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_NETWORK,
    RELEASES_CONDITION,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.address_pool import AddressPool
from ansible_collections.avi.egress.plugins.module_utils.ipam.lease_status import is_bound, is_released
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import in_conflict
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.ipam.usage import PoolUsage, scarcest, usage_of

from egress_controller.cache.caches import BY_NETWORK
from egress_controller.cache.context import Context
from egress_controller.ipam.releases import Releases
from egress_controller.runtime.event_recorder import NORMAL, WARNING
from egress_controller.runtime.keys import Key
from egress_controller.runtime.reconciler import Result
from egress_controller.runtime.status import write_status

AVAILABLE = "AddressesAvailable"
IN_POOL = "LeasesInPool"
NO_OVERLAP = "NoOverlap"
NO_CONFLICTS = "NoConflicts"
"""The conditions; where all is well, the reason is the type's own word."""
SHOWN_LEASES = 5
SHOWN_ADDRESSES = 2
SHOWN_CONFLICTS = 5
LARGEST_FIGURE = 2**63 - 1
"""What a field of format int64 holds, which stands for that many or more: an IPv6 /64 alone has twice as many."""


class NetworkReconciler:
    """Reconciles one EgressNetwork's status."""

    def __init__(self, context: Context, releases: Releases) -> None:
        self._client = context.client
        self._caches = context.caches
        self._networks = context.listers.networks
        self._events = context.events
        self._releases = releases

    def reconcile(self, key: Key) -> Result | None:
        self._tell(key.name)
        return self._releases.review(key.name)

    def _tell(self, name: str) -> None:
        obj, network = self._caches.networks.get(name), self._networks.look_up(name)
        if obj is None or network is None:
            return
        if isinstance(network, InvalidInput):
            self._report(obj, {AVAILABLE: Condition(False, network.reason, str(network))}, {})
            return
        leases = self._caches.leases.of(BY_NETWORK, name)
        locks = self._caches.addresses.of(BY_NETWORK, name)
        of_families = usage_of(network, [str(lock["spec"]["address"]) for lock in locks])
        figures = {
            "capacity": min(network.pool.size, LARGEST_FIGURE),
            "bound": sum(is_bound(lease) for lease in leases),
            "released": sum(is_released(lease) for lease in leases),
            "available": min(sum(usage.free for usage in of_families), LARGEST_FIGURE),
        }
        available = _condition(network, scarcest(of_families))
        found = {AVAILABLE: available, IN_POOL: _drift(network, leases)}
        if network.ceded or conditions.find(obj, NO_OVERLAP):
            found[NO_OVERLAP] = _overlap(network)
        contested = [str(lock["spec"]["address"]) for lock in locks if in_conflict(lock)]
        if contested or conditions.find(obj, NO_CONFLICTS):
            found[NO_CONFLICTS] = _conflicts(name, contested)
        self._report(obj, found, figures)

    def _report(self, obj: KubeObject, found: Mapping[str, Condition], figures: dict[str, int]) -> None:
        wanted = dict(found)
        stopped = self._releases.condition(obj["metadata"]["name"])
        if stopped or conditions.find(obj, RELEASES_CONDITION):
            wanted[RELEASES_CONDITION] = stopped or Condition(
                True, Reason.RELEASES_ALLOWED, "no lease waits to be given up"
            )
        write_status(self._client, EGRESS_NETWORK, obj, wanted, figures)
        for kind, condition in wanted.items():
            former = conditions.find(obj, kind)
            if (former or {"reason": kind})["reason"] != condition.reason:
                event = NORMAL if condition.reason == kind else WARNING
                self._events.emit(obj, event, condition.reason, condition.message)


def _drift(network: EgressNetwork, leases: Iterable[KubeObject]) -> Condition:
    """Leases that an edit has left outside. Nothing is taken from a running service."""
    outside = [lease for lease in leases if is_bound(lease) and not _would_lease(network, lease)]
    if not outside:
        return Condition(True, Reason.LEASES_IN_POOL, "every lease in use holds an address that the network leases")
    shown = [f"{lease['metadata']['name']} ({lease['status']['address']})" for lease in outside[:SHOWN_LEASES]]
    more = f" and {len(outside) - SHOWN_LEASES} more" if len(outside) > SHOWN_LEASES else ""
    message = (
        f"EgressNetwork {network.name}: {len(outside)} leases in use hold addresses that it does not lease to them "
        f"any more: {', '.join(shown)}{more}; they stay as they are until they are released"
    )
    return Condition(False, Reason.DRIFT, message)


def _overlap(network: EgressNetwork) -> Condition:
    """What it offers in vain, as an older network on its link offers it too."""
    if not network.ceded:
        return Condition(True, Reason.NO_OVERLAP, "no older network on its link offers addresses of it")
    shared = (f"{pool.size} of EgressNetwork {elder} ({_examples(pool)})" for elder, pool in network.ceded.items())
    message = (
        f"EgressNetwork {network.name} offers addresses that belong to older networks: {', '.join(shared)}; it leases "
        "none of them. Take them out of one of the two, or give each its spec.uplink if they are different links"
    )
    return Condition(False, Reason.OVERLAPS, message)


def _examples(pool: AddressPool) -> str:
    return " and ".join(islice(pool.candidates(frozenset(), 0), SHOWN_ADDRESSES)) + (
        ", for example" if pool.size > SHOWN_ADDRESSES else ""
    )


def _conflicts(name: str, addresses: Sequence[str]) -> Condition:
    """Addresses that another host answers for; claims pass them over."""
    if not addresses:
        return Condition(True, Reason.NO_CONFLICTS, "no other host is known to answer for an address of the network")
    more = f" and {len(addresses) - SHOWN_CONFLICTS} more" if len(addresses) > SHOWN_CONFLICTS else ""
    message = (
        f"EgressNetwork {name}: another host on the outside LAN answers for {len(addresses)} of its addresses: "
        f"{', '.join(sorted(addresses)[:SHOWN_CONFLICTS])}{more}; they are leased to nobody else until you have "
        "settled it and delete their EgressAddress"
    )
    return Condition(False, Reason.ADDRESS_CONFLICT, message)


def _would_lease(network: EgressNetwork, lease: KubeObject) -> bool:
    return network.leases(lease["status"]["address"], lease["spec"]["namespace"])


def _condition(network: EgressNetwork, scarce: PoolUsage | None) -> Condition:
    """Avi's IP_POOL_EXHAUSTED and IP_POOL_ALMOST_EXHAUSTED.

    Of a network with both families, the scarcer one is reported: neither can stand in for the other. Reserved addresses
    are not drawn, and count for neither.
    """
    remedy = "add a range to spec.subnets or release a lease"
    subject, percent = f"EgressNetwork {network.name}", network.almost_exhausted_percent
    if scarce is None:
        reserved = f" ({network.pool.size} are reserved)" if network.pool.size else ""
        return Condition(
            False, Reason.POOL_EXHAUSTED, f"{subject}: there are no addresses to lease{reserved}; {remedy}"
        )
    beside = f" ({scarce.reserved} more are reserved)" if scarce.reserved else ""
    if scarce.free <= 0:
        return Condition(False, Reason.POOL_EXHAUSTED, f"{subject}: all {scarce} are held{beside}; {remedy}")
    if scarce.held * 100 >= scarce.size * percent:
        message = f"{subject}: {scarce.held} of {scarce} are held{beside}, {percent} % or more; {remedy}"
        return Condition(True, Reason.POOL_ALMOST_EXHAUSTED, message)
    return Condition(True, Reason.ADDRESSES_AVAILABLE, f"less than {percent} % of {scarce} are held")
