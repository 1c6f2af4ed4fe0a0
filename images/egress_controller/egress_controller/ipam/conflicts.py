# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses that another host on the outside LAN answers for, though they were not leased to it.

An egress pod that waits for its address reports the host that has it, by its router's termination message. Here the
address is marked (condition Conflict of its EgressAddress, by which claims pass it over), with Events. A service that
has never sent from the address gets another one; one that has keeps it, and the mark goes when its pod gets the
address.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Callable, Final, Iterable, Sequence

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition, conditions_patch
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    POD,
    SERVICE,
    KubeObject,
    address_name,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import parse_timestamp, timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, claimed_by
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import CONFLICT, in_conflict
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import is_finished, is_ready
from ansible_collections.avi.egress.plugins.module_utils.workload.service_status import has_served
from ansible_collections.avi.egress.plugins.module_utils.workload.termination_message import (
    ConflictReport,
    report_of,
    source_of,
)

from egress_controller.cache.caches import BY_NETWORK
from egress_controller.cache.context import Context
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.ipam.releases import Releases
from egress_controller.runtime.event_recorder import NORMAL, WARNING
from egress_controller.runtime.keys import service_key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result, soonest

ADDRESS_CONFLICT: Final = Reason.ADDRESS_CONFLICT
"""The reason of Events and of the Service's condition."""
REASSIGNED: Final = "Conflict"
"""The reason for which the lease of a service that gets another address is given up."""
REMEDY: Final = (
    "remove that host or its address, and the service goes on by itself; for another address delete the Service and "
    "create it again, or release its lease by avi_ipam_lease if that acquired it"
)
FEW: Final = 3
MOST_PERCENT: Final = 25
"""Of a network's addresses of a family, but not less than a few: with more of them in conflict, none is reassigned. It
looks like a host that answers for everything (proxy ARP gone astray), and that would take the pool one by one."""
FIRST_POD: Final = timedelta(seconds=60)
"""A pod made later than this after the lease was bound may not be the first: others may have sent meanwhile."""
CLOCKS: Final = timedelta(seconds=2)
"""How far the API server's clock, by which objects are made, may be ahead of ours, by which leases are bound."""
SETTLE_SECONDS: Final = 10.0
"""How long a pod has to take the address over from another pod of ours that is gone, before its report counts: a
waiting router asks every 2 s."""

_WAITING = frozenset({Reason.WAITING_FOR_POD, Reason.DEGRADED})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conflict:
    """An address in conflict that a lease in use is for. ``report``: None if an earlier pod reported it."""

    lease: KubeObject
    message: str
    report: ConflictReport | None

    @property
    def address(self) -> str:
        return str(lease_status.address(self.lease))


