# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reconciler of EgressLeases: ends quarantines and records, and locks addresses again that were unlocked."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Callable

from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    KubeObject,
    address_name,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, claimed_by
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import (
    DEFAULT_HISTORY_SECONDS,
    DEFAULT_QUARANTINE_SECONDS,
)

from egress_controller.cache.context import Context
from egress_controller.ipam.claims import Claims
from egress_controller.ipam.suspects import Suspects
from egress_controller.runtime.event_recorder import NORMAL, WARNING
from egress_controller.runtime.keys import Key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result, soonest

_log = logging.getLogger(__name__)


UNFINISHED_GRACES = 10
"""How many grace periods a claim may take before it counts as broken off: minutes, where it takes milliseconds."""


class LeaseReconciler:
    """Ends a lease's quarantine and later its record, by timers, and locks its address again should that be unlocked.

    A lease without its lock (somebody deleted the EgressAddress) may lose its address to any claim, so it's locked
    again at the second sighting. If another lease has it by then, both get an Event; none is taken away.
    """

    def __init__(
        self,
        context: Context,
        claims: Claims,
        suspects: Suspects,
        unfinished: Suspects,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = context.client
        self._caches = context.caches
        self._networks = context.listers.networks
        self._events = context.events
        self._claims = claims
        self._suspects = suspects
        self._unfinished = unfinished
        self._now = now

    def reconcile(self, key: Key) -> Result | None:
        name = key.name
        lease = self._caches.leases.get(name)
        if lease is None:
            self._suspects.clear(name)
            self._unfinished.clear(name)
            return None
        if lease_status.phase(lease) is None:
            return self._give_up_unfinished(name, lease)
        self._unfinished.clear(name)
        unlocked = None
        if lease_status.is_bound(lease) or lease_status.is_released(lease):
            unlocked = self._keep_locked(name, lease)
        return soonest(unlocked, self._end(name, lease))

    def _end(self, name: str, lease: KubeObject) -> Result | None:
        """End the quarantine of a Released lease, or the record of an Expired one, when its time is over."""
        seconds = self._seconds_to_stay(lease)
        if seconds is None:
            return None  # Bound, or its network can't be read: a change of either brings us back.
        remaining = (lease_status.released_at(lease) + timedelta(seconds=seconds) - self._now()).total_seconds()
        if remaining > 0:
            return Result(remaining)
        current = self._client.get(EGRESS_LEASE, name)
        if current and lease_status.quarantine_over(current, seconds, self._now()):
            self._claims.free(current)
            self._report(current, NORMAL, "LeaseExpired", "its quarantine is over; any project may get the address")
        elif current and lease_status.record_over(current, seconds, self._now()):
            self._client.delete(EGRESS_LEASE, current)
            self._report(current, NORMAL, "LeaseForgotten", "its time as a record (spec.historySeconds) is over")
        return None

    def _give_up_unfinished(self, name: str, lease: KubeObject) -> Result | None:
        """A claim that a playbook began and broke off; the controller's own are their services' affair."""
        if claimed_by(lease) == CONTROLLER:
            return None
        remaining = self._unfinished.remaining(name, lease["metadata"]["resourceVersion"])
        if remaining > 0:
            return Result(remaining)
        self._claims.free(lease)
        self._unfinished.clear(name)
        self._report(lease, WARNING, "ClaimGivenUp", "it was begun and never finished; claim it again")
        return None

    def _seconds_to_stay(self, lease: KubeObject) -> int | None:
        """How long after its release a lease stays as it is; None where that is not a matter of time."""
        network = self._networks.look_up(lease["spec"]["network"])
        if isinstance(network, InvalidInput):
            return None
        if lease_status.is_released(lease):
            return network.quarantine_seconds if network else DEFAULT_QUARANTINE_SECONDS
        if not lease_status.is_expired(lease):
            return None
        # A record is kept for as long as the quarantine at least: whose an address was decides how long it is guarded.
        return max(network.history_seconds, network.quarantine_seconds) if network else DEFAULT_HISTORY_SECONDS

    def _keep_locked(self, name: str, lease: KubeObject) -> Result | None:
        lock = address_name(lease["spec"]["network"], lease_status.address(lease) or "")
        known = self._caches.addresses.get(lock)
        if known and known["spec"]["lease"] == name:
            self._suspects.clear(name)
            return None
        remaining = self._suspects.remaining(name, lease["metadata"]["resourceVersion"])
        if remaining > 0:
            return Result(remaining)
        current = self._client.get(EGRESS_LEASE, name)
        if current is None or lease_status.of(current) != lease_status.of(lease):
            return None
        if self._claims.relock(current):
            self._report(current, WARNING, "AddressLockedAgain", "its EgressAddress was gone and has been made again")
            self._suspects.clear(name)
        else:
            self._report(current, WARNING, "AddressHeldTwice", f"EgressAddress {lock} names another lease; release one")
        return None

    def _report(self, lease: KubeObject, kind: str, reason: str, message: str) -> None:
        address = lease_status.address(lease) or "no address"
        _log.info(line(reason, lease=lease["metadata"]["name"], address=address))
        self._events.emit(lease, kind, reason, f"{address}: {message}")
