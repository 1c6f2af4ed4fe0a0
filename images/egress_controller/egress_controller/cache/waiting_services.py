# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The services that wait for a free address."""

from __future__ import annotations

import threading

from egress_controller.runtime.keys import Key


class WaitingServices:
    """Services that found no free address, to be called when one comes free. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[Key] = set()

    def add(self, key: Key) -> None:
        with self._lock:
            self._keys.add(key)

    def discard(self, key: Key) -> None:
        with self._lock:
            self._keys.discard(key)

    def all(self) -> list[Key]:
        with self._lock:
            return list(self._keys)
