# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Another host has the address: that is told once, by the router's last words.

The pod has no way to the API server. But the kubelet reads what a container leaves in its termination log when it
ends, and shows it in the pod's status, which the controller watches. So the router ends, once, and is started anew at
once; as it had no address, nothing is lost. A mark in the pod's network namespace, which outlives the container, has
the next one wait in silence: a router that ended again and again would be held back by the kubelet, longer each time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from egress_router.family import Address

# Seconds. A predecessor is gone within the 5 s that its pod has to end; its successor must not complain of it.
PATIENCE: Final = 20.0
# Kubernetes' default for terminationMessagePath. The kubelet makes the file; elsewhere there is none.
TERMINATION_LOG: Final = Path("/dev/termination-log")

log = logging.getLogger(__name__)


class ConflictTold(Exception):
    """The router has to end now, so that what it left is read. The text is what it left."""


class Mark(Protocol):
    """What is there or not, and outlives the router."""

    def is_set(self) -> bool:
        """Whether it is there."""

    def set(self) -> None:
        """Put it there; raise OSError."""

    def remove(self) -> None:
        """Take it away, if it is there; raise OSError."""


class Conflict:
    """How long another host has had the address without a break, and whether that has been told."""

    def __init__(
        self,
        source: Address,
        termination_log: Path,
        patience: float,
        told: Mark,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``patience``: seconds for which another host may have the address before it is told."""
        self._source = source
        self._log = termination_log
        self._patience = patience
        self._mark = told
        self._clock = clock
        self._since: float | None = None
        self._told = told.is_set()

    def held_by(self, mac: bytes) -> None:
        """The host with this MAC address has the address now; raise ``ConflictTold`` if that is to be told."""
        now = self._clock()
        if self._since is None:
            self._since = now
        if not self._told and now - self._since >= self._patience:
            self._told = True
            self._tell(message(self._source, mac))

    def not_held(self) -> None:
        """Whatever keeps the router from its address now, it is not another host."""
        self._since = None

    def over(self) -> None:
        """The address is this router's; should another host take it, that is to be told again; raise OSError."""
        self._since = None
        if self._told:
            self._mark.remove()
            self._told = False

    def _tell(self, words: str) -> None:
        try:
            # Never made here: without a kubelet nobody would read it, nor start the router anew.
            with self._log.open("r+", encoding="ascii") as file:
                # Before the words: a router that told twice would do harm, one that doesn't only waits.
                self._mark.set()
                file.write(words)
        except OSError as error:
            log.warning("%s; the cluster can't be told: %s", words, error)
        else:
            raise ConflictTold(words)


def message(source: Address, mac: bytes) -> str:
    """The termination message; the controller parses exactly this."""
    return f"conflict address={source} held-by={mac.hex(':')}"
