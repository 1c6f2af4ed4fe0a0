# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Recorder of core/v1 Events, after client-go's: one Event a change, never again while a condition stands."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable, Protocol

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EVENT, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now

from egress_controller.runtime.logs import line

NORMAL = "Normal"
WARNING = "Warning"
REPEAT_SECONDS = 600.0
"""The same words about the same object are one Event for this long; after it, its count goes up."""
OBJECT_BURST = 25
OBJECT_REFILL_SECONDS = 60.0
"""An object that is changed again and again (by a hostile tenant, for instance) gets one more Event in this time."""
REMEMBERED = 4096
MESSAGE_LENGTH = 1024

_log = logging.getLogger(__name__)


class EventWriter(Protocol):
    """The requests of an EventRecorder; KubeClient has them."""

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        """The object as made."""

    def patch(self, resource: Resource, name: str, body: KubeObject, namespace: str | None = None) -> KubeObject:
        """The object as it is after a merge patch."""


@dataclass
class _Recorded:
    """An Event that stands already."""

    namespace: str
    name: str
    quiet_until: float
    count: int = 1


@dataclass
class _Allowance:
    left: float
    at: float


class EventRecorder:
    """Thread-safe. A lost Event is logged, never an error of the caller."""

    def __init__(
        self,
        writer: EventWriter,
        component: str,
        instance: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._writer = writer
        self._component = component
        self._instance = instance
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._recorded: OrderedDict[tuple[str, str, str, str], _Recorded] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()

    def emit(self, obj: KubeObject, kind: str, reason: str, message: str) -> None:
        """Record an Event about an object; ``kind`` is NORMAL or WARNING, ``reason`` one CamelCase word."""
        message = message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 3]}..."
        key = (obj["metadata"]["uid"], kind, reason, message)
        try:
            with self._lock:
                self._record(key, obj)
        except EgressError as error:
            _log.warning(line("event-lost", reason=reason, error=error))

    def _record(self, key: tuple[str, str, str, str], obj: KubeObject) -> None:
        recorded = self._recorded.get(key)
        if recorded and self._clock() < recorded.quiet_until:
            return
        if not self._allowed(key[0]):
            return
        if recorded:
            recorded.count += 1
            recorded.quiet_until = self._clock() + REPEAT_SECONDS
            again = {"count": recorded.count, "lastTimestamp": timestamp(self._now())}
            self._writer.patch(EVENT, recorded.name, again, recorded.namespace)
            return
        body = self._event(obj, *key[1:])
        metadata = body["metadata"]
        self._recorded[key] = _Recorded(metadata["namespace"], metadata["name"], self._clock() + REPEAT_SECONDS)
        _trim(self._recorded)
        self._writer.create(EVENT, body)

    def _allowed(self, uid: str) -> bool:
        now = self._clock()
        allowance = self._allowances.setdefault(uid, _Allowance(OBJECT_BURST, now))
        _trim(self._allowances)
        allowance.left = min(OBJECT_BURST, allowance.left + (now - allowance.at) / OBJECT_REFILL_SECONDS)
        allowance.at = now
        if allowance.left < 1:
            return False
        allowance.left -= 1
        return True

    def _event(self, obj: KubeObject, kind: str, reason: str, message: str) -> KubeObject:
        metadata = obj["metadata"]
        # Events of objects without a namespace stand in "default" (Kubernetes, record.EventRecorder).
        namespace = metadata.get("namespace") or "default"
        moment = timestamp(self._now())
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{metadata['name'][:200]}.{time.time_ns():x}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace"),
                "uid": metadata["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }


def _trim(remembered: OrderedDict[Any, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
