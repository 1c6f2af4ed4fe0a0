# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Releases of the leases of services that are gone, as far as the brake allows."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import MASS_RELEASE_ANNOTATION, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import (
    DEFAULT_RELEASE_BRAKE_PERCENT,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.release_confirmation import is_confirmed

from egress_controller.cache.caches import BY_NETWORK
from egress_controller.cache.context import Context
from egress_controller.ipam.brake import Brake, Verdict, limit
from egress_controller.ipam.claims import Claims
from egress_controller.runtime.event_recorder import NORMAL
from egress_controller.runtime.keys import Key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result, soonest

RECENT = timedelta(minutes=1)
"""Leases given up this short a while ago count as given up at once."""
MASS_RELEASE = Reason.MASS_RELEASE
SERVICE_GONE = "ServiceGone"
NOT_USED = "NotUsed"

_log = logging.getLogger(__name__)


class Releases:
    """Thread-safe."""

    def __init__(self, context: Context, claims: Claims, brake: Brake) -> None:
        self._caches = context.caches
        self._networks = context.listers.networks
        self._events = context.events
        self._queue = context.queue
        self._claims = claims
        self._brake = brake

    def of_ended_service(self, owner: Key, leases: Sequence[KubeObject]) -> Result | None:
        """Give up what may be; when to look at the service again for the rest."""
        again = None
        self._brake.keep(owner, {lease["metadata"]["name"] for lease in leases})
        for lease in leases:
            network = str(lease["spec"]["network"])
            verdict = self._ask(network, lease, owner)
            if verdict is Verdict.GO:
                self.give_up(lease, SERVICE_GONE, "its service is gone or asks for no egress any more")
            elif verdict is Verdict.LATER:
                again = soonest(again, Result(self._brake.grace_seconds))
            else:
                # Time alone may end it, as what was given up before is no longer recent. All else calls the service.
                again = soonest(again, Result(RECENT.total_seconds()))
                self._queue.add(Key("network", network))
        return again

    def needed(self, leases: Sequence[KubeObject]) -> None:
        """The leases of a service that is served: should they have waited, then others may go now."""
        for lease in leases:
            network = str(lease["spec"]["network"])
            if self._brake.forget(network, lease["metadata"]["name"]):
                for key in (Key("network", network), *self._brake.waiting(network)):
                    self._queue.add(key)

    def give_up(self, lease: KubeObject, reason: str, why: str) -> None:
        """Release a lease, with an Event: ``reason`` in one word for its history, ``why`` in a sentence."""
        self._claims.give_up(lease, reason)
        address = (lease.get("status") or {}).get("address") or "no address"
        _log.info(line("lease-given-up", lease=lease["metadata"]["name"], address=address))
        self._events.emit(lease, NORMAL, "LeaseReleased", f"{address} is given up: {why}")

    def condition(self, network: str) -> Condition | None:
        """The network's condition while releases are stopped; None where none is."""
        pending = self._brake.pending(network)
        if not pending:
            return None
        held, recent, most = self._figures(network)
        if most is None or pending + recent <= most:
            return None
        return Condition(
            False,
            MASS_RELEASE,
            f"EgressNetwork {network}: services of {pending} of {held} leases are gone at once, more than {most}; "
            f"their addresses stay leased until the services are back or you allow it by "
            f"kubectl annotate egressnetwork {network} {MASS_RELEASE_ANNOTATION}=allow",
        )

    def _ask(self, network: str, lease: KubeObject, owner: Key) -> Verdict:
        _held, recent, most = self._figures(network)
        if is_confirmed(lease, utc_now()):
            most = None
        return self._brake.ask(network, lease["metadata"]["name"], owner, recent, most)

    def _figures(self, network: str) -> tuple[int, int, int | None]:
        """Leases held, those given up a short while ago by nobody's word, and how many may be at once."""
        leases = self._caches.leases.of(BY_NETWORK, network)
        now = utc_now()
        recent = sum(
            _was_given_up(lease) and lease_status.released_at(lease) > now - RECENT and not is_confirmed(lease, now)
            for lease in leases
        )
        held = sum(lease_status.is_bound(lease) for lease in leases) + recent
        return held, recent, limit(held, self._percent(network))

    def _percent(self, name: str) -> int:
        annotations = (self._caches.networks.get(name) or {"metadata": {}})["metadata"].get("annotations") or {}
        if annotations.get(MASS_RELEASE_ANNOTATION) == "allow":
            return 100
        network = self._networks.look_up(name)
        if network is None or isinstance(network, InvalidInput):
            return DEFAULT_RELEASE_BRAKE_PERCENT
        return network.release_brake_percent


def _was_given_up(lease: KubeObject) -> bool:
    return lease_status.is_released(lease) or lease_status.is_expired(lease)
