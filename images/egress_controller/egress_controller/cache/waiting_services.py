# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The services that wait for an address: a free one, or one within their project's quota."""

from __future__ import annotations

import threading
from collections import defaultdict

from egress_controller.runtime.keys import Key


class WaitingServices:
    """Services that got no address, to be called when that may have changed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: defaultdict[str, set[Key]] = defaultdict(set)
        """By project."""

    def add(self, key: Key) -> None:
        with self._lock:
            self._keys[key.namespace].add(key)

    def discard(self, key: Key) -> None:
        with self._lock:
            keys = self._keys[key.namespace]
            keys.discard(key)
            if not keys:
                del self._keys[key.namespace]

    def all(self) -> list[Key]:
        with self._lock:
            return [key for keys in self._keys.values() for key in keys]

    def of(self, namespace: str) -> list[Key]:
        with self._lock:
            return list(self._keys.get(namespace, ()))
