# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Why a router doesn't serve yet, where waiting is all that there is to do."""

from __future__ import annotations


class NotReady(Exception):
    """The router can't serve now: the text says why, ``retry`` is in seconds."""

    def __init__(self, reason: str, retry: float) -> None:
        super().__init__(reason)
        self.retry = retry


class Held(NotReady):
    """Another host has the address; ``mac`` is its six bytes."""

    def __init__(self, reason: str, retry: float, mac: bytes) -> None:
        super().__init__(reason, retry)
        self.mac = mac
