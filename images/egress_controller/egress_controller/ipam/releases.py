# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Releases of the leases of services that are gone, as far as the brake allows."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from typing import Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_POD_ANNOTATION,
    MASS_RELEASE_ANNOTATION,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, claimed_by
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import (
    DEFAULT_RELEASE_BRAKE_PERCENT,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.release_confirmation import is_confirmed

from egress_controller.cache.caches import BY_NETWORK
from egress_controller.cache.context import Context
from egress_controller.ipam.brake import Brake, Figures, Verdict, most, stopped
from egress_controller.ipam.claims import Claims
from egress_controller.runtime.event_recorder import NORMAL
from egress_controller.runtime.keys import Key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result, soonest

RECENT = timedelta(minutes=1)
"""Leases given up this short a while ago count as given up at once."""
SHOWN_PROJECTS = 5
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
                # Which calls the service when it is stopped no longer: very many may wait, and none asks by itself.
                self._queue.add(Key("network", network))
        return again

    def needed(self, leases: Sequence[KubeObject]) -> None:
        """The leases of a service that is served: should they have waited, then others may go now."""
        for lease in leases:
            network = str(lease["spec"]["network"])
            if self._brake.forget(network, lease["metadata"]["name"]):
                self._queue.add(Key("network", network))

    def review(self, network: str) -> Result | None:
        """Call the services whose leases may be given up now; when to look again, as what was given up gets older."""
        figures = self._figures(network)
        for key in self._brake.review(network, figures):
            self._queue.add(key)
        is_stopped = figures and stopped(self._brake.pending(network), figures)
        return Result(RECENT.total_seconds()) if is_stopped else None

    def give_up(self, lease: KubeObject, reason: str, why: str) -> None:
        """Release a lease, with an Event: ``reason`` in one word for its history, ``why`` in a sentence."""
        self._claims.give_up(lease, reason)
        address = (lease.get("status") or {}).get("address") or "no address"
        _log.info(line("lease-given-up", lease=lease["metadata"]["name"], address=address))
        self._events.emit(lease, NORMAL, "LeaseReleased", f"{address} is given up: {why}")

    def condition(self, network: str) -> Condition | None:
        """The network's condition while releases are stopped; None where none is."""
        figures, waiting = self._figures(network), self._brake.pending(network)
        projects = sorted(stopped(waiting, figures)) if figures else []
        if figures is None or not projects:
            return None
        gone, held = (sum(count[project] for project in projects) for count in (waiting, figures.held))
        return Condition(
            False,
            MASS_RELEASE,
            f"EgressNetwork {network}: services of {gone} of {held} leases are gone at once, more than "
            f"{most(projects, waiting, figures)}; they are of {_named(projects)}; their addresses stay leased until "
            "the services are back or you allow it by "
            f"kubectl annotate egressnetwork {network} {MASS_RELEASE_ANNOTATION}=allow",
        )

    def _ask(self, network: str, lease: KubeObject, owner: Key) -> Verdict:
        unlimited = is_confirmed(lease, utc_now()) or self._percent(network) >= 100
        figures = None if unlimited else lambda: self._count(network)
        return self._brake.ask(network, lease["metadata"]["name"], owner, figures)

    def _figures(self, network: str) -> Figures | None:
        """None where any number may be given up at once, or none waits to be."""
        is_limited = self._brake.waits(network) and self._percent(network) < 100
        return self._count(network) if is_limited else None

    def _count(self, network: str) -> Figures:
        """Leases held, those given up a short while ago by nobody's word, and those that no Service asks for."""
        now, held, recent, orphaned = utc_now(), Counter[str](), Counter[str](), Counter[str]()
        for lease in self._caches.leases.of(BY_NETWORK, network):
            project = str(lease["spec"]["namespace"])
            held[project] += lease_status.is_bound(lease)
            recent[project] += (
                _was_given_up(lease) and lease_status.released_at(lease) > now - RECENT and not is_confirmed(lease, now)
            )
            orphaned[project] += self._is_orphaned(lease) and not is_confirmed(lease, now)
        return Figures(self._percent(network), held + recent, +recent, +orphaned)

    def _is_orphaned(self, lease: KubeObject) -> bool:
        if not lease_status.is_bound(lease) or claimed_by(lease) != CONTROLLER:
            return False
        service = self._caches.services.get(lease["spec"]["service"], lease["spec"]["namespace"])
        return service is None or EGRESS_POD_ANNOTATION not in (service["metadata"].get("annotations") or {})

    def _percent(self, name: str) -> int:
        annotations = (self._caches.networks.get(name) or {"metadata": {}})["metadata"].get("annotations") or {}
        if annotations.get(MASS_RELEASE_ANNOTATION) == "allow":
            return 100
        network = self._networks.look_up(name)
        if network is None or isinstance(network, InvalidInput):
            return DEFAULT_RELEASE_BRAKE_PERCENT
        return network.release_brake_percent


def _named(projects: Sequence[str]) -> str:
    more = f" and {len(projects) - SHOWN_PROJECTS} more" if len(projects) > SHOWN_PROJECTS else ""
    return f"project{'s' if len(projects) > 1 else ''} {', '.join(projects[:SHOWN_PROJECTS])}{more}"


def _was_given_up(lease: KubeObject) -> bool:
    return lease_status.is_released(lease) or lease_status.is_expired(lease)
