# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What nobody needs any more: leases whose quarantine is over, and locks that no lease holds."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Callable

from ansible_collections.avi.egress.plugins.module_utils.addresses import family_of
from ansible_collections.avi.egress.plugins.module_utils.cluster import Cluster
from ansible_collections.avi.egress.plugins.module_utils.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.leases import (
    former_quarantine_ends,
    parse_timestamp,
    quarantine_over,
)
from ansible_collections.avi.egress.plugins.module_utils.model import DEFAULT_QUARANTINE_SECONDS, EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.resources import EGRESS_ADDRESS, EGRESS_LEASE, KubeObject

from egress_controller.caches import Caches
from egress_controller.claims import Claims, is_bound, is_released, utc_now
from egress_controller.inventory import Shelf
from egress_controller.keys import Key
from egress_controller.queue import WorkQueue


class LeasePass:
    """Frees a Released lease at the moment its quarantine ends: by a timer, not by looking again and again."""

    def __init__(
        self, cluster: Cluster, caches: Caches, shelf: Shelf[EgressNetwork], claims: Claims, queue: WorkQueue[Key]
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._shelf = shelf
        self._claims = claims
        self._queue = queue

    def run(self, name: str) -> None:
        lease = self._caches.leases.get(name)
        if lease is None or not is_released(lease):
            return
        quarantine = _quarantine_seconds(self._shelf, lease["spec"]["network"])
        if quarantine is None:
            return  # The network's next change brings us back.
        over = parse_timestamp(lease["status"]["releasedAt"]) + timedelta(seconds=quarantine)
        remaining = (over - utc_now()).total_seconds()
        if remaining > 0:
            self._queue.add_after(Key("lease", name), remaining)
            return
        current = self._cluster.get(EGRESS_LEASE, name)
        if current and quarantine_over(current, quarantine, utc_now()):
            self._claims.free(current)


class AddressPass:
    """Deletes an EgressAddress whose lease is gone, or holds another address: seen twice, a grace period apart.

    What a lease that is there may have held before (one of the other family) has its quarantine first. Written-again
    locks (a claim that took its orphan up) have another resource version and are spared.
    """

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        shelf: Shelf[EgressNetwork],
        queue: WorkQueue[Key],
        grace_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._shelf = shelf
        self._queue = queue
        self._grace = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._suspects: dict[str, tuple[str, float]] = {}
        """By name: the resource version seen first, and when."""

    def run(self, name: str) -> None:
        address = self._caches.addresses.get(name)
        lease = self._caches.leases.get(address["spec"]["lease"]) if address else None
        if address is None or not _is_orphan(address, lease):
            self._clear(name)
            return
        quarantine = self._quarantine(address, lease)
        if quarantine is None:
            return  # The network's next change brings us back.
        remaining = max(quarantine, self._remaining(name, address["metadata"]["resourceVersion"]))
        if remaining > 0:
            self._queue.add_after(Key("address", name), remaining)
            return
        live = self._cluster.get(EGRESS_LEASE, address["spec"]["lease"])
        if _is_orphan(address, live) and self._quarantine(address, live) == 0:
            self._cluster.delete(EGRESS_ADDRESS, address)
            self._clear(name)

    def _quarantine(self, orphan: KubeObject, lease: KubeObject | None) -> float | None:
        """Seconds for which an orphan stays in quarantine; None as long as that can't be told.

        A Bound lease never had another address of the same family, but for one that its network ceased to lease.
        """
        if lease is None:
            return 0
        address, network = orphan["spec"]["address"], self._shelf.look_up(lease["spec"]["network"])
        leasable = not isinstance(network, EgressNetwork) or address in network.pool
        if leasable and family_of(address) == family_of(lease["status"]["address"]):
            return 0
        seconds = _quarantine_seconds(self._shelf, lease["spec"]["network"])
        if seconds is None:
            return None
        return max(0.0, (former_quarantine_ends(lease, seconds) - utc_now()).total_seconds())

    def _remaining(self, name: str, version: str) -> float:
        """Seconds until this version of the suspect has been one for the whole grace period."""
        with self._lock:
            now = self._clock()
            seen, since = self._suspects.get(name, (version, now))
            if seen != version or name not in self._suspects:
                self._suspects[name] = (version, now)
                return max(self._grace, 0.001)
            return since + self._grace - now

    def _clear(self, name: str) -> None:
        with self._lock:
            self._suspects.pop(name, None)


def _quarantine_seconds(shelf: Shelf[EgressNetwork], name: str) -> int | None:
    """Of a network; the default where it is gone, None where it can't be read: it may be part of what is wrong."""
    network = shelf.look_up(name)
    if isinstance(network, InvalidInput):
        return None
    return network.quarantine_seconds if network else DEFAULT_QUARANTINE_SECONDS


def _is_orphan(address: KubeObject, lease: KubeObject | None) -> bool:
    """No lease, or one that is Bound to another address; a lease that is just being bound may still want it."""
    if lease is None:
        return True
    return is_bound(lease) and lease["status"]["address"] != address["spec"]["address"]
