# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Claims of one process don't get in each other's way, and none is told that all is taken while that is open."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from egress_controller.cache import lock_cache
from egress_controller.cache.lock_cache import ASSUMED_SECONDS, CAUTION, LockCache

from tests.unit.egress_controller.clock import Clock
from tests.unit.egress_controller.fakes import lock, network

POOL = read_network(network("10.70.112.0/29")).pool
ALL = [f"10.70.112.{last}" for last in range(1, 7)]


def drawn(known: LockCache, start: int = 0) -> Iterator[str]:
    return known.draw("dmz", lambda _size: start)(POOL)


def test_what_the_watch_shows_and_what_was_just_locked_is_passed_over() -> None:
    known = LockCache()
    known.update("ADDED", lock(ALL[0]))
    known.assume(lock(ALL[1]))
    assert list(drawn(known)) == ALL[2:]
    assert list(drawn(known, 4)) == [*ALL[4:], *ALL[2:4]]
    known.update("ADDED", lock(ALL[1]))
    known.update("DELETED", lock(ALL[0]))
    assert list(drawn(known)) == [ALL[0], *ALL[2:]]


def test_another_networks_addresses_are_another_matter() -> None:
    known = LockCache()
    other = lock(ALL[0])
    other["spec"] = {**other["spec"], "network": "other"}
    known.update("ADDED", other)
    assert list(drawn(known)) == ALL


def test_what_was_locked_and_never_shown_is_free_again_after_a_while() -> None:
    clock = Clock()
    known = LockCache(clock)
    known.assume(lock(ALL[0]))
    assert [item["spec"]["address"] for item in known.assumed("dmz.green.web.0")] == ALL[:1]
    clock.advance(ASSUMED_SECONDS)
    assert known.assumed("dmz.green.web.0") == []
    assert list(drawn(known)) == ALL


def test_what_this_process_deleted_is_free() -> None:
    known = LockCache()
    known.assume(lock(ALL[0]))
    known.forget(lock(ALL[0]))
    assert list(drawn(known)) == ALL


def test_what_another_process_was_met_with_is_held_until_the_watch_tells() -> None:
    known = LockCache()
    known.observe(lock(ALL[0]), known.deletions)
    assert list(drawn(known)) == ALL[1:]
    known.update("DELETED", lock(ALL[0]))
    assert list(drawn(known)) == ALL


def test_what_was_met_before_a_deletion_that_the_watch_has_shown_since_may_be_free() -> None:
    known = LockCache()
    before = known.deletions
    known.update("ADDED", lock(ALL[0]))
    known.update("DELETED", lock(ALL[0]))
    known.observe(lock(ALL[0]), before)
    assert list(drawn(known)) == ALL


def all_but_the_last() -> LockCache:
    known = LockCache()
    for address in ALL[:-1]:
        known.update("ADDED", lock(address))
    return known


def test_the_last_address_is_waited_for_while_another_claim_tries_it_and_had_if_that_fails() -> None:
    known = all_but_the_last()
    other = drawn(known)
    assert next(other) == ALL[-1]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, drawn(known), None)
        assert not waiting.done()
        other.close()  # type: ignore[attr-defined]  # a generator: as when its claim ends
        assert waiting.result(10) == ALL[-1]


def test_the_last_address_is_gone_when_the_claim_that_tried_it_has_it() -> None:
    known = all_but_the_last()
    other = drawn(known)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, drawn(known), None) if next(other) == ALL[-1] else None
        assert waiting
        known.assume(lock(ALL[-1]))
        other.close()  # type: ignore[attr-defined]
        assert waiting.result(10) is None


def test_few_of_the_last_addresses_are_tried_at_once_and_each_claim_has_its_turn() -> None:
    pool = read_network(network("10.70.112.0/28")).pool
    known, start, counting = LockCache(), threading.Barrier(8), threading.Lock()
    trying, most = 0, 0

    def claim(_number: int) -> str | None:
        nonlocal trying, most
        start.wait()
        for address in known.draw("dmz")(pool):
            with counting:
                trying += 1
                most = max(most, trying)
            time.sleep(0.01)  # What the request takes.
            with counting:
                trying -= 1
            known.assume(lock(address))
            return address
        return None

    with ThreadPoolExecutor(8) as workers:
        got = list(workers.map(claim, range(8)))
    assert len(set(filter(None, got))) == 8
    assert most <= pool.size // CAUTION, "a quarter of what is free"


def test_whoever_waits_for_a_turn_longer_than_any_request_takes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_cache, "PATIENCE_SECONDS", 0.01)
    known = LockCache()
    stuck = drawn(known)
    assert next(stuck) == ALL[0]
    assert list(drawn(known)) == ALL[1:]


def test_many_claims_at_once_try_each_address_once_and_get_them_all() -> None:
    known, start = LockCache(), threading.Barrier(20)
    tried: list[str] = []

    def claim(number: int) -> str | None:
        start.wait()
        for address in drawn(known, number % 6):
            tried.append(address)
            known.assume(lock(address))
            return address
        return None

    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(claim, range(20)))
    assert sorted(filter(None, got)) == ALL
    assert sorted(tried) == ALL, "no request in vain"
