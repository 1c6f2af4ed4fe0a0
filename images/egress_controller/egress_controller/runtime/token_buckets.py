# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Token buckets, one for each of very many things."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Callable, Generic, Hashable, TypeVar

H = TypeVar("H", bound=Hashable)

TOLERANCE_SECONDS = 1e-6
"""A timer that was set by ``wait`` may be due this much too early, as floats go."""


class TokenBuckets(Generic[H]):
    """Buckets of ``burst`` tokens, refilled at ``rate`` tokens a second; ``clock`` gives seconds. Not thread-safe.

    A full bucket needs no memory: only those are kept from which something was taken a short while ago.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate
        self._burst = burst
        self._clock = clock
        self._full_at: OrderedDict[H, float] = OrderedDict()
        """When each will be full again."""

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, of: H) -> float:
        """Seconds until there is a token."""
        seconds = self._full_at.get(of, 0.0) - self._clock() - (self._burst - 1) * self._interval
        return seconds if seconds > TOLERANCE_SECONDS else 0.0

    def take(self, of: H) -> float:
        """Take a token, lent from the future if need be; gives how many seconds ahead that is."""
        now = self._clock()
        full_at = max(self._full_at.get(of, now), now) + self._interval
        self._full_at[of] = full_at
        self._forget_full(now)
        return max(0.0, full_at - now - self._burst * self._interval)

    def _forget_full(self, now: float) -> None:
        """Two are looked at for each token taken, so that those that are full become fewer."""
        for _each in range(min(2, len(self._full_at))):
            of, full_at = self._full_at.popitem(last=False)
            if full_at > now:
                self._full_at[of] = full_at
