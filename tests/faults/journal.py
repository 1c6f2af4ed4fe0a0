# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How often what was asked for, and what became of it."""

from __future__ import annotations

import re
import threading
from collections import Counter

from tests.faults.requests import ApiRequest


class Journal:
    """Counts requests as they arrive, so that a client that has its answer is counted. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[ApiRequest, str | None]] = Counter()

    def add(self, request: ApiRequest, fault: str | None) -> None:
        with self._lock:
            self._counts[request, fault] += 1

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()

    def count(self, verb: str | None = None, path: str = "", fault: str | None = None) -> int:
        """How many requests: of a verb, with this regular expression in their path, with this fault; all by default."""
        with self._lock:
            items = list(self._counts.items())
        return sum(
            number
            for (request, met), number in items
            if verb in (None, request.verb) and fault in (None, met) and re.search(path, request.path)
        )

    def requests(self) -> dict[tuple[str, str], int]:
        """By verb and path."""
        found: Counter[tuple[str, str]] = Counter()
        with self._lock:
            for (request, _fault), number in self._counts.items():
                found[request.verb, request.path] += number
        return dict(found)

    def faults(self) -> dict[str, int]:
        """By name; requests that nothing happened to are left out."""
        found: Counter[str] = Counter()
        with self._lock:
            for (_request, fault), number in self._counts.items():
                if fault is not None:
                    found[fault] += number
        return dict(found)
