# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Host names to addresses, looked up again when their TTL ends.

The last known address stays when a look-up fails: an outage of the name server stops no traffic.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final

from egress_router.config import Resolve
from egress_router.family import Address
from egress_router.lookups import Answer, LookupFailed, Lookups

# Seconds.
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 30.0
# Each takes a descriptor for each name server.
_MOST_AT_ONCE: Final = 256

log = logging.getLogger(__name__)


@dataclass
class _Name:
    """What is known of one host name: its addresses, and the one of them in use.

    ``due``: when to ask next (monotonic seconds), None for not now. ``problem``: why the last look-up failed.
    """

    address: Address | None
    due: float | None
    addresses: tuple[Address, ...] = ()
    problem: str | None = None
    failures_in_a_row: int = 0
    failures: int = 0
    asked: bool = False


def choose(current: Address | None, answer: Answer) -> Address:
    """Stay with the current address while it is among the answers: round robin must not make flows wander."""
    return current if current in answer.addresses else answer.addresses[0]


def retry_after(failures_in_a_row: int) -> float:
    """Seconds until a failed look-up is tried again: doubling, with a cap."""
    return min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(failures_in_a_row - 1, 10))


class Resolver:
    """Keeps the addresses of some host names current, in a thread of its own."""

    def __init__(
        self, known: Mapping[str, Address | None], mode: Resolve, lookups: Lookups, on_change: Callable[[], None]
    ) -> None:
        """``known``: the names with the addresses that an earlier router of this pod found, if any.

        ``on_change`` is called in the thread whenever ``addresses`` or ``has_asked_all`` may have changed.
        """
        self._names = {name: _Name(address, due=0.0) for name, address in known.items()}
        self._mode = mode
        self._lookups = lookups
        self._on_change = on_change
        self._lock = Lock()
        self._stopping = False

    def start(self) -> None:
        """Begin; without names nothing runs."""
        if self._names:
            Thread(target=self._run, name="resolve", daemon=True).start()

    def stop(self) -> None:
        """Ask for nothing any more."""
        self._stopping = True
        self._lookups.wake()

    def addresses(self) -> dict[str, Address]:
        """The addresses in use, by name."""
        with self._lock:
            return {name: state.address for name, state in self._names.items() if state.address is not None}

    def choices(self, name: str) -> tuple[Address, ...]:
        """All addresses of a name."""
        with self._lock:
            return self._names[name].addresses

    def prefer(self, name: str, address: Address) -> None:
        """Use another of a name's addresses from now on, for as long as it is one; any thread may call this."""
        with self._lock:
            state = self._names[name]
            if address not in state.addresses or address == state.address:
                return
            before, state.address = state.address, address
        log.info("name %s changed from %s, which does not answer, to %s", name, before, address)
        self._on_change()

    def failures(self) -> dict[str, int]:
        """Failed look-ups so far, by name."""
        with self._lock:
            return {name: state.failures for name, state in self._names.items()}

    def problem(self, name: str) -> str | None:
        """Why the last look-up of a name failed, None if it didn't."""
        with self._lock:
            return self._names[name].problem

    def has_asked_all(self) -> bool:
        """Whether every name was asked for once, with or without success."""
        with self._lock:
            return all(state.asked for state in self._names.values())

    def _run(self) -> None:
        while not self._stopping:
            now = time.monotonic()
            for name, state in self._names.items():
                if state.due is not None and state.due <= now and len(self._lookups) < _MOST_AT_ONCE:
                    state.due = None
                    self._lookups.start(name)
            moments = [state.due for state in self._names.values() if state.due is not None]
            if not moments and not len(self._lookups):
                return
            is_full = len(self._lookups) >= _MOST_AT_ONCE
            seconds = None if is_full or not moments else max(0.0, min(moments) - time.monotonic())
            outcomes = self._lookups.wait(seconds)
            for name, outcome in outcomes:
                self._note(name, self._names[name], outcome)
            if outcomes:
                self._on_change()

    def _note(self, name: str, state: _Name, outcome: Answer | LookupFailed) -> None:
        if isinstance(outcome, Answer):
            self._note_answer(name, state, outcome)
        else:
            self._note_failure(name, state, str(outcome))

    def _note_answer(self, name: str, state: _Name, answer: Answer) -> None:
        before = state.address
        with self._lock:
            state.address = choose(before, answer)
            state.addresses = answer.addresses
            state.problem = None
            state.failures_in_a_row = 0
            state.asked = True
            state.due = None if self._mode is Resolve.ONCE else time.monotonic() + answer.ttl
        if state.address != before:
            log.info("resolved name=%s address=%s ttl=%.0f", name, state.address, answer.ttl)

    def _note_failure(self, name: str, state: _Name, problem: str) -> None:
        with self._lock:
            state.problem = problem
            state.failures_in_a_row += 1
            state.failures += 1
            state.asked = True
            wait = retry_after(state.failures_in_a_row) * random.uniform(0.8, 1.0)
            state.due = time.monotonic() + wait
        # The first of a row only: an outage of hours is one line, and the counter tells the rest.
        if state.failures_in_a_row == 1:
            log.warning("name %s was not resolved, keeping %s: %s", name, state.address or "no address", problem)
