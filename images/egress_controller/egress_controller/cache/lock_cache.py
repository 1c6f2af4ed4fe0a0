# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Cache of the locked addresses, watched and assumed (kube-scheduler's word): a claim asks it, and never counts."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import Callable, Iterator

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.address_pool import AddressPool
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Draw
from kubernetes.informer import DELETED

ASSUMED_SECONDS = 60.0
"""Longer than any watch lags; an address that came and went unseen is no longer taken for held after it."""
PATIENCE_SECONDS = 30.0
"""Longer than any request takes; what another claim has tried for so long is anybody's guess."""
CAUTION = 4
"""No more than one in so many free addresses is tried at once: another process may be trying as many."""


class LockCache:
    """What the watch shows, what this process has locked or met before the watch shows it, and what it is just trying.

    Thread-safe. Without the second, a claim that failed half-way and is repeated at once would not find what it had
    locked, and what one worker has lost to another process all others would lose again; without the third, all workers
    would try the last free addresses, each of them in vain but one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._watched: defaultdict[str, set[str]] = defaultdict(set)
        self._assumed: defaultdict[str, dict[str, tuple[float, KubeObject]]] = defaultdict(dict)
        self._tried: defaultdict[str, set[str]] = defaultdict(set)
        self._ended = 0
        """How many tries have come to an end."""
        self._deletions = 0
        self._news = threading.Condition()

    @property
    def deletions(self) -> int:
        """How many deletions the watch has shown."""
        with self._news:
            return self._deletions

    def update(self, event: str, lock: KubeObject) -> None:
        """Take in what the watch shows of an EgressAddress."""
        network, address = _place(lock)
        with self._news:
            self._assumed[network].pop(address, None)
            if event == DELETED:
                self._deletions += 1
                self._watched[network].discard(address)
            else:
                self._watched[network].add(address)

    def assume(self, lock: KubeObject) -> None:
        """This process has locked it."""
        with self._news:
            self._keep(lock)

    def observe(self, lock: KubeObject, deletions: int) -> None:
        """The server had it when asked, and the watch had shown so many ``deletions`` before that.

        Another process has won it, for instance: no claim of this one shall try it too before the watch shows it. If
        something was deleted meanwhile, it may have been this, and nothing is learnt: a try more costs a request, a
        free address that is taken for held may cost PoolExhausted.
        """
        with self._news:
            if self._deletions == deletions:
                self._keep(lock)

    def forget(self, lock: KubeObject) -> None:
        """This process has deleted it."""
        network, address = _place(lock)
        with self._news:
            self._assumed[network].pop(address, None)

    def assumed(self, lease: str) -> list[KubeObject]:
        """The locks of a lease that the watch has not shown yet."""
        with self._news:
            networks = list(self._assumed.values())  # A copy: ``holds`` may add a network at any time.
            for entries in networks:
                for address in [address for address, entry in entries.items() if self._clock() >= entry[0]]:
                    del entries[address]
            found = (lock for entries in networks for _until, lock in entries.values())
            return [lock for lock in found if lock["spec"]["lease"] == lease]

    def draw(self, network: str, random_below: Callable[[int], int] = random.randrange) -> Draw:
        """Addresses that are not known to be locked, each to one claim at a time.

        Where the only ones left are being tried by others, it waits for what becomes of them: so PoolExhausted is the
        truth, and the last addresses cost one request each. Where few are left, it waits for its turn too: if all
        claims tried theirs at once, and those of other processes as well, most would meet another's lock.
        """

        def drawn(pool: AddressPool) -> Iterator[str]:
            mine: set[str] = set()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                contested, seen = False, self._ended
                for address in pool.at_random(_Taken(self, network), random_below):
                    if address in mine:
                        continue
                    if not self._begin(network, address, pool.size, deadline):
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
        if address in self._watched[network]:
            return True
        entry = self._assumed[network].get(address)
        return entry is not None and self._clock() < entry[0]

    def _keep(self, lock: KubeObject) -> None:
        network, address = _place(lock)
        if address not in self._watched[network]:
            self._assumed[network][address] = (self._clock() + ASSUMED_SECONDS, lock)

    def _begin(self, network: str, address: str, size: int, deadline: float) -> bool:
        """Whether a claim may try an address, when its turn has come; after the deadline it is its turn anyway."""
        tried = self._tried[network]
        with self._news:
            self._news.wait_for(lambda: len(tried) < self._at_once(network, size), _until(deadline))
            if address in tried or self.holds(network, address):
                return False
            tried.add(address)
            return True

    def _at_once(self, network: str, size: int) -> int:
        """How many tries a pool of that size bears; fewer than it could where some are held outside of the pool."""
        free = size - len(self._watched[network]) - len(self._assumed[network])
        return max(1, free // CAUTION)

    def _end(self, network: str, address: str) -> None:
        with self._news:
            self._tried[network].discard(address)
            self._ended += 1
            self._news.notify_all()

    def _wait(self, seen: int, deadline: float) -> bool:
        """Until another try than those ``seen`` has come to an end; False after the deadline."""
        with self._news:
            return self._news.wait_for(lambda: self._ended != seen, _until(deadline))


class _Taken:
    """The addresses of a network that are known to be locked, as they are when asked for."""

    def __init__(self, known: LockCache, network: str) -> None:
        self._known = known
        self._network = network

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and self._known.holds(self._network, address)


def _until(deadline: float) -> float:
    """The seconds that are left."""
    return max(0.0, deadline - time.monotonic())


def _place(lock: KubeObject) -> tuple[str, str]:
    return str(lock["spec"]["network"]), str(lock["spec"]["address"])
