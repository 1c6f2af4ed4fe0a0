# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One pass over a network: its figures, and a word when its addresses run out."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.cluster import Cluster
from ansible_collections.avi.egress.plugins.module_utils.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.model import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.plan import Condition
from ansible_collections.avi.egress.plugins.module_utils.resources import EGRESS_NETWORK, KubeObject

from egress_controller.caches import BY_NETWORK, Caches
from egress_controller.claims import is_bound, is_released
from egress_controller.events import NORMAL, WARNING, Events
from egress_controller.inventory import Shelf
from egress_controller.status import condition_of, write_status

AVAILABLE = "AddressesAvailable"
ALMOST_EXHAUSTED_PERCENT = 90
LARGEST_FIGURE = 2**63 - 1
"""What a field of format int64 holds; an IPv6 subnet has more addresses."""


class NetworkPass:
    """Reconciles one EgressNetwork's status."""

    def __init__(self, cluster: Cluster, caches: Caches, shelf: Shelf[EgressNetwork], events: Events) -> None:
        self._cluster = cluster
        self._caches = caches
        self._shelf = shelf
        self._events = events

    def run(self, name: str) -> None:
        obj, network = self._caches.networks.get(name), self._shelf.look_up(name)
        if obj is None or network is None:
            return
        if isinstance(network, InvalidInput):
            self._tell(obj, Condition(False, network.reason, str(network)), {})
            return
        leases = self._caches.leases.of(BY_NETWORK, name)
        locked = [str(item["spec"]["address"]) for item in self._caches.addresses.of(BY_NETWORK, name)]
        size = network.pool.size
        free = size - sum(address in network.pool for address in locked)
        figures = {
            "capacity": min(size, LARGEST_FIGURE),
            "bound": sum(is_bound(lease) for lease in leases),
            "released": sum(is_released(lease) for lease in leases),
            "available": min(free, LARGEST_FIGURE),
        }
        self._tell(obj, _condition(name, size, free), figures)

    def _tell(self, obj: KubeObject, condition: Condition, figures: dict[str, int]) -> None:
        former = condition_of(obj, AVAILABLE)
        write_status(self._cluster, EGRESS_NETWORK, obj, AVAILABLE, condition, figures)
        if (former and former["reason"] != condition.reason) or (not former and condition.reason != AVAILABLE):
            kind = NORMAL if condition.reason == AVAILABLE else WARNING
            self._events.emit(obj, kind, condition.reason, condition.message)


def _condition(name: str, size: int, free: int) -> Condition:
    """What the original says as IP_POOL_EXHAUSTED and IP_POOL_ALMOST_EXHAUSTED (avi-facts, "IPAM")."""
    remedy = "add a range to spec.subnets or release a lease"
    if free <= 0:
        return Condition(False, "PoolExhausted", f"EgressNetwork {name}: all {size} addresses are held; {remedy}")
    if (size - free) * 100 >= size * ALMOST_EXHAUSTED_PERCENT:
        message = f"EgressNetwork {name}: {ALMOST_EXHAUSTED_PERCENT} % or more of {size} addresses are held; {remedy}"
        return Condition(True, "PoolAlmostExhausted", message)
    return Condition(True, AVAILABLE, f"less than {ALMOST_EXHAUSTED_PERCENT} % of {size} addresses are held")
