# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How many source ports each destination takes, before there is none left.

Counting takes a dump of all connections, so it is rationed: the kernel's own count, which costs nothing, is looked at
each second, and only when it could mean that a destination's ports run out, or when somebody asks, the connections
are counted, for either reason for at most a twentieth of one processor's time.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Final

from egress_router.conntrack import Conntrack, Remote, Statistics
from egress_router.family import Address, Family

# Source NAT takes a client's port from 1024 on for another one from 1024 on.
SOURCE_PORTS: Final = 65536 - 1024
# The share of them at which a destination is told of: what is left lasts for a while.
_NEARLY_ALL: Final = 0.9
_MANY: Final = int(SOURCE_PORTS * _NEARLY_ALL)
_EACH: Final = 1.0
# A count is followed by a rest of so many times what it took.
_REST: Final = 19.0

log = logging.getLogger(__name__)


class PortUse:
    """Watches the pod's connections in a thread of its own."""

    def __init__(self, family: Family, source: Address, on_change: Callable[[], None]) -> None:
        """``on_change`` is called in the thread whenever ``used_up`` changes; raise OSError."""
        self._counted_by = Conntrack(family)
        # Its own, so that nobody who asks waits for a count.
        self._conntrack = Conntrack(family)
        self._source = source
        self._on_change = on_change
        self._stopped = Event()
        self._is_asked_for = Event()
        self._counted: Mapping[Remote, int] = {}
        # Apart, so that nobody who asks puts off what is counted to be told in time.
        self._next_for_safety = self._next_for_others = 0.0
        self._used_up: frozenset[Remote] = frozenset()

    def start(self) -> None:
        """Begin to watch."""
        Thread(target=self._run, name="port-use", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def used_up(self) -> frozenset[Remote]:
        """The destinations whose source ports run out."""
        return self._used_up

    def problem(self) -> str | None:
        """What there is to tell of the first of them."""
        for remote in sorted(self._used_up, key=str):
            return (
                f"PortsExhausted: more than {_NEARLY_ALL:.0%} of the {SOURCE_PORTS} source ports of {self._source}"
                f" are in use for {remote.address} port {remote.port}/{remote.protocol.value};"
                " reuse connections, or spread them over more services"
            )
        return None

    def statistics(self) -> Statistics:
        """The kernel's own numbers; for one thread at a time; raise OSError."""
        return self._conntrack.statistics()

    def by_remote(self) -> Mapping[Remote, int]:
        """Source ports in use, as last counted; another count follows, as soon as the ration has one."""
        self._is_asked_for.set()
        return self._counted

    def _run(self) -> None:
        counts = True
        while not self._stopped.wait(_EACH):
            try:
                self._look()
            except OSError as error:  # such as a lack of memory, which passes
                if counts:
                    log.warning("connections can't be counted: %s", error)
                counts = False
            else:
                counts = True

    def _look(self) -> None:
        is_near = self._counted_by.entries() >= _MANY
        if is_near and time.monotonic() >= self._next_for_safety:
            self._next_for_safety = self._count()
        elif self._is_asked_for.is_set() and time.monotonic() >= self._next_for_others:
            self._is_asked_for.clear()
            self._next_for_others = self._count()
        counted = self._counted.items() if is_near else ()
        before, self._used_up = self._used_up, frozenset(remote for remote, count in counted if count >= _MANY)
        if before != self._used_up:
            log.warning("%s", self.problem() or "source ports are free again")
            self._on_change()

    def _count(self) -> float:
        """When the next one may be made for the same reason."""
        start = time.monotonic()
        self._counted = Counter(connection.remote for connection in self._counted_by.connections())
        now = time.monotonic()
        return now + max(_EACH, _REST * (now - start))
