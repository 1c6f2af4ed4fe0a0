# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Log of outages that many meet at once: an API server that is away, kinds of objects that it doesn't know."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Mapping

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, NotFound
from ansible_collections.avi.egress.plugins.module_utils.api.resources import Resource
from ansible_collections.avi.egress.plugins.module_utils.client.connection import ConnectionFailed

from egress_controller.runtime.logs import line

FIRST_STEP_SECONDS = 1.0
LAST_STEP_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Outages:
    """Logs each kind of trouble once a step; the steps double up to a minute. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, advice: Mapping[str, str] | None = None) -> None:
        """``advice``: what to do where the server knows no resources of an API group."""
        self._advice = advice or {}
        self._clock = clock
        self._lock = threading.Lock()
        self._steps: dict[str, tuple[float, float]] = {}
        """By kind of trouble: when it may be logged again, and the step after that."""

    def report(self, error: EgressError, resource: Resource | None = None) -> None:
        kind = _kind(error, resource)
        with self._lock:
            now = self._clock()
            quiet_until, step = self._steps.get(kind, (now, FIRST_STEP_SECONDS))
            if now < quiet_until:
                return
            self._steps[kind] = (now + step, min(step * 2, LAST_STEP_SECONDS))
        _log.warning(line("trouble", kind=kind, message=self._sentence(error, resource), again_in=step))

    def over(self, resource: Resource) -> None:
        """A request of this resource succeeded."""
        with self._lock:
            ended = [kind for kind in ("connection", _group_kind(resource)) if self._steps.pop(kind, None)]
        for kind in ended:
            _log.info(line("trouble-over", kind=kind))

    def _sentence(self, error: EgressError, resource: Resource | None) -> str:
        if isinstance(error, NotFound) and resource and resource.group in self._advice:
            return f"the cluster knows no {resource.kind}: {self._advice[resource.group]}"
        return str(error)


def _kind(error: EgressError, resource: Resource | None) -> str:
    if isinstance(error, ConnectionFailed) or resource is None:
        return "connection"
    return _group_kind(resource)


def _group_kind(resource: Resource) -> str:
    return f"api:{resource.group or 'core'}"
