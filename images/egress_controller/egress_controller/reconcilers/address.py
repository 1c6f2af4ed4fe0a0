# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reconciler of EgressAddresses: a lock that no lease needs is deleted."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Callable

from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import in_conflict
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import (
    DEFAULT_QUARANTINE_SECONDS,
)

from egress_controller.cache.caches import BY_NETWORK
from egress_controller.cache.context import Context
from egress_controller.ipam.suspects import Suspects
from egress_controller.runtime.event_recorder import NORMAL
from egress_controller.runtime.keys import Key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result

_log = logging.getLogger(__name__)


class AddressReconciler:
    """Deletes an EgressAddress that no lease needs: seen twice, a grace period apart, and out of quarantine.

    Written-again locks (a claim that took its orphan up) have another resource version and are spared. So are those in
    conflict: an administrator deletes them when it is settled.
    """

    def __init__(self, context: Context, suspects: Suspects, now: Callable[[], datetime] = utc_now) -> None:
        self._client = context.client
        self._caches = context.caches
        self._networks = context.listers.networks
        self._events = context.events
        self._suspects = suspects
        self._now = now

    def reconcile(self, key: Key) -> Result | None:
        name = key.name
        address = self._caches.addresses.get(name)
        lease = self._caches.leases.get(address["spec"]["lease"]) if address else None
        if address is None or not _is_orphan(address, lease):
            self._suspects.clear(name)
            return None
        quarantine = self._quarantine(address, lease)
        if quarantine is None:
            return None  # The network's next change brings us back.
        remaining = max(quarantine, self._suspects.remaining(name, address["metadata"]["resourceVersion"]))
        if remaining > 0:
            return Result(remaining)
        live = self._client.get(EGRESS_LEASE, address["spec"]["lease"])
        if _is_orphan(address, live) and self._quarantine(address, live) == 0:
            self._client.delete(EGRESS_ADDRESS, address)
            self._suspects.clear(name)
            self._report(address)
        return None

    def _quarantine(self, orphan: KubeObject, lease: KubeObject | None) -> float | None:
        """Seconds for which an orphan stays in quarantine, by what the leases remember; None where that is unknown.

        All leases of the network are asked, for its last holder may have been another than the one that it names.
        """
        spec = orphan["spec"]
        network = self._networks.look_up(spec["network"])
        if isinstance(network, InvalidInput):
            return None
        seconds = network.quarantine_seconds if network else DEFAULT_QUARANTINE_SECONDS
        leases = self._caches.leases.of(BY_NETWORK, spec["network"])
        released = lease_status.last_released(spec["address"], lease, [*leases, *filter(None, [lease])])
        if released is None:
            return 0
        return max(0.0, (released + timedelta(seconds=seconds) - self._now()).total_seconds())

    def _report(self, orphan: KubeObject) -> None:
        spec = orphan["spec"]
        _log.info(line("orphan-unlocked", address=spec["address"], lease=spec["lease"]))
        network = self._caches.networks.get(spec["network"])
        if network:
            message = f"{spec['address']} is free again: EgressLease {spec['lease']} does not hold it"
            self._events.emit(network, NORMAL, "OrphanUnlocked", message)


def _is_orphan(address: KubeObject, lease: KubeObject | None) -> bool:
    """No lease, one that is over, or one Bound to another address; one that is just being bound may still want it."""
    if in_conflict(address):
        return False
    if lease is None or lease_status.is_expired(lease):
        return True
    return lease_status.is_bound(lease) and lease_status.address(lease) != address["spec"]["address"]
