# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Waiting for what should happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class HasLog(Protocol):
    """What can tell why something didn't happen."""

    log: list[str]


def wait_until(condition: Callable[[], bool], timeout: float, what: str, router: HasLog | None = None) -> float:
    """Seconds until the condition held; fail after ``timeout``."""
    start = time.monotonic()
    while not condition():
        log = "" if router is None else "\n" + "\n".join(router.log)
        assert time.monotonic() - start < timeout, f"not within {timeout} s: {what}{log}"
        time.sleep(0.02)
    return time.monotonic() - start
