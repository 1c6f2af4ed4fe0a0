# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which addresses are locked, as far as this process knows, kept as it changes: a claim asks, and never counts."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import Callable, Iterator

from ansible_collections.avi.egress.plugins.module_utils.addresses import AddressPool
from ansible_collections.avi.egress.plugins.module_utils.leases import Draw
from ansible_collections.avi.egress.plugins.module_utils.resources import KubeObject
from kubernetes.informer import DELETED

OWN_SECONDS = 60.0
"""Longer than any watch lags; an address that came and went unseen is no longer taken for held after it."""
PATIENCE_SECONDS = 30.0
"""Longer than any request takes; what another claim has tried for so long is anybody's guess."""


class KnownLocks:
    """What the watch shows, what this process has locked and the watch has not shown yet, and what it is just trying.

    Thread-safe. Without the second, a claim that failed half-way and is repeated at once would not find what it had
    locked; without the third, all workers would try the last free addresses, each of them in vain but one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: defaultdict[str, set[str]] = defaultdict(set)
        self._own: dict[tuple[str, str], tuple[float, KubeObject]] = {}
        self._tried: set[tuple[str, str]] = set()
        self._ended = 0
        """How many tries have come to an end."""
        self._news = threading.Condition()

    def update(self, event: str, lock: KubeObject) -> None:
        """Take in what the watch shows of an EgressAddress."""
        network, address = _place(lock)
        with self._news:
            self._own.pop((network, address), None)
            if event == DELETED:
                self._shown[network].discard(address)
            else:
                self._shown[network].add(address)

    def remember(self, lock: KubeObject) -> None:
        """This process has locked it."""
        with self._news:
            if _place(lock)[1] not in self._shown[_place(lock)[0]]:
                self._own[_place(lock)] = (self._clock() + OWN_SECONDS, lock)

    def forget(self, lock: KubeObject) -> None:
        """This process has deleted it."""
        with self._news:
            self._own.pop(_place(lock), None)

    def own(self, lease: str) -> list[KubeObject]:
        """The locks of a lease that the watch has not shown yet."""
        with self._news:
            self._own = {place: entry for place, entry in self._own.items() if self._clock() < entry[0]}
            return [lock for _until, lock in self._own.values() if lock["spec"]["lease"] == lease]

    def draw(self, network: str, random_below: Callable[[int], int] = random.randrange) -> Draw:
        """Addresses that are not known to be locked, each to one claim at a time.

        Where the only ones left are being tried by others, it waits for what becomes of them: so PoolExhausted is the
        truth, and the last addresses cost one request each.
        """

        def drawn(pool: AddressPool) -> Iterator[str]:
            mine: set[str] = set()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                contested, seen = False, self._ended
                for address in pool.at_random(_Taken(self, network), random_below):
                    if address in mine:
                        continue
                    if not self._begin(network, address):
                        contested = contested or not self.holds(network, address)
                        continue
                    mine.add(address)
                    try:
                        yield address
                    finally:
                        self._end(network, address)
                if not contested or not self._wait(seen, deadline):
                    return

        return drawn

    def holds(self, network: str, address: str) -> bool:
        if address in self._shown[network]:
            return True
        entry = self._own.get((network, address))
        return entry is not None and self._clock() < entry[0]

    def _begin(self, network: str, address: str) -> bool:
        with self._news:
            if (network, address) in self._tried or self.holds(network, address):
                return False
            self._tried.add((network, address))
            return True

    def _end(self, network: str, address: str) -> None:
        with self._news:
            self._tried.discard((network, address))
            self._ended += 1
            self._news.notify_all()

    def _wait(self, seen: int, deadline: float) -> bool:
        """Until another try than those ``seen`` has come to an end; False after the deadline."""
        with self._news:
            return self._news.wait_for(lambda: self._ended != seen, max(0.0, deadline - time.monotonic()))


class _Taken:
    """The addresses of a network that are known to be locked, as they are when asked for."""

    def __init__(self, known: KnownLocks, network: str) -> None:
        self._known = known
        self._network = network

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and self._known.holds(self._network, address)


def _place(lock: KubeObject) -> tuple[str, str]:
    return str(lock["spec"]["network"]), str(lock["spec"]["address"])
