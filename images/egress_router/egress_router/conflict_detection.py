# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Address conflict detection: probe for EGRESS_SOURCE before it is taken, announce it, and defend it once.

RFC 5227 for IPv4; the same for IPv6, whose duplicate address detection (RFC 4862 §5.4) has no defence. A routed address
is no LAN's, so nothing is asked or said about it here.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final

from egress_router import faults
from egress_router.config import Config
from egress_router.faults import Faulty
from egress_router.lan import PROBE_WAIT, PROBES, Lan, Wait, talk_about
from egress_router.namespace import Namespace
from egress_router.neighbours import Neighbours, Role, Sighting
from egress_router.not_ready import Held, NotReady
from egress_router.uplink import Uplink

# All in seconds.
_ANNOUNCE_AFTER: Final = (0.0, 0.2, 1.0, 2.0)
_DEFEND_INTERVAL: Final = 10.0
# A waiting router asks often at first, as its predecessor is most likely just leaving, and seldom later.
_SHORTEST_WAIT: Final = 0.3
_LONGEST_WAIT: Final = 2.0

log = logging.getLogger(__name__)


class ConflictDetection:
    """What one router asks, says and hears about its address on the LAN; for one thread."""

    def __init__(self, config: Config, node: Namespace, wait: Wait, is_stopping: Callable[[], bool]) -> None:
        self._config = config
        self._node = node
        self._wait = wait
        self._is_stopping = is_stopping
        self.neighbours: Neighbours[Any] | None = None
        self.conflicts = 0
        self._announcements: list[float] = []
        self._waiting_since: float | None = None
        self._asked_at_random: dict[bytes, bool] = {}
        self._defended = -_DEFEND_INTERVAL

    def listen_on(self, uplink: Uplink) -> None:
        """Hear and speak by this uplink from now on; raise OSError."""
        if self._config.is_routed:
            return
        if self.neighbours is None or not self.neighbours.is_on(uplink.index, uplink.mac):
            if self.neighbours is not None:
                self.neighbours.close()
                self.neighbours = None
            with self._node.entered():
                self.neighbours = talk_about(self._config.source, uplink.name, uplink.index, uplink.mac)

    def make_sure(self, uplink: Uplink) -> None:
        """Raise ``NotReady`` if another station holds or claims the address, ``Faulty`` if one answers for all."""
        if self.neighbours is None:
            return
        other = self._probe(uplink, self.neighbours)
        if self._is_stopping():
            raise NotReady("stopping", 0.0)
        if other is not None:
            address, seconds = self._config.source, self._backoff()
            if other.role is Role.HOLDS:
                if self._answers_for_all(uplink, other.mac):
                    raise Faulty(faults.lan_proxy(address, other.mac))
                raise Held(f"address {address} is held by {other}; waiting", seconds, other.mac)
            raise NotReady(f"address {address} is being claimed by {other}; waiting", seconds)

    def has_heard(self) -> bool:
        """Whether another has spoken about the address since it was probed for."""
        return self.neighbours is not None and bool(list(self.neighbours.sightings()))

    def defend(self, is_away: bool) -> None:
        """Defend the address once against another that uses it; raise ``NotReady`` if it is to be given up.

        That is choice b of RFC 5227 §2.4. Who was cut off, ``is_away``, yields at once: the other has taken the address
        meanwhile, and is the one that serves.
        """
        if self.neighbours is None:
            return
        for seen in self.neighbours.sightings():
            if seen.role is Role.PROBES:
                # The pod's kernel answers.
                continue
            self.conflicts += 1
            now = time.monotonic()
            if is_away or now - self._defended < _DEFEND_INTERVAL:
                raise NotReady(f"address {self._config.source} is also used by {seen}; gave it up", self._backoff())
            self._defended = now
            self.neighbours.announce()
            log.warning("address conflict source=%s other=%s; defended once", self._config.source, seen)

    def served(self) -> None:
        """The address is served, so a time of waiting for it is over."""
        self._waiting_since = None

    def announce_from_now(self) -> None:
        """Have the address announced several times, the first time when that is next asked for."""
        now = time.monotonic()
        self._announcements = [now + after for after in _ANNOUNCE_AFTER]

    def announce_when_due(self) -> float | None:
        """Send the announcements that are due; when the next one is (monotonic seconds), if there is one."""
        now = time.monotonic()
        due = [at for at in self._announcements if at <= now]
        self._announcements = [at for at in self._announcements if at > now]
        if due and self.neighbours is not None:
            self.neighbours.announce()
        return min(self._announcements, default=None)

    def _probe(self, uplink: Uplink, neighbours: Neighbours[Any]) -> Sighting | None:
        """Another station that holds or claims the address, if there is one (RFC 5227 §2.1.1, RFC 4862 §5.4)."""
        for _stale in neighbours.sightings():
            pass
        for _number in range(PROBES):
            neighbours.probe(uplink.address)
            deadline = time.monotonic() + PROBE_WAIT * random.uniform(0.9, 1.1)
            while self._wait(deadline - time.monotonic(), neighbours):
                for seen in neighbours.sightings():
                    # Two that probe at once would defer to each other for ever: the lower MAC address goes on.
                    if seen.role is Role.HOLDS or seen.mac < uplink.mac:
                        return seen
            if self._is_stopping():
                return None
        return None

    def _answers_for_all(self, uplink: Uplink, mac: bytes) -> bool:
        """Whether the station answers for random addresses of the LAN too; asked once in a time of waiting."""
        if mac in self._asked_at_random:
            return self._asked_at_random[mac]
        network = self._config.subnet or (uplink.own.network if uplink.own is not None else None)
        found = network is not None and Lan(self._node, uplink, self._wait).proxy(network, mac) is not None
        self._asked_at_random[mac] = found
        return found

    def _backoff(self) -> float:
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
            self._asked_at_random.clear()
        steady = max(_SHORTEST_WAIT, min(_LONGEST_WAIT, (now - self._waiting_since) / 30.0))
        # Two that began together must not meet again.
        return steady * random.uniform(0.5, 1.0)
