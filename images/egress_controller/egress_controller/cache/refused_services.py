# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The services whose pods the API server refuses, and when each is tried again.

Kubernetes' own controllers wait the longer, the oftener they were refused, for a quarter of an hour at most. A service
is tried at once when something changes that may have been the cause, and for causes that nobody watches now and then.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Callable

from egress_controller.runtime.keys import Key

FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 60.0
SHORTEST_PAUSE_SECONDS = 1.0
"""Between two tries, however often causes change: a quota's figures follow each pod of its project."""


@dataclass(frozen=True)
class Attempt:
    """Whether to try now, and in how many seconds to look again."""

    is_due: bool
    again: float
    lasted: float
    """Seconds since it was refused first."""


@dataclass
class _Schedule:
    since: float
    tried: float
    due: float
    pause: float = FIRST_RETRY_SECONDS


class RefusedServices:
    """Thread-safe. ``clock`` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._schedules: defaultdict[str, dict[Key, _Schedule]] = defaultdict(dict)
        """By project."""

    def refused(self, key: Key) -> Attempt:
        """The service's pods are refused: whether it is time to try again, which counts as tried."""
        with self._lock:
            now = self._clock()
            schedule = self._schedules[key.namespace].setdefault(key, _Schedule(now, now, now + FIRST_RETRY_SECONDS))
            is_due = now >= schedule.due
            if is_due:
                schedule.pause = min(2 * schedule.pause, LONGEST_RETRY_SECONDS)
                schedule.tried, schedule.due = now, now + schedule.pause
            return Attempt(is_due, schedule.due - now, now - schedule.since)

    def forget(self, key: Key) -> None:
        """Nothing refuses them any more."""
        with self._lock:
            if key.namespace in self._schedules:
                self._schedules[key.namespace].pop(key, None)
                if not self._schedules[key.namespace]:
                    del self._schedules[key.namespace]

    def cause_changed(self, namespace: str | None = None) -> list[Key]:
        """The services to look at now that what may refuse pods of a project (None: of any) has changed."""
        with self._lock:
            namespaces = list(self._schedules) if namespace is None else [namespace]
            changed = [item for project in namespaces for item in self._schedules.get(project, {}).items()]
            for _key, schedule in changed:
                schedule.pause = FIRST_RETRY_SECONDS / 2  # Doubled when it is tried.
                schedule.due = min(schedule.due, max(self._clock(), schedule.tried + SHORTEST_PAUSE_SECONDS))
            return [key for key, _schedule in changed]
