# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Services change their placement one after another, and none of them for ever in the way of the others."""

from __future__ import annotations

from egress_controller.reconcilers.moves import PATIENCE_SECONDS, Moves
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.work_queue import WorkQueue

from tests.unit.egress_controller.clock import Clock

FIRST, SECOND, THIRD = (service_key("green", name) for name in ("first", "second", "third"))


def made() -> tuple[Moves, WorkQueue[Key], Clock]:
    clock = Clock()
    queue: WorkQueue[Key] = WorkQueue(clock)
    return Moves(queue, clock), queue, clock


def test_the_next_is_called_when_the_one_before_has_moved() -> None:
    moves, queue, _clock = made()
    assert moves.may_move("a", FIRST)
    assert moves.may_move("a", FIRST), "it is still its turn"
    assert not moves.may_move("a", SECOND)
    assert not moves.may_move("a", THIRD)
    assert queue.depth == 0
    assert moves.ended(FIRST) == "a"
    assert queue.get(timeout=0) == SECOND
    assert moves.may_move("a", SECOND)
    assert not moves.may_move("a", THIRD)


def test_clouds_do_not_wait_for_each_other() -> None:
    moves, _queue, _clock = made()
    assert moves.may_move("a", FIRST)
    assert moves.may_move("b", SECOND)


def test_one_that_waits_and_is_gone_is_not_waited_for() -> None:
    moves, queue, _clock = made()
    moves.may_move("a", FIRST)
    moves.may_move("a", SECOND)
    moves.may_move("a", THIRD)
    assert moves.ended(SECOND) is None
    moves.ended(FIRST)
    assert queue.get(timeout=0) == THIRD


def test_one_that_does_not_get_ready_is_waited_for_a_minute() -> None:
    moves, queue, clock = made()
    moves.may_move("a", FIRST)
    clock.advance(1)
    assert not moves.may_move("a", SECOND)
    clock.advance(PATIENCE_SECONDS - 1)
    assert queue.get(timeout=0) == SECOND
    assert moves.may_move("a", SECOND)
    assert moves.ended(FIRST) is None
    assert not moves.may_move("a", FIRST)
