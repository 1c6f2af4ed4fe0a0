# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Host names to addresses, looked up again when their TTL ends.

The last known address stays when a look-up fails: an outage of the name server stops no traffic.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Event, Lock, Thread
from typing import Final

import dns.exception
import dns.resolver

from egress_router.config import Resolve, is_usable
from egress_router.family import Address, Family

# Seconds. A TTL of 0 must not become a busy loop; a look-up must not hold up the others for long.
_SHORTEST_TTL: Final = 1.0
_LOOKUP_LIFETIME: Final = 3.0
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 30.0

log = logging.getLogger(__name__)


class LookupFailed(Exception):
    """A name has no usable address now; the text says why."""


@dataclass(frozen=True)
class Answer:
    """Addresses in the order of the name server's answer, never empty; ``ttl`` in seconds."""

    addresses: tuple[Address, ...]
    ttl: float


@dataclass
class _Name:
    """What is known of one host name. ``due``: when to ask next (monotonic seconds), None for never again."""

    address: Address | None
    due: float | None
    failures_in_a_row: int = 0
    failures: int = 0
    asked: bool = False


def choose(current: Address | None, answer: Answer) -> Address:
    """Stay with the current address while it is among the answers: round robin must not make flows wander."""
    return current if current in answer.addresses else answer.addresses[0]


def retry_after(failures_in_a_row: int) -> float:
    """Seconds until a failed look-up is tried again: doubling, with a cap."""
    return min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(failures_in_a_row - 1, 10))


class NameServer:
    """The name servers and search domains of a resolv.conf file."""

    def __init__(self, resolv_conf: str, family: Family, forbidden: frozenset[Address]) -> None:
        """Raise OSError.

        ``family``: of the addresses to look for; ``forbidden``: those that no name may stand for (the router's own).
        """
        try:
            self._resolver = dns.resolver.Resolver(resolv_conf)
        except dns.exception.DNSException as error:
            raise OSError(f"cannot use {resolv_conf}: {error}") from error
        self._family = family
        self._forbidden = forbidden

    def look_up(self, name: str) -> Answer:
        """The addresses of ``name``, with the smallest TTL on the way to them; raise LookupFailed."""
        try:
            found = self._resolver.resolve(name, self._family.record, search=True, lifetime=_LOOKUP_LIFETIME)
        except dns.exception.DNSException as error:
            raise LookupFailed(" ".join(str(error).split())) from error
        addresses = tuple(ip_address(record.address) for record in found)
        usable = tuple(address for address in addresses if is_usable(address) and address not in self._forbidden)
        if not usable:
            raise LookupFailed(f"its addresses {', '.join(map(str, addresses))} can't be a destination")
        return Answer(usable, max(_SHORTEST_TTL, found.expiration - time.time()))


class Resolver:
    """Keeps the addresses of some host names current, in a thread of its own."""

    def __init__(
        self,
        known: dict[str, Address | None],
        mode: Resolve,
        look_up: Callable[[str], Answer],
        on_change: Callable[[], None],
    ) -> None:
        """``known``: the names with the addresses that an earlier router of this pod found, if any.

        ``on_change`` is called in the thread whenever ``addresses`` or ``has_asked_all`` may have changed.
        """
        self._names = {name: _Name(address, due=0.0) for name, address in known.items()}
        self._mode = mode
        self._look_up = look_up
        self._on_change = on_change
        self._lock = Lock()
        self._stopped = Event()

    def start(self) -> None:
        """Begin; without names nothing runs."""
        if self._names:
            Thread(target=self._run, name="resolve", daemon=True).start()

    def stop(self) -> None:
        """Ask for nothing any more."""
        self._stopped.set()

    def addresses(self) -> dict[str, Address]:
        """What is known, by name."""
        with self._lock:
            return {name: state.address for name, state in self._names.items() if state.address is not None}

    def failures(self) -> dict[str, int]:
        """Failed look-ups so far, by name."""
        with self._lock:
            return {name: state.failures for name, state in self._names.items()}

    def has_asked_all(self) -> bool:
        """Whether every name was asked for once, with or without success."""
        with self._lock:
            return all(state.asked for state in self._names.values())

    def _run(self) -> None:
        while not self._stopped.is_set():
            now = time.monotonic()
            for name, state in self._names.items():
                if state.due is not None and state.due <= now:
                    self._ask(name, state)
            pending = [state.due for state in self._names.values() if state.due is not None]
            if not pending:
                return
            self._stopped.wait(max(0.0, min(pending) - time.monotonic()))

    def _ask(self, name: str, state: _Name) -> None:
        try:
            answer = self._look_up(name)
        except LookupFailed as error:
            self._note_failure(name, state, error)
        else:
            self._note_answer(name, state, answer)
        self._on_change()

    def _note_answer(self, name: str, state: _Name, answer: Answer) -> None:
        before = state.address
        with self._lock:
            state.address = choose(before, answer)
            state.failures_in_a_row = 0
            state.asked = True
            state.due = None if self._mode is Resolve.ONCE else time.monotonic() + answer.ttl
        if state.address != before:
            log.info("resolved name=%s address=%s ttl=%.0f", name, state.address, answer.ttl)

    def _note_failure(self, name: str, state: _Name, error: LookupFailed) -> None:
        with self._lock:
            state.failures_in_a_row += 1
            state.failures += 1
            state.asked = True
            wait = retry_after(state.failures_in_a_row) * random.uniform(0.8, 1.0)
            state.due = time.monotonic() + wait
        # The first of a row only: an outage of hours is one line, and the counter tells the rest.
        if state.failures_in_a_row == 1:
            log.warning("name %s was not resolved, keeping %s: %s", name, state.address or "no address", error)
