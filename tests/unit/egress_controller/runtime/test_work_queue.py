# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The work queue against a model that is too simple to be wrong."""

from __future__ import annotations

import threading

from egress_controller.runtime.work_queue import BASE_DELAY_SECONDS, MAX_DELAY_SECONDS, RETRY_BURST, WorkQueue
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.egress_controller.clock import Clock

KEYS = st.sampled_from("abcd")


class QueueMachine(RuleBasedStateMachine):
    """What was added is handed out, once for each time that it was asked for and not more."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(self.clock)
        self.wanted: set[str] = set()
        self.working: set[str] = set()
        self.later: dict[str, float] = {}

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.wanted.add(key)

    @rule(key=KEYS, seconds=st.floats(0.001, 10))
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)
        self.later[key] = min(self.later.get(key, float("inf")), self.clock() + seconds)

    @rule(seconds=st.floats(0, 5))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def get(self) -> None:
        due = {key for key, moment in self.later.items() if moment <= self.clock()}
        for key in due:
            del self.later[key]
        self.wanted |= due
        key = self.queue.get(timeout=0)
        free = self.wanted - self.working
        if key is None:
            assert not free, "a key was due and nobody got it"
        else:
            assert key in free, "a key was handed out twice, or to two at once"
            self.wanted.discard(key)
            self.working.add(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.queue.done(key)
        self.working.discard(key)

    @invariant()
    def depth_is_what_waits(self) -> None:
        assert self.queue.depth == len(self.wanted)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_backoff_doubles_up_to_its_cap_and_starts_anew_after_success() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    delays = []
    for _attempt in range(20):
        delays.append(queue.retry("a"))
        clock.advance(MAX_DELAY_SECONDS)
    assert delays[:4] == [BASE_DELAY_SECONDS * factor for factor in (1, 2, 4, 8)]
    assert delays[-1] == MAX_DELAY_SECONDS
    queue.forget("a")
    assert queue.retry("a") == BASE_DELAY_SECONDS


def test_a_failing_key_does_not_come_back_before_its_delay() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    delay = queue.retry("a")
    assert queue.get(timeout=0) is None
    clock.advance(delay)
    assert queue.get(timeout=0) == "a"


def test_many_failing_keys_share_a_rate() -> None:
    queue: WorkQueue[int] = WorkQueue(Clock())
    delays = [queue.retry(number) for number in range(RETRY_BURST + 50)]
    assert max(delays[:RETRY_BURST]) == BASE_DELAY_SECONDS
    assert delays[-1] >= 0.9


def test_shutting_down_wakes_who_waits() -> None:
    queue: WorkQueue[str] = WorkQueue()
    got: list[str | None] = ["nothing yet"]
    waiter = threading.Thread(target=lambda: got.append(queue.get()), daemon=True)
    waiter.start()
    queue.shut_down()
    waiter.join(2)
    assert got[-1] is None
    assert not waiter.is_alive()


def test_a_timer_wakes_who_waits() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.05)
    assert queue.get(timeout=2) == "a"
