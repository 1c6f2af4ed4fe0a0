# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A keyed work queue, after client-go's ``util/workqueue``.

A key is in it once however often it is added; a key that is being worked on is handed out again only when that is
done; failing keys come back later and later. Beyond client-go's, nobody is delayed by another's abuse: keys belong to
shares, which take turns, and each share's failing keys together come back not faster than a bucket allows; a key that
is added without end is handed out a few times a second. And what changes needs not wait until all there is has been
looked at: a key may be added behind the others (controller-runtime's priority queue).
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable, Generic, Hashable, TypeVar

from egress_controller.runtime.fair_order import FairOrder
from egress_controller.runtime.token_buckets import TokenBuckets

K = TypeVar("K", bound=Hashable)

BASE_DELAY_SECONDS = 0.01
MAX_DELAY_SECONDS = 60.0
RETRIES_PER_SECOND = 50.0
RETRY_BURST = 100
"""Of the failing keys of one share."""
PASSES_PER_SECOND = 2.0
PASS_BURST = 30
"""Of one key: more than anything takes that goes through all of its states at once."""
TURN_OF_THOSE_BEHIND = 4
"""As long as there are any, each fourth key that is handed out is one of them: nothing keeps them waiting for ever."""


def one_share(key: Hashable) -> Hashable:
    """The share of each key where all are of one."""
    return None


class WorkQueue(Generic[K]):
    """Thread-safe. ``clock`` gives seconds and never goes back; ``share_of`` tells in whose turn a key is given."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, share_of: Callable[[K], Hashable] = one_share
    ) -> None:
        self._clock = clock
        self._share_of = share_of
        self._changed = threading.Condition()
        self._ready, self._behind = FairOrder(share_of), FairOrder(share_of)
        self._is_behind: set[K] = set()
        """Dirty keys that go behind the others."""
        self._turns = itertools.count(1)
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._paced: list[tuple[float, int, K]] = []
        """Dirty keys that were handed out too often, and when they may be again."""
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._retries: TokenBuckets[Hashable] = TokenBuckets(RETRIES_PER_SECOND, RETRY_BURST, clock)
        self._passes: TokenBuckets[K] = TokenBuckets(PASSES_PER_SECOND, PASS_BURST, clock)
        self._shut = False

    def add(self, key: K) -> None:
        """Have the key worked on; once, if it is waiting already; once more, if it is being worked on."""
        with self._changed:
            self._add(key)

    def add_behind(self, key: K) -> None:
        """As ``add``, but whatever is added by that comes first."""
        with self._changed:
            if key not in self._dirty:
                self._is_behind.add(key)
                self._add(key)

    def put_behind(self) -> None:
        """Have all that wait now wait behind what is added from now on."""
        with self._changed:
            while self._ready:
                key = self._ready.popleft()
                self._is_behind.add(key)
                self._behind.append(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key later; of several times the earliest counts."""
        with self._changed:
            due = self._clock() + max(0.0, seconds)
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                heapq.heappush(self._timers, (due, next(self._order), key))
                self._changed.notify()

    def retry(self, key: K, longest: float = MAX_DELAY_SECONDS) -> float:
        """Add a key that failed again after its backoff, which doubles up to ``longest``; gives the delay."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            backoff = min(longest, BASE_DELAY_SECONDS * 2.0 ** min(failures, 30))
            delay = max(backoff, self._retries.take(self._share_of(key)))
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key did well: its next failure starts with the shortest delay."""
        with self._changed:
            self._failures.pop(key, None)

    def get(self, timeout: float | None = None) -> K | None:
        """The next key, to be given back by ``done``; None when the queue is shut, or nothing came in time."""
        end = None if timeout is None else self._clock() + timeout
        with self._changed:
            while not self._shut:
                self._collect_due()
                if (key := self._next()) is not None:
                    self._dirty.discard(key)
                    self._working.add(key)
                    self._passes.take(key)
                    return key
                waiting = self._until(end)
                if waiting is not None and waiting <= 0:
                    return None
                self._changed.wait(self._pause(waiting))
            return None

    def done(self, key: K) -> None:
        with self._changed:
            self._working.discard(key)
            if key in self._dirty:
                self._put(key)

    def shut_down(self) -> None:
        """Wake every ``get``; no key is handed out any more."""
        with self._changed:
            self._shut = True
            self._changed.notify_all()

    @property
    def depth(self) -> int:
        """How many keys wait to be worked on."""
        with self._changed:
            return len(self._dirty)

    def _add(self, key: K) -> None:
        if key in self._dirty:
            self._move_up(key)
            return
        self._dirty.add(key)
        if key not in self._working:
            self._put(key)

    def _put(self, key: K) -> None:
        """To be handed out as soon as its pace allows."""
        if wait := self._passes.wait(key):
            self._is_behind.discard(key)
            heapq.heappush(self._paced, (self._clock() + wait, next(self._order), key))
        else:
            (self._behind if key in self._is_behind else self._ready).append(key)
        self._changed.notify()

    def _move_up(self, key: K) -> None:
        """A dirty key is added again: it goes behind the others no longer."""
        if key in self._is_behind:
            self._is_behind.discard(key)
            if key not in self._working:
                self._behind.remove(key)
                self._ready.append(key)

    def _next(self) -> K | None:
        lanes = (self._ready, self._behind)
        for lane in lanes if next(self._turns) % TURN_OF_THOSE_BEHIND else reversed(lanes):
            if lane:
                key = lane.popleft()
                self._is_behind.discard(key)
                return key
        return None

    def _collect_due(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            due, _order, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self._add(key)
        while self._paced and self._paced[0][0] <= now:
            self._ready.append(heapq.heappop(self._paced)[2])

    def _until(self, end: float | None) -> float | None:
        return None if end is None else end - self._clock()

    def _pause(self, waiting: float | None) -> float | None:
        """How long to sleep: until the next timer, or the caller's patience ends."""
        timers = [queue[0][0] - self._clock() for queue in (self._timers, self._paced) if queue]
        pauses = [max(0.0, pause) for pause in (waiting, *timers) if pause is not None]
        return min(pauses) if pauses else None
