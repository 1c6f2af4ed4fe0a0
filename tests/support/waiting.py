# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Waiting for what should come about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2
"""Seconds between two looks: what is to come at once is seen at once, and what takes long costs few looks."""
SHARE_OF_PAUSES, LONGEST_RESPITE = 3, 1.0
"""A look that is work, such as a run of kubectl, is followed by a pause of so many times its length, within a second:
what is waited for wants the processor, too."""


def wait_for(what: str, check: Callable[[], T], seconds: float = 30.0, shown: Callable[[], object] | None = None) -> T:
    """The first truthy answer of ``check``; AssertionError with the last one, or ``shown``, where time is up."""
    end, pause = time.monotonic() + seconds, FIRST_PAUSE
    answer, took = _timed(check)
    while not answer:
        if time.monotonic() > end:
            seen = shown() if shown else answer
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {seen!r}")
        time.sleep(max(pause, min(SHARE_OF_PAUSES * took, LONGEST_RESPITE)))
        pause = min(pause * 1.2, LONGEST_PAUSE)
        answer, took = _timed(check)
    return answer


def _timed(check: Callable[[], T]) -> tuple[T, float]:
    began = time.monotonic()
    return check(), time.monotonic() - began
