# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One key's failure is its own."""

from __future__ import annotations

import logging

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError, Conflict, WebhookFailed
from ansible_collections.avi.egress.plugins.module_utils.client.connection import ConnectionFailed
from egress_controller.runtime.errors import NotYet, StillWaiting
from egress_controller.runtime.keys import Key
from egress_controller.runtime.metrics import Metrics
from egress_controller.runtime.outages import Outages
from egress_controller.runtime.reconciler import Result
from egress_controller.runtime.work_queue import WorkQueue
from egress_controller.runtime.workers import Workers

from tests.unit.egress_controller.clock import Clock

KEY = Key("service", "shop", "green")


class Bench:
    """Workers, and their reconciler, which does what a test says."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.queue: WorkQueue[Key] = WorkQueue(self.clock)
        self.failure: Exception | None = None
        self.result: Result | None = None
        self.complaints: list[str] = []
        self.workers = Workers(
            self.queue,
            {"service": self},
            Outages(self.clock),
            Metrics("controller"),
            lambda key, words: self.complaints.append(f"{key} {words}"),
        )

    def reconcile(self, key: Key) -> Result | None:
        if self.failure:
            raise self.failure
        return self.result

    def handle(self, failure: Exception | None) -> str:
        self.failure = failure
        self.queue.add(KEY)
        key = self.queue.get(timeout=0)
        assert key == KEY
        return self.workers.handle(key)


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (None, "ok"),
        (NotYet("soon"), "deferred"),
        (Conflict(409, "newer"), "conflict"),
        (ConnectionFailed("away"), "unreachable"),
        (ApiError(500, "down"), "error"),
        (KeyError("defect"), "error"),
    ],
)
def test_each_failure_has_its_name_and_the_key_comes_back(failure: Exception | None, result: str) -> None:
    bench = Bench()
    assert bench.handle(failure) == result
    bench.clock.advance(60)
    assert bench.queue.get(timeout=0) == (KEY if failure else None)


def test_a_key_comes_back_when_its_reconciler_says() -> None:
    bench = Bench()
    bench.result = Result(7.0)
    assert bench.handle(None) == "ok"
    bench.clock.advance(6.9)
    assert bench.queue.get(timeout=0) is None
    bench.clock.advance(0.1)
    assert bench.queue.get(timeout=0) == KEY


@pytest.mark.parametrize(
    ("failure", "longest"),
    [
        (StillWaiting("pods end"), 60.0),
        (ApiError(500, "down"), 60.0),
        (WebhookFailed(500, "connection refused"), 60.0),
        (ApiError(403, "exceeded quota"), 300.0),
    ],
)
def test_what_stays_as_it_is_comes_back_later_and_later(failure: Exception, longest: float) -> None:
    bench = Bench()
    for _attempt in range(20):
        bench.handle(failure)
        bench.clock.advance(longest)
        assert bench.queue.get(timeout=0) == KEY
        bench.queue.done(KEY)
    bench.handle(failure)
    bench.clock.advance(longest - 0.1)
    assert bench.queue.get(timeout=0) is None


def test_an_unexpected_error_is_shown_whole_once_and_told_to_the_owner(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.ERROR):
        for _attempt in range(3):
            bench.handle(KeyError("defect"))
    assert [record.exc_info is not None for record in caplog.records] == [True, False, False]
    assert bench.complaints == ["service:green/shop KeyError: 'defect'"] * 3
    bench.handle(None)
    with caplog.at_level(logging.ERROR):
        bench.handle(KeyError("defect"))
    assert caplog.records[-1].exc_info is not None, "after a success it is news again"


def test_an_outage_is_logged_once_a_step(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.WARNING):
        bench.failure = ConnectionFailed("away")
        for _tenth in range(70):  # seven seconds: steps end after 1, 3 and 7
            bench.workers.handle(KEY)
            bench.clock.advance(0.1)
    assert len(caplog.records) == 3
