# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The names of the EgressAddresses that changed since they were last taken."""

from __future__ import annotations

import threading

KEPT_NAMES = 10_000
"""A replica that does not lead never asks."""


class ChangedLocks:
    """The names of the EgressAddresses that came, changed or went since this was last asked. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._missed = 0

    @property
    def missed(self) -> int:
        """Another number after it had to forget some, as they were not taken: look at all of them then."""
        with self._lock:
            return self._missed

    def add(self, name: str) -> None:
        with self._lock:
            self._names.add(name)
            if len(self._names) > KEPT_NAMES:
                self._names.clear()
                self._missed += 1

    def take(self) -> set[str]:
        with self._lock:
            names, self._names = self._names, set()
            return names
