# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What nobody needs any more: leases whose quarantine is over, and locks that no lease holds."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Callable

from ansible_collections.avi.egress.plugins.module_utils.cluster import Cluster
from ansible_collections.avi.egress.plugins.module_utils.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.leases import parse_timestamp, quarantine_over
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
        network = self._shelf.look_up(lease["spec"]["network"])
        if isinstance(network, InvalidInput):
            return  # Its quarantine may be part of what is wrong; the network's next change brings us back.
        quarantine = network.quarantine_seconds if network else DEFAULT_QUARANTINE_SECONDS
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

    Written-again locks (a claim that took its orphan up) have another resource version and are spared.
    """

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        queue: WorkQueue[Key],
        grace_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._queue = queue
        self._grace = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._suspects: dict[str, tuple[str, float]] = {}
        """By name: the resource version seen first, and when."""

    def run(self, name: str) -> None:
        address = self._caches.addresses.get(name)
        if address is None or not _is_orphan(address, self._caches.leases.get(address["spec"]["lease"])):
            self._clear(name)
            return
        remaining = self._remaining(name, address["metadata"]["resourceVersion"])
        if remaining > 0:
            self._queue.add_after(Key("address", name), remaining)
        elif _is_orphan(address, self._cluster.get(EGRESS_LEASE, address["spec"]["lease"])):
            self._cluster.delete(EGRESS_ADDRESS, address)
            self._clear(name)

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


def _is_orphan(address: KubeObject, lease: KubeObject | None) -> bool:
    """No lease, or one that is Bound to another address; a lease that is just being bound may still want it."""
    if lease is None:
        return True
    return is_bound(lease) and lease["status"]["address"] != address["spec"]["address"]
