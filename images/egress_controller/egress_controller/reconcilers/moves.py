# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Moves of egress pods from one placement to the other: one service of a cloud after another."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from egress_controller.runtime.keys import Key
from egress_controller.runtime.work_queue import WorkQueue

PATIENCE_SECONDS = 60.0
"""How long the others wait for a service that does not become ready where it has moved."""


@dataclass
class _Line:
    """Of one cloud: the service whose turn it is, and those that wait for theirs, in order."""

    moving: Key | None = None
    until: float = 0.0
    waiting: dict[Key, None] = field(default_factory=dict)


class Moves:
    """Thread-safe. ``clock`` gives seconds and never goes back."""

    def __init__(self, queue: WorkQueue[Key], clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}

    def may_move(self, uuid: str, key: Key) -> bool:
        """Whether it is the service's turn; if not, it is called when it may be."""
        with self._lock:
            line = self._lines.setdefault(uuid, _Line())
            if line.moving == key:
                return True
            now = self._clock()
            if line.moving is None or now >= line.until:
                line.moving, line.until = key, now + PATIENCE_SECONDS
                line.waiting.pop(key, None)
                return True
            line.waiting[key] = None
            self._queue.add_after(key, line.until - now)
            return False

    def ended(self, key: Key) -> str | None:
        """The service has moved, or doesn't any more: the next one may. Gives the cloud of which it was the turn."""
        with self._lock:
            for uuid, line in self._lines.items():
                line.waiting.pop(key, None)
                if line.moving == key:
                    line.moving = None
                    for following in line.waiting:
                        self._queue.add(following)
                        break
                    return uuid
        return None