class Conflicts:
    """Observes conflicts and resolves what may be. Thread-safe, as long as no service is observed twice at once."""

    def __init__(
        self,
        context: Context,
        releases: Releases,
        waiting: WaitingServices,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = context.client
        self._caches = context.caches
        self._events = context.events
        self._releases = releases
        self._waiting = waiting
        self._clock = clock
        self._elsewhere: dict[str, float] = {}
        """When an address that a pod waits for was last another pod's of ours."""

    def observe(
        self, service: KubeObject, leases: Sequence[KubeObject], pods: Iterable[KubeObject]
    ) -> tuple[list[Conflict], Result | None]:
        """Mark and unmark the leases' addresses by what the service's pods report.

        Gives the addresses in conflict, and when to observe again where a report does not count yet.
        """
        found = [self._observe_lease(service, lease, pods) for lease in leases]
        return [conflict for conflict, _again in found if conflict], soonest(*(again for _conflict, again in found))

    def _observe_lease(
        self, service: KubeObject, lease: KubeObject, pods: Iterable[KubeObject]
    ) -> tuple[Conflict | None, Result | None]:
        address = str(lease_status.address(lease))
        lock = self._caches.addresses.get(address_name(lease["spec"]["network"], address))
        if lock is None:
            return None, None
        asked = [pod for pod in pods if source_of(pod) == address]
        if any(map(is_ready, asked)):
            if in_conflict(lock):
                self._resolve(service, lock)
            return None, None
        report = next(filter(None, map(report_of, asked)), None)
        again = None
        if report:
            doubt = self._seconds_of_doubt(address, report.pod)
            if doubt == 0:
                return Conflict(lease, self._mark(service, lock, report), report), None
            again = Result(doubt) if doubt != float("inf") else None
        return (Conflict(lease, _message(lock), None) if in_conflict(lock) else None), again

    def reassign(
        self, desired: EgressService, network: EgressNetwork, sources: Sequence[str], conflicts: Iterable[Conflict]
    ) -> bool:
        """Give up what a service that has never sent from it holds in vain; whether its leases are to be claimed anew.

        No pod can get in another's way by that: no claim takes the address as long as it is marked.
        """
        reassigned = False
        for conflict in conflicts:
            if conflict.report and not desired.egress_pod.source_ips and self._is_new(desired, sources, conflict):
                if not self._has_better(network, desired.ip_family, conflict.address):
                    self._waiting.add(service_key(desired.namespace, desired.name))
                    continue
                self._releases.give_up(conflict.lease, REASSIGNED, conflict.message)
                reassigned = True
        return reassigned

    def _is_new(self, desired: EgressService, sources: Sequence[str], conflict: Conflict) -> bool:
        """On the server's word: caches may not know yet that the service is up."""
        assert conflict.report
        metadata = conflict.report.pod["metadata"]
        service = self._client.get(SERVICE, desired.name, desired.namespace)
        pod = self._client.get(POD, metadata["name"], metadata["namespace"])
        if service is None or pod is None:
            return False
        report = report_of(pod)
        return report is not None and may_reassign(service, conflict.lease, sources, report)

    def _seconds_of_doubt(self, address: str, pod: KubeObject) -> float:
        """How long a pod's report does not count, as a pod of ours may have the address, such as one on a lost node.

        The report was true then. While that pod is there, it is infinite: only the pod's end can change it. After it,
        its successor gets a moment to take the address before the report counts.
        """
        others = (item for item in self._caches.all_pods() if item["metadata"]["uid"] != pod["metadata"]["uid"])
        if any(source_of(item) == address and not is_finished(item) for item in others):
            self._elsewhere[address] = self._clock()
            return float("inf")
        remaining = self._elsewhere.get(address, -SETTLE_SECONDS) + SETTLE_SECONDS - self._clock()
        if remaining > 0:
            return remaining
        self._elsewhere.pop(address, None)
        return 0

    def _has_better(self, network: EgressNetwork, ip_family: str, address: str) -> bool:
        """Whether there is another address, and no more than a share of them is in conflict, this one aside."""
        drawn = network.drawn.of(ip_family)
        held = [item for item in self._caches.addresses.of(BY_NETWORK, network.name) if _of(item) in drawn]
        others = sum(in_conflict(item) for item in held if _of(item) != address)
        return len(held) < drawn.size and others < max(FEW, drawn.size * MOST_PERCENT // 100)

    def _mark(self, service: KubeObject, lock: KubeObject, report: ConflictReport) -> str:
        """Mark an address as in conflict, and emit that if it is news; gives the message."""
        metadata = service["metadata"]
        message = (
            f"{_of(lock)} is held by another host on the outside LAN (MAC {report.mac}), to which it was not leased; "
            f"the egress pod of Service {metadata['namespace']}/{metadata['name']} found it so"
        )
        if self._write(lock, Condition(True, Reason.ANSWERED_BY_STRANGER, message)):
            self._emit(service, lock, WARNING, ADDRESS_CONFLICT, message)
        return message

    def _resolve(self, service: KubeObject, lock: KubeObject) -> None:
        metadata = service["metadata"]
        message = f"{_of(lock)} is in use by Service {metadata['namespace']}/{metadata['name']} again"
        self._write(lock, Condition(False, Reason.RESOLVED, message))
        self._emit(service, lock, NORMAL, "ConflictResolved", message)

    def _write(self, lock: KubeObject, condition: Condition) -> bool:
        """Whether that was news."""
        patch = conditions_patch(lock, {CONFLICT: condition}, timestamp(utc_now()))
        if not patch:
            return False
        metadata = lock["metadata"]
        patch["metadata"] = {"resourceVersion": metadata["resourceVersion"]}
        self._client.patch(EGRESS_ADDRESS, metadata["name"], patch, subresource="status")
        return True

    def _emit(self, service: KubeObject, lock: KubeObject, kind: str, reason: str, message: str) -> None:
        level = logging.WARNING if kind == WARNING else logging.INFO
        _log.log(level, line("conflict", reason=reason, address=lock["metadata"]["name"], message=message))
        self._events.emit(service, kind, reason, message)
        network = self._caches.networks.get(lock["spec"]["network"])
        if network:
            self._events.emit(network, kind, reason, message)


def condition_with(conflicts: Sequence[Conflict], condition: Condition | None) -> Condition | None:
    """A waiting service's condition with the addresses in conflict; ready as before where a pod of it still serves."""
    if not conflicts or condition is None or condition.reason not in _WAITING:
        return condition
    message = "; ".join([*(conflict.message for conflict in conflicts), REMEDY])
    if condition.ready:
        return replace(condition, message=f"{condition.message}; {message}")
    return Condition(False, ADDRESS_CONFLICT, message)


def may_reassign(service: KubeObject, lease: KubeObject, sources: Sequence[str], report: ConflictReport) -> bool:
    """Whether a service may get another address: the controller drew this one for it, and it never sent from it.

    Wherever that is not certain, the service keeps it. An address that the service had before, or that was leased for
    it ahead or imported from another cluster, may be trusted by somebody's firewall.
    """
    address, bound_at = lease_status.address(lease), parse_timestamp(lease["status"]["boundAt"])
    *past, _present = lease_status.of(lease)
    made, started = (parse_timestamp(obj["metadata"]["creationTimestamp"]) for obj in (service, report.pod))
    return (
        claimed_by(lease) == CONTROLLER
        and made <= bound_at + CLOCKS
        and not has_served(service, sources)
        and report.first_run
        and started <= bound_at + FIRST_POD
        and all(holding.address != address for holding in past)
    )


def _of(lock: KubeObject) -> str:
    return str(lock["spec"]["address"])


def _message(lock: KubeObject) -> str:
    return next(str(item["message"]) for item in lock["status"]["conditions"] if item["type"] == CONFLICT)
