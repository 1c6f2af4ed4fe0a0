# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The conditions of a Service, each with an Event where it is news."""

from __future__ import annotations

import logging
from typing import Mapping, Sequence

from ansible_collections.avi.egress.plugins.module_utils.api import conditions
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    REACHABLE_CONDITION,
    READY_CONDITION,
    SERVICE,
    WIDENED_CONDITION,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.workload import service_status

from egress_controller.cache.context import Context
from egress_controller.ipam.conflicts import ADDRESS_CONFLICT
from egress_controller.runtime.event_recorder import NORMAL, WARNING
from egress_controller.runtime.logs import line

PROGRESS_REASONS = frozenset({Reason.EGRESS_READY, Reason.DEGRADED, Reason.WAITING_FOR_POD, Reason.REPLACING})

_log = logging.getLogger(__name__)


class ServiceConditions:
    """Writes the conditions of Services."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._events = context.events

    def write(
        self,
        service: KubeObject | None,
        condition: Condition | None,
        sources: Sequence[str] = (),
        others: Mapping[str, Condition | None] | None = None,
    ) -> None:
        """Write EgressReady (None: none) and ``others``, by type; emit what differs; nothing if the Service is gone."""
        if service is None:
            return
        wanted = {**service_status.service_conditions(condition, sources), **(others or {})}
        patch = conditions.conditions_patch(service, wanted, timestamp(utc_now()))
        if not patch:
            return
        metadata = service["metadata"]
        # The version makes sure that nobody else's condition is overwritten: the patch holds all of them.
        patch["metadata"] = {"resourceVersion": metadata["resourceVersion"]}
        self._client.patch(SERVICE, metadata["name"], patch, metadata["namespace"], subresource="status")
        self._emit(service, condition)
        if reachable := wanted.get(REACHABLE_CONDITION):
            self._emit_reachable(service, reachable)
        if widened := wanted.get(WIDENED_CONDITION):
            self._emit_widened(service, widened)

    def _emit(self, service: KubeObject, condition: Condition | None) -> None:
        former = conditions.find(service, READY_CONDITION) or {}
        if conditions.says(former, condition):
            return
        if condition is None:
            self._events.emit(service, NORMAL, "EgressWithdrawn", "egress has been withdrawn from this service")
            return
        if condition.reason == ADDRESS_CONFLICT:
            return  # Emitted when the address was marked.
        progress = condition.reason in PROGRESS_REASONS
        if progress and former.get("reason") == condition.reason:
            return
        was_ready = former.get("status") == "True"
        kind = NORMAL if progress and (condition.ready or not was_ready) else WARNING
        self._events.emit(service, kind, condition.reason, condition.message)
        metadata = service["metadata"]
        name = f"{metadata['namespace']}/{metadata['name']}"
        _log.info(line("condition", service=name, ready=condition.status, reason=condition.reason))

    def _emit_reachable(self, service: KubeObject, condition: Condition) -> None:
        """That destinations don't answer, and that they do again."""
        former = conditions.find(service, REACHABLE_CONDITION) or {}
        if condition.ready is False and former.get("status") != "False":
            self._events.emit(service, WARNING, condition.reason, condition.message)
        elif condition.ready and former.get("reason") == Reason.DESTINATIONS_NOT_REACHABLE:
            self._events.emit(service, NORMAL, condition.reason, condition.message)

    def _emit_widened(self, service: KubeObject, condition: Condition) -> None:
        """Once for the same policies: that they let others in."""
        if not conditions.says(conditions.find(service, WIDENED_CONDITION) or {}, condition):
            self._events.emit(service, WARNING, condition.reason, condition.message)
