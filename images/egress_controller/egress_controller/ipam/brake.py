# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brake on releases: a lease is given up at the second sighting, and never too many at once.

A restored backup, a wrong kubeconfig or a defect can make every service look gone at the same moment. An address that
firewalls trust is not to be lost to that: a mass release stops until an administrator confirms it, or it is no mass
any more. What one project does holds its own releases alone. Pure: moments and counts in, verdicts out. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Callable, Collection, Container, Mapping

from egress_controller.runtime.keys import Key

FLOOR = 10
"""As many leases of a project may always be given up at once: a share of few is no mass."""


class Verdict(Enum):
    """Whether a lease that seems unneeded may be given up."""

    LATER = auto()
    """Seen for the first time, or too recently: look again after the grace period."""
    GO = auto()
    STOPPED = auto()
    """Too many at once."""


@dataclass(frozen=True)
class Figures:
    """What a network's leases show; each count is by project."""

    percent: int
    """Of the leases held, how many may be given up at once; less than 100."""
    held: Mapping[str, int]
    """Those given up a short while ago included."""
    recent: Mapping[str, int]
    """Given up a short while ago."""
    orphaned: Mapping[str, int] = field(default_factory=dict)
    """Which no Service asks for, whether that was looked at or not: in a long queue, a mass comes one by one."""

    def lost(self, waiting: Mapping[str, int]) -> Counter[str]:
        """How many are lost at once, those that wait to be given up among them."""
        return (Counter(waiting) | Counter(self.orphaned)) + Counter(self.recent)


def limit(held: int, percent: int) -> int:
    """How many of the ``held`` leases may be given up at once."""
    return max(FLOOR, held * percent // 100)


def stopped(waiting: Mapping[str, int], figures: Figures) -> Collection[str]:
    """The projects whose releases are stopped, by how many leases of each wait to be given up.

    A project that loses too many is stopped by itself, and counts for nobody else. All are stopped where the others
    together lose too many of theirs: but for the one that loses the most, for no single project can hold the others.
    """
    gone = figures.lost(waiting)
    masses = {project for project in waiting if gone[project] > limit(figures.held.get(project, 0), figures.percent)}
    others = sorted((gone[project], figures.held.get(project, 0)) for project in {*gone, *figures.held} - masses)[:-1]
    lost, held = sum(loss for loss, _held in others), sum(held for _loss, held in others)
    return set(waiting) if lost > limit(held, figures.percent) else masses


@dataclass(frozen=True)
class _Waiting:
    """A lease that may have to go."""

    since: float
    """When it was first seen without need."""
    owner: Key
    """The service that looks at it again."""
    counts: bool
    """Whether it is part of what could be a mass."""


def most(projects: Collection[str], waiting: Mapping[str, int], figures: Figures) -> int:
    """How many leases of those projects, which are stopped, might have been given up at once."""
    limits = {project: limit(figures.held.get(project, 0), figures.percent) for project in projects}
    gone = figures.lost(waiting)
    if all(gone[project] > limits[project] for project in projects):
        return sum(limits.values())
    return limit(sum(figures.held.get(project, 0) for project in projects), figures.percent)


class Brake:
    """Remembers which leases are waiting to be given up, by network."""

    def __init__(self, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.grace_seconds = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: dict[str, dict[str, _Waiting]] = {}
        """By network and lease."""
        self._stopped: dict[str, Collection[str]] = {}
        """The projects that are known to be stopped, by network: each of their leases is answered without counting."""

    def ask(self, network: str, lease: str, owner: Key, figures: Callable[[], Figures] | None) -> Verdict:
        """Whether a lease may be given up now; of its owner, the namespace is the project.

        ``figures`` is asked only where they decide; None for a lease that no limit holds, which is none of the others'
        mass either.
        """
        with self._lock:
            pending = self._pending.setdefault(network, {})
            since = pending[lease].since if lease in pending else self._clock()
            pending[lease] = _Waiting(since, owner, counts=figures is not None)
            if self._clock() - since < self.grace_seconds:
                return Verdict.LATER
            if figures is not None and self._is_stopped(network, owner.namespace, figures):
                return Verdict.STOPPED
            del pending[lease]
            return Verdict.GO

    def review(self, network: str, figures: Figures | None) -> list[Key]:
        """Count anew; the services of those projects that are stopped no longer. No figures: nothing is stopped."""
        with self._lock:
            former = self._stopped.pop(network, ())
            now = stopped(self._count(network, 0.0), figures) if figures else ()
            if now:
                self._stopped[network] = now
            waiting = self._pending.get(network, {}).values()
            freed = (item.owner for item in waiting if item.owner.namespace in former)
            return list(dict.fromkeys(owner for owner in freed if owner.namespace not in now))

    def waits(self, network: str) -> bool:
        """Whether a lease of a network is waiting to be given up."""
        with self._lock:
            return bool(self._pending.get(network))

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

    def pending(self, network: str) -> Mapping[str, int]:
        """By project, how many leases of a network have waited for the whole grace period and still do."""
        with self._lock:
            return self._count(network, self.grace_seconds)

    def _is_stopped(self, network: str, project: str, figures: Callable[[], Figures]) -> bool:
        if project not in self._stopped.get(network, ()):
            found = stopped(self._count(network, 0.0), figures())
            if project not in found:
                return False
            self._stopped[network] = found
        return True

    def _count(self, network: str, seconds: float) -> Mapping[str, int]:
        now = self._clock()
        waiting = self._pending.get(network, {}).values()
        return Counter(item.owner.namespace for item in waiting if item.counts and now - item.since >= seconds)
