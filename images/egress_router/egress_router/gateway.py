# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The gateway of the LAN, asked each second as EGRESS_SOURCE whether it is there.

The question keeps three things right: a node that was cut off behind a bridge or a switch finds out, the gateway
keeps the way back in mind, and the pod's kernel the way there. It is sent by the link, so its answer has come the same
way as the replies to clients.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from egress_router.family import Address
from egress_router.neighbours import Neighbours, Role

# Seconds.
INTERVAL: Final = 1.0


class Gateway:
    """One gateway as it is heard on one link."""

    def __init__(
        self, neighbours: Neighbours[Any], source: Address, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``neighbours``: the talk about the gateway's address, on the link's end in the pod."""
        self.mac: bytes | None = None
        self._neighbours = neighbours
        self._source = source
        self._clock = clock
        self._asked = -INTERVAL
        self._unanswered_since: float | None = None

    def is_on(self, index: int, mac: bytes) -> bool:
        """Whether this is about that interface with that MAC address."""
        return self._neighbours.is_on(index, mac)

    def fileno(self) -> int:
        """The descriptor on which answers come in."""
        return self._neighbours.fileno()

    def ask(self) -> None:
        """Ask, whether or not it is time: the gateway alone, as long as it answers."""
        self._asked = self._clock()
        to = self.mac if self._unanswered_since is None else None
        if self._unanswered_since is None:
            self._unanswered_since = self._asked
        self._neighbours.ask(self._source, to)

    def ask_when_due(self) -> None:
        """Hear what has come in, and ask if the last question is a second old."""
        self.listen()
        if self.next_question() <= self._clock():
            self.ask()

    def next_question(self) -> float:
        """When it is to be asked, in the clock's seconds."""
        return self._asked + INTERVAL

    def listen(self) -> bool:
        """Whether the gateway was heard since the last call; never waits."""
        heard = False
        for seen in self._neighbours.sightings():
            if seen.role is Role.HOLDS:
                self.mac, self._unanswered_since, heard = seen.mac, None, True
        return heard

    def silent_for(self) -> float:
        """Seconds since the first question without an answer; 0 if there is none."""
        return 0.0 if self._unanswered_since is None else self._clock() - self._unanswered_since

    def close(self) -> None:
        """Listen no more."""
        self._neighbours.close()
