# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How an event source follows a cluster: over watches that break off and lose their place, until it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from threading import Event as Flag
from typing import Any, Callable, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    ApiError,
    EgressError,
    Expired,
    Forbidden,
    InvalidInput,
)
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_LEASE, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.connection import ConnectionFailed
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.module.events import follower as module
from ansible_collections.avi.egress.plugins.module_utils.module.events.follower import REFUSALS, Follower
from ansible_collections.avi.egress.plugins.module_utils.module.events.history import Event
from ansible_collections.avi.egress.plugins.plugin_utils import event_source
from ansible_collections.avi.egress.plugins.plugin_utils.questions import CannotAsk

GONE = Expired(410, "too old resource version")
FORBIDDEN = Forbidden(403, "permission is missing")
BROKEN = ConnectionFailed("the watch broke off")
Answer = Any
"""Of a list: leases, or an error. Of a watch: its events, after which it raises what it ends with."""


def lease(service: str, released: bool = False) -> KubeObject:
    body = lease_object(Slot("dmz", "green", service, 0), CONTROLLER)
    ended = {"releasedAt": "2026-11-02T00:00:00Z"} if released else {}
    status = {"address": "10.0.0.1", "boundAt": "2026-11-01T00:00:00Z", **ended}
    return {**body, "metadata": {**body["metadata"], "uid": service, "resourceVersion": "2"}, "status": status}


class Cluster:
    """Answers lists and watches in the order of a script, and stops the follower when that is over."""

    def __init__(self, *script: tuple[str, Answer]) -> None:
        self.script = list(script)
        self.stopping = Flag()
        self.versions: list[str] = []

    def _next(self, wanted: str) -> Answer:
        if not self.script:
            self.stopping.set()
            return BROKEN
        kind, answer = self.script.pop(0)
        assert kind == wanted, f"{wanted} where {kind} was due"
        return answer

    def list_with_version(self, _resource: Any, *, keep: Callable[[KubeObject], Any]) -> tuple[list[Any], str]:
        answer = self._next("list")
        if isinstance(answer, EgressError):
            raise answer
        return [keep(obj) for obj in answer], "1"

    def watch(self, _selection: Any, *, version: str, timeout: float) -> Iterator[tuple[str, KubeObject]]:
        self.versions.append(version)
        answer = self._next("watch")
        for item in answer if isinstance(answer, list) else [answer]:
            if isinstance(item, EgressError):
                raise item
            yield item


def follow(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> list[str]:
    """What is told of a script: kind and service."""
    told: list[str] = []

    def tell(event: Event) -> None:
        told.append(f"{event.kind} {event.facts['service']}")

    monkeypatch.setattr(module, "BASE_DELAY_SECONDS", 0)
    Follower(lambda: cast("Any", cluster), EGRESS_LEASE, tell, cluster.stopping).run()
    return told


def test_nothing_is_told_twice_or_lost_over_a_watch_that_lost_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(
        ("list", [lease("a"), lease("b")]),
        ("watch", [("ADDED", lease("c")), GONE]),
        ("list", [lease("a"), lease("b", released=True), lease("d")]),
        ("watch", [("MODIFIED", lease("a")), BROKEN]),
        ("list", [lease("a"), lease("b", released=True), lease("d")]),
        ("watch", [("DELETED", lease("d")), ("DELETED", lease("b", released=True)), BROKEN]),
    )

    assert follow(monkeypatch, cluster) == [
        "bound a",
        "bound b",
        "bound c",
        "released b",
        "bound d",
        "released c",
        "released d",
    ]


def test_a_watch_goes_on_where_it_was_when_the_server_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORT_WATCH_SECONDS", 0)
    cluster = Cluster(("list", [lease("a")]), ("watch", [("ADDED", lease("b"))]), ("watch", [("ADDED", lease("c"))]))

    assert follow(monkeypatch, cluster) == ["bound a", "bound b", "bound c"]
    assert cluster.versions == ["1", "2", "2"]


def test_a_watch_that_ends_at_once_is_not_asked_for_in_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(("list", []), ("watch", []), ("list", [lease("a")]), ("watch", BROKEN))

    assert follow(monkeypatch, cluster) == ["bound a"]


@pytest.mark.parametrize("error", [FORBIDDEN, BROKEN, ApiError(401, "the token may have expired")])
def test_what_fails_at_the_start_ends_it(monkeypatch: pytest.MonkeyPatch, error: EgressError) -> None:
    with pytest.raises(type(error), match=str(error)):
        follow(monkeypatch, Cluster(("list", error)))


def test_a_passing_refusal_or_outage_is_got_over(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [("list", FORBIDDEN)] * (REFUSALS - 1)
    cluster = Cluster(("list", []), ("watch", BROKEN), *refused, ("list", BROKEN), *refused, ("list", [lease("a")]))

    assert follow(monkeypatch, cluster) == ["bound a"]


def test_a_server_that_goes_on_refusing_the_watch_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Forbidden, match="permission is missing"):
        follow(monkeypatch, Cluster(*[("list", []), ("watch", FORBIDDEN)] * REFUSALS))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"kind": ["bound"]}, "kind"),
        ({"kinds": ["bond"]}, "bond"),
        ({"kinds": []}, r"leases: kinds is \[\]; give some of bound, released, conflict, exhausted, not_ready"),
        ({"kubeconfig": "/no/such/file"}, "kubeconfig is '/no/such/file'; there is no such file"),
        ({"api_key": "x", "client_cert": __file__}, "which may be two users; give one of them"),
    ],
)
def test_arguments_that_cannot_be_are_an_error_of_one_sentence(args: dict[str, Any], told: str) -> None:
    with pytest.raises((CannotAsk, ConnectionFailed, InvalidInput), match=told) as caught:
        asyncio.run(event_source.tell(asyncio.Queue(), args))

    assert "\n" not in str(caught.value)


def test_a_full_queue_holds_the_cluster_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than one event waits beside those in the queue."""
    listed = 0

    class Many(Cluster):
        def list_with_version(self, _resource: Any, *, keep: Callable[[KubeObject], Any]) -> tuple[list[Any], str]:
            return [keep(lease(str(number))) for number in range(100)], "1"

    class Slow(asyncio.Queue[dict[str, Any]]):
        async def put(self, event: dict[str, Any]) -> None:
            nonlocal listed
            listed += 1
            await super().put(event)

    async def taken() -> int:
        queue = Slow(1)
        task = asyncio.create_task(event_source.tell(queue, {"kinds": ["bound"], "eda_feedback_queue": object()}))
        first = await queue.get()
        second = await queue.get()
        assert [event["service"] for event in (first, second)] == ["0", "1"]
        waiting = listed
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "somebody waits for a rulebook that is gone"
        return waiting

    monkeypatch.setattr(event_source, "KubeClient", lambda *_given: Many())
    assert asyncio.run(taken()) <= 4
