# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Objects that look wrong, until they have done so for a whole grace period."""

from __future__ import annotations

import threading
import time
from typing import Callable


class Suspects:
    """What looked wrong at a first sighting, until it has done so for a whole grace period. Thread-safe."""

    def __init__(self, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[str, float]] = {}
        """By name: the resource version seen first, and when."""

    def remaining(self, name: str, version: str) -> float:
        """Seconds until this version of the suspect has been one for the whole grace period."""
        with self._lock:
            now = self._clock()
            seen, since = self._seen.get(name, (version, now))
            if seen != version or name not in self._seen:
                self._seen[name] = (version, now)
                return max(self._grace, 0.001)
            return since + self._grace - now

    def clear(self, name: str) -> None:
        with self._lock:
            self._seen.pop(name, None)
