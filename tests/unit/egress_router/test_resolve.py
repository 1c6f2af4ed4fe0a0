# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Names are followed as their TTL says, and an outage of the name server changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from egress_router.config import Resolve
from egress_router.family import IPV4
from egress_router.resolve import Answer, LookupFailed, NameServer, Resolver, choose, retry_after

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


def answers(*script: Answer | None) -> Callable[[str], Answer]:
    """A look-up that gives one of the script at a time, the last for ever; None fails."""
    left = list(script)

    def look_up(_name: str) -> Answer:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            raise LookupFailed("SERVFAIL")
        return answer

    return look_up


def test_a_name_is_looked_up_again_when_its_ttl_ends() -> None:
    changes = Changes()
    resolver = Resolver({"a": None}, Resolve.TTL, answers(Answer((ONE,), 0.01), Answer((TWO,), 60)), changes)
    resolver.start()
    changes.wait(2)
    assert resolver.addresses() == {"a": TWO}
    resolver.stop()


def test_once_is_once() -> None:
    changes = Changes()
    resolver = Resolver({"a": None}, Resolve.ONCE, answers(Answer((ONE,), 0.0), Answer((TWO,), 60)), changes)
    resolver.start()
    changes.wait()
    with pytest.raises(AssertionError):
        changes_soon(changes)
    assert resolver.addresses() == {"a": ONE}


def changes_soon(changes: Changes) -> None:
    assert changes._semaphore.acquire(timeout=0.2)


def test_a_failure_keeps_the_known_address_and_is_counted() -> None:
    changes = Changes()
    resolver = Resolver({"a": ONE, "b": None}, Resolve.TTL, answers(None), changes)
    assert not resolver.has_asked_all()
    resolver.start()
    changes.wait(2)
    assert resolver.addresses() == {"a": ONE}
    assert resolver.failures() == {"a": 1, "b": 1}
    assert resolver.has_asked_all()
    resolver.stop()


def test_without_names_everything_is_known() -> None:
    assert Resolver({}, Resolve.TTL, answers(None), Changes()).has_asked_all()


def test_an_unreadable_resolv_conf_is_named() -> None:
    with pytest.raises(OSError, match=r"/nowhere/resolv\.conf"):
        NameServer("/nowhere/resolv.conf", IPV4, frozenset())
