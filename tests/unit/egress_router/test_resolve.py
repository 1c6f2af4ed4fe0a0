# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Names are followed as their TTL says, and an outage of the name server changes nothing."""

from __future__ import annotations

import threading
from ipaddress import IPv4Address
from typing import cast

import pytest
from egress_router.config import Resolve
from egress_router.lookups import Answer, LookupFailed, Lookups, Outcome
from egress_router.resolve import Resolver, choose, retry_after

ONE, TWO = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


def test_the_current_address_stays_while_it_is_an_answer() -> None:
    assert choose(TWO, Answer((ONE, TWO), 5)) == TWO
    assert choose(None, Answer((ONE, TWO), 5)) == ONE
    assert choose(TWO, Answer((ONE,), 5)) == ONE


def test_retries_double_up_to_half_a_minute() -> None:
    assert [retry_after(count) for count in (1, 2, 3, 6, 1000)] == [1, 2, 4, 30, 30]


class Changes:
    """Waits until the resolver's thread has told so many changes."""

    def __init__(self) -> None:
        self._semaphore = threading.Semaphore(0)

    def __call__(self) -> None:
        self._semaphore.release()

    def wait(self, count: int = 1) -> None:
        for _change in range(count):
            assert self._semaphore.acquire(timeout=5)


class Script:
    """Look-ups that end at once with one of the script at a time, the last for ever; None fails."""

    def __init__(self, *script: Answer | None) -> None:
        self._left = list(script)
        self._started: list[str] = []
        self._woken = threading.Event()

    def __len__(self) -> int:
        return len(self._started)

    def start(self, name: str) -> None:
        self._started.append(name)

    def wait(self, seconds: float | None) -> list[Outcome]:
        if not self._started:
            self._woken.wait(seconds)
        started, self._started = self._started, []
        return [(name, self._next() or LookupFailed("SERVFAIL")) for name in started]

    def wake(self) -> None:
        self._woken.set()

    def _next(self) -> Answer | None:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


def resolver(known: dict[str, IPv4Address | None], mode: Resolve, changes: Changes, *script: Answer | None) -> Resolver:
    return Resolver(known, mode, cast(Lookups, Script(*script)), changes)


def test_a_name_is_looked_up_again_when_its_ttl_ends() -> None:
    changes = Changes()
    made = resolver({"a": None}, Resolve.TTL, changes, Answer((ONE,), 0.01), Answer((TWO,), 60))
    made.start()
    changes.wait(2)
    assert made.addresses() == {"a": TWO}
    made.stop()


def test_once_is_once() -> None:
    changes = Changes()
    made = resolver({"a": None}, Resolve.ONCE, changes, Answer((ONE,), 0.0), Answer((TWO,), 60))
    made.start()
    changes.wait()
    with pytest.raises(AssertionError):
        changes_soon(changes)
    assert made.addresses() == {"a": ONE}


def changes_soon(changes: Changes) -> None:
    assert changes._semaphore.acquire(timeout=0.2)


def test_a_failure_keeps_the_known_address_and_is_counted() -> None:
    changes = Changes()
    made = resolver({"a": ONE, "b": None}, Resolve.TTL, changes, None)
    assert not made.has_asked_all()
    made.start()
    changes.wait()
    assert made.addresses() == {"a": ONE}
    assert (made.problem("a"), made.problem("b")) == ("SERVFAIL", "SERVFAIL")
    assert made.failures() == {"a": 1, "b": 1}
    assert made.has_asked_all()
    made.stop()


def test_without_names_everything_is_known() -> None:
    assert resolver({}, Resolve.TTL, Changes(), None).has_asked_all()


def test_another_of_a_names_addresses_stays_in_use_while_it_is_one() -> None:
    changes = Changes()
    made = resolver({"a": None}, Resolve.TTL, changes, Answer((ONE, TWO), 0.05), Answer((TWO, ONE), 0.05))
    made.start()
    changes.wait()
    assert (made.addresses(), made.choices("a")) == ({"a": ONE}, (ONE, TWO))
    made.prefer("a", IPv4Address("10.9.9.9"))
    assert made.addresses() == {"a": ONE}, "no address of that name"
    made.prefer("a", TWO)
    changes.wait(3)
    assert made.addresses() == {"a": TWO}
    made.stop()
