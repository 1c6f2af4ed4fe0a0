# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The work queue against a model that is too simple to be wrong."""

from __future__ import annotations

import threading
from collections import Counter

from egress_controller.runtime.work_queue import (
    BASE_DELAY_SECONDS,
    MAX_DELAY_SECONDS,
    PASS_BURST,
    PASSES_PER_SECOND,
    RETRY_BURST,
    TURN_OF_THOSE_BEHIND,
    WorkQueue,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.egress_controller.clock import Clock

SHARES = "ab"
KEYS = st.sampled_from([f"{share}{number}" for share in SHARES for number in range(3)])


def share_of(key: str) -> str:
    return key[0]


class QueueMachine(RuleBasedStateMachine):
    """What was added is handed out: once for each time that it was asked for, in turns, and no key without end."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(self.clock, share_of)
        self.wanted: set[str] = set()
        self.working: set[str] = set()
        self.later: dict[str, float] = {}
        self.tokens: dict[str, tuple[float, float]] = {}
        """How many passes each key had left when it was last handed out, and when that was."""
        self.passes: Counter[str] = Counter()
        self.ahead: dict[str, int] = {}
        """How many keys of its own share were before each key that can be handed out."""
        self.passed_by: Counter[str] = Counter()
        """How many keys of the other share have been handed out while a key waited."""

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.line_up({key} - self.wanted)
        self.wanted.add(key)

    @rule(key=KEYS, seconds=st.floats(0.001, 10))
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)
        self.later[key] = min(self.later.get(key, float("inf")), self.clock() + seconds)

    @rule(seconds=st.floats(0, 5))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(key=KEYS, times=st.integers(1, PASS_BURST))
    def flip(self, key: str, times: int) -> None:
        """It is added and worked on again and again, as fast as that goes."""
        for _time in range(times):
            self.add(key)
            while got := self.take():
                self.end(got)

    @rule()
    def get(self) -> None:
        self.take()

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.working))))

    @invariant()
    def depth_is_what_waits(self) -> None:
        assert self.queue.depth == len(self.wanted)

    def teardown(self) -> None:
        """Whatever was asked for is handed out in the end."""
        for key in sorted(self.working):
            self.end(key)
        self.clock.advance(60)
        while key := self.take():
            self.end(key)
        assert not self.wanted
        most = PASS_BURST + PASSES_PER_SECOND * (self.clock() - Clock().seconds)
        assert all(passes <= most + 1e-3 for passes in self.passes.values())

    def take(self) -> str | None:
        due = {key for key, moment in self.later.items() if moment <= self.clock()}
        for key in due:
            del self.later[key]
        self.wanted |= due
        self.line_up(self.wanted)
        key = self.queue.get(timeout=0)
        if key is None:
            assert not self.ahead, "a key was due and nobody got it"
            return None
        assert key in self.ahead, "a key was handed out twice, or to two at once, or too often"
        del self.ahead[key]
        self.wanted.discard(key)
        self.working.add(key)
        self.passes[key] += 1
        self.tokens[key] = (self.left(key) - 1, self.clock())
        for other in self.ahead:
            if share_of(other) != share_of(key):
                self.passed_by[other] += 1
                assert self.passed_by[other] <= self.ahead[other] + 1, "a share was served out of turn"
        return key

    def end(self, key: str) -> None:
        self.queue.done(key)
        self.working.discard(key)
        self.line_up(self.wanted & {key})

    def line_up(self, keys: set[str]) -> None:
        """Those that may be handed out take their place behind those of their share that could be before."""
        fresh = {key for key in keys - self.working - self.ahead.keys() if self.left(key) > 1 - 1e-5}
        for key in fresh:
            self.ahead[key] = sum(share_of(other) == share_of(key) for other in self.ahead.keys() | fresh) - 1
            self.passed_by[key] = 0

    def left(self, key: str) -> float:
        tokens, since = self.tokens.get(key, (PASS_BURST, self.clock()))
        return min(PASS_BURST, tokens + PASSES_PER_SECOND * (self.clock() - since))


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


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


def test_many_failing_keys_share_a_rate_which_is_their_shares_own() -> None:
    queue: WorkQueue[str] = WorkQueue(Clock(), share_of)
    delays = [queue.retry(f"a{number}") for number in range(RETRY_BURST + 50)]
    assert max(delays[:RETRY_BURST]) == BASE_DELAY_SECONDS
    assert delays[-1] >= 0.9
    assert queue.retry("b1") == BASE_DELAY_SECONDS


def test_a_share_with_one_key_waits_for_one_of_two_thousand() -> None:
    queue: WorkQueue[str] = WorkQueue(Clock(), share_of)
    for number in range(2000):
        queue.add(f"a{number}")
    queue.add("b")
    assert [queue.get(timeout=0), queue.get(timeout=0)] == ["a0", "b"]


def test_a_key_changed_100_times_a_second_is_seen_seldom_and_in_its_last_state() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    state, seen = 0, []
    for _hundredth in range(60 * 100):
        state += 1
        queue.add("a")
        clock.advance(0.01)
        if key := queue.get(timeout=0):
            seen.append(state)
            queue.done(key)
    assert len(seen) <= PASS_BURST + 60 * PASSES_PER_SECOND
    clock.advance(1 / PASSES_PER_SECOND)
    assert seen[-1] == state or queue.get(timeout=0) == "a"


def test_keys_that_have_not_come_for_a_while_need_no_memory() -> None:
    clock = Clock()
    queue: WorkQueue[int] = WorkQueue(clock)
    for number in range(2000):
        queue.add(number)
        queue.get(timeout=0)
        clock.advance(0.1)
    assert len(queue._passes) < 20


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


def handed_out(queue: WorkQueue[str]) -> list[str]:
    """All that waits, in its order."""
    found = []
    while (key := queue.get(timeout=0)) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_what_was_added_behind_comes_after_what_changes_meanwhile() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_behind("all")
    queue.add("new")
    assert handed_out(queue) == ["new", "all"]


def test_all_that_waits_can_be_put_behind() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("listed")
    queue.put_behind()
    queue.add("new")
    assert handed_out(queue) == ["new", "listed"]


def test_a_key_that_is_added_again_moves_up_and_is_handed_out_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("first", "second", "changed"):
        queue.add_behind(key)
    queue.add("changed")
    queue.add_behind("changed")
    assert queue.depth == 3
    assert handed_out(queue) == ["changed", "first", "second"]


def test_what_changes_without_end_keeps_nothing_behind_for_ever() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_behind("all")
    for number in range(10):
        queue.add(f"new-{number}")
    assert handed_out(queue)[:TURN_OF_THOSE_BEHIND].count("all") == 1


def test_a_key_that_is_worked_on_and_added_behind_comes_back_behind() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("shop")
    assert queue.get(timeout=0) == "shop"
    queue.add_behind("shop")
    queue.done("shop")
    queue.add("new")
    assert handed_out(queue) == ["new", "shop"]


class LanesMachine(RuleBasedStateMachine):
    """Whichever lane a key is in: it is handed out once, and none is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: WorkQueue[str] = WorkQueue(Clock(), share_of)
        self.wanted: set[str] = set()
        self.working: set[str] = set()

    @rule(key=KEYS, behind=st.booleans())
    def add(self, key: str, behind: bool) -> None:
        (self.queue.add_behind if behind else self.queue.add)(key)
        self.wanted.add(key)

    @rule()
    def put_behind(self) -> None:
        self.queue.put_behind()

    @rule()
    def get(self) -> None:
        key = self.queue.get(timeout=0)
        if key is None:
            paced = {item[2] for item in self.queue._paced}
            assert self.wanted - paced <= self.working
            return
        self.wanted.remove(key)
        assert key not in self.working
        self.working.add(key)

    @precondition(lambda self: self.working)
    @rule()
    def done(self) -> None:
        self.queue.done(self.working.pop())

    @invariant()
    def counts(self) -> None:
        assert self.queue.depth == len(self.wanted)


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
