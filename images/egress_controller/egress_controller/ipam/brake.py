# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brake on releases: a lease is given up at the second sighting, and never too many of a network at once.

A restored backup, a wrong kubeconfig or a defect can make every service look gone at the same moment. An address that
firewalls trust is not to be lost to that: a mass release stops until an administrator confirms it, or it is no mass
any more. Pure: moments and counts in, verdicts out. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import Callable, Container

from egress_controller.runtime.keys import Key

FLOOR = 10
"""As many leases of a network may always be given up at once: a share of few is no mass."""


class Verdict(Enum):
    """Whether a lease that seems unneeded may be given up."""

    LATER = auto()
    """Seen for the first time, or too recently: look again after the grace period."""
    GO = auto()
    STOPPED = auto()
    """Too many at once."""


def limit(held: int, percent: int) -> int | None:
    """How many of the ``held`` leases of a network may be given up at once; None for any number."""
    return None if percent >= 100 else max(FLOOR, held * percent // 100)


@dataclass(frozen=True)
class _Waiting:
    """A lease that may have to go."""

    since: float
    """When it was first seen without need."""
    owner: Key
    """The service that looks at it again."""
    counts: bool
    """Whether it is part of what could be a mass."""


class Brake:
    """Remembers which leases are waiting to be given up, by network."""

    def __init__(self, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.grace_seconds = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: dict[str, dict[str, _Waiting]] = {}
        """By network and lease."""

    def ask(self, network: str, lease: str, owner: Key, recent: int, most: int | None) -> Verdict:
        """Whether a lease may be given up now.

        ``recent``: leases of the network given up a short while ago; ``most``: how many may be at once, by ``limit``.
        A lease for which there is no such limit is none of the others' mass either.
        """
        with self._lock:
            pending = self._pending.setdefault(network, {})
            since = pending[lease].since if lease in pending else self._clock()
            pending[lease] = _Waiting(since, owner, counts=most is not None)
            if self._clock() - since < self.grace_seconds:
                return Verdict.LATER
            if most is not None and sum(item.counts for item in pending.values()) + recent > most:
                return Verdict.STOPPED
            del pending[lease]
            return Verdict.GO

    def forget(self, network: str, lease: str) -> bool:
        """The lease is needed after all; whether it was waiting to be given up."""
        with self._lock:
            return self._pending.get(network, {}).pop(lease, None) is not None

    def keep(self, owner: Key, leases: Container[str]) -> None:
        """Of the service's leases, only these still wait: others were given up by somebody else."""
        with self._lock:
            for pending in self._pending.values():
                for lease in [name for name, item in pending.items() if item.owner == owner and name not in leases]:
                    del pending[lease]

    def waiting(self, network: str) -> list[Key]:
        """The services whose leases wait, each once."""
        with self._lock:
            return list(dict.fromkeys(item.owner for item in self._pending.get(network, {}).values()))

    def pending(self, network: str) -> int:
        """How many leases of a network have waited for the whole grace period and still do."""
        with self._lock:
            now = self._clock()
            waiting = self._pending.get(network, {}).values()
            return sum(item.counts and now - item.since >= self.grace_seconds for item in waiting)
