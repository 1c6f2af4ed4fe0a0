# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Work that is done several at a time comes to the same as if it were done in turn."""

from __future__ import annotations

from threading import Barrier, Event
from time import sleep

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.client.fan_out import AT_A_TIME, each, fan_out

BOUND_SECONDS = 30


def test_results_are_in_the_order_that_was_asked_for() -> None:
    later = Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(BOUND_SECONDS)
        if item == 1:
            later.set()
        return item * 2

    assert each(work, [0, 1, 2]) == [0, 2, 4]
    assert each(work, []) == []


def test_as_many_are_under_way_as_are_allowed() -> None:
    together = Barrier(AT_A_TIME)

    assert each(lambda _item: together.wait(BOUND_SECONDS) >= 0, range(AT_A_TIME)) == [True] * AT_A_TIME


def test_the_first_in_the_list_that_fails_is_told_and_not_the_first_in_time() -> None:
    begun, failed = Event(), Event()

    def work(item: int) -> int:
        if item == 5:
            failed.set()
            raise EgressError("five")
        if item == 3:
            assert begun.wait(BOUND_SECONDS)
            assert failed.wait(BOUND_SECONDS)
            raise EgressError("three")
        if item == 4:
            begun.set()
        return item

    outcomes = fan_out(work, range(1000))

    assert str(outcomes.first_error) == "three"
    assert {0, 1, 2, 4} <= outcomes.done.keys()
    with pytest.raises(EgressError, match="three"):
        each(work, range(10))


def test_nothing_is_begun_once_one_has_failed() -> None:
    def work(item: int) -> None:
        if item == 0:
            raise EgressError("no")
        sleep(0.01)

    outcomes = fan_out(work, range(1000))

    assert len(outcomes.done) < 999


def test_a_programming_error_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        fan_out(lambda item: 1 // item, [1, 0, 1])
