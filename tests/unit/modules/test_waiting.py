# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Waiting, against a server that plays back what it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError, EgressError, Expired, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EVENT, SERVICE, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import Selection
from ansible_collections.avi.egress.plugins.module_utils.module import waiting


def service(reason: str | None = None, ready: bool = False, version: int = 1) -> KubeObject:
    condition = {"type": "EgressReady", "status": str(ready), "reason": reason, "message": f"about {reason}"}
    return {
        "metadata": {"name": "x", "namespace": "green", "resourceVersion": str(version)},
        "status": {"conditions": [condition] if reason else []},
    }


class Playback:
    """A KubeClient whose watches answer with one batch of events each, the last one being silence."""

    def __init__(self, first: KubeObject | None, *batches: list[tuple[str, KubeObject]] | Exception) -> None:
        self.objects = [first] if first else []
        self.batches = list(batches)
        self.events: list[KubeObject] | ApiError = []
        self.lists = 0
        self.watches = 0

    def list_with_version(self, resource: Resource, *_args: Any, **_kwargs: Any) -> tuple[list[KubeObject], str]:
        assert resource is SERVICE
        self.lists += 1
        return list(self.objects), "1"

    def list(self, resource: Resource, *_args: Any, **_kwargs: Any) -> list[KubeObject]:
        assert resource is EVENT
        if isinstance(self.events, ApiError):
            raise self.events
        return self.events

    def watch(self, *_args: Any, **_kwargs: Any) -> Iterator[tuple[str, KubeObject]]:
        self.watches += 1
        if not self.batches:
            return
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        for kind, obj in batch:
            others = [item for item in self.objects if item["metadata"]["name"] != obj["metadata"]["name"]]
            self.objects = others if kind == "DELETED" else [*others, obj]
            yield kind, obj


def wait(
    cluster: Playback, changed: bool = True, timeout: float = 0.2, kinds: tuple[str, ...] = ("EgressReady",)
) -> KubeObject:
    """The first of the objects once it is as awaited; else the reason why not."""
    server, awaited = cast("Any", cluster), [waiting.Awaited(cluster.objects[0], changed, kinds)]
    found = waiting.until_decided(server, Selection(SERVICE, "green"), awaited, time.monotonic() + timeout)
    service = found.get("green/x")
    if service and waiting.meets(service, kinds):
        return service
    raise waiting.why_not_met(server, "green/x", found, timeout, kinds)


@pytest.fixture(autouse=True)
def _short_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_SECONDS", 0.05)


def test_ready_after_a_while() -> None:
    ready = service("EgressReady", ready=True, version=3)
    cluster = Playback(service(), [("MODIFIED", service("WaitingForPod", version=2))], [("MODIFIED", ready)])

    assert wait(cluster) == ready


def test_ready_at_once_when_nothing_changed() -> None:
    ready = service("EgressReady", ready=True)

    assert wait(Playback(ready), changed=False) == ready


def test_a_refusal_ends_the_wait() -> None:
    cluster = Playback(service(), [("MODIFIED", service("PoolExhausted"))])

    with pytest.raises(Refused, match="about PoolExhausted") as caught:
        wait(cluster, timeout=60)

    assert caught.value.reason == "PoolExhausted"


def test_a_stale_success_is_not_believed() -> None:
    cluster = Playback(service("EgressReady", ready=True), [("MODIFIED", service("InvalidAnnotation", version=2))])

    with pytest.raises(Refused, match="InvalidAnnotation"):
        wait(cluster, timeout=60)


def test_a_stale_refusal_is_given_time() -> None:
    ready = service("EgressReady", ready=True, version=3)
    cluster = Playback(service("ProjectNotIncluded"), [("MODIFIED", service("WaitingForPod"))], [("MODIFIED", ready)])

    assert wait(cluster, changed=False) == ready


def test_a_success_that_stays_is_believed_in_the_end() -> None:
    ready = service("EgressReady", ready=True)

    assert wait(Playback(ready), timeout=60) == ready


def test_of_many_each_may_move_and_come_back_while_others_are_still_as_before() -> None:
    def named(name: str, reason: str, ready: bool) -> KubeObject:
        found = service(reason, ready)
        return {**found, "metadata": {**found["metadata"], "name": name}}

    before = [named(name, "EgressReady", True) for name in "ab"]
    moves = [named("a", "Replacing", False), before[0], named("b", "Replacing", False)]
    cluster = Playback(None, [("MODIFIED", move) for move in moves], [("MODIFIED", before[1])])
    cluster.objects = before
    awaited = [waiting.Awaited(found, True) for found in before]
    watched = Selection(SERVICE, "green")

    found = waiting.until_decided(cast("Any", cluster), watched, awaited, time.monotonic() + 60)

    assert all(waiting.is_ready(item) for item in found.values())
    assert cluster.watches == 2, "it goes on as soon as both have moved"


def test_an_expired_watch_lists_again() -> None:
    ready = service("EgressReady", ready=True)
    cluster = Playback(service(), Expired(410, "too old"), [("MODIFIED", ready)])

    assert wait(cluster) == ready
    assert cluster.lists == 2


def test_a_deleted_service_is_not_waited_for() -> None:
    with pytest.raises(EgressError, match="somebody deleted it"):
        wait(Playback(service(), [("DELETED", service())]), timeout=60)


def test_a_timeout_says_what_was_missing_and_the_last_event() -> None:
    cluster = Playback(service("WaitingForPod"))
    repeated = {"eventTime": "2025-12-31T00:00:00Z", "series": {"lastObservedTime": "2026-01-02T00:00:00Z"}}
    cluster.events = [
        {"type": "Normal", "reason": "Old", "message": "o", "lastTimestamp": "2026-01-01T00:00:00Z", "metadata": {}},
        {"type": "Warning", "reason": "New", "message": "n", **repeated, "metadata": {}},
        {
            "type": "Warning",
            "reason": "ClusterIPNotAllocated",
            "reportingComponent": "ipallocator-repair-controller",
            "eventTime": "2026-01-03T00:00:00Z",
            "metadata": {},
        },
    ]

    with pytest.raises(waiting.TimedOut) as caught:
        wait(cluster, changed=False)

    assert str(caught.value) == (
        "Service green/x: condition EgressReady is not True after 0.2 s: it is False "
        "(WaitingForPod: about WaitingForPod); last Event: Warning New: n"
    )


def test_a_timeout_repeats_why_the_api_server_refuses_the_parts() -> None:
    with pytest.raises(waiting.TimedOut, match=r"is not True after 0.2 s: it is False \(ApiError: about ApiError\)"):
        wait(Playback(service(), [("MODIFIED", service("ApiError", version=2))]))


def test_a_timeout_without_a_controller_or_the_right_to_read_events() -> None:
    cluster = Playback(service())
    cluster.events = ApiError(403, "permission is missing")

    with pytest.raises(waiting.TimedOut, match=r"is it running\?; its Events cannot be read: permission is missing"):
        wait(cluster)


REACHABLE = ("EgressReady", "DestinationsReachable")


def reachable(status: str | None, message: str = "from 10.70.112.155: 10.10.10.200:80 Refused") -> KubeObject:
    """Ready, and with a word about its destinations."""
    found = service("EgressReady", ready=True)
    if status:
        told = {"type": REACHABLE[1], "status": status, "reason": f"R{status}", "message": message}
        found["status"]["conditions"].append(told)
    return found


def test_ready_is_not_enough_where_reachable_is_awaited() -> None:
    cluster = Playback(service(), [("MODIFIED", reachable("Unknown"))], [("MODIFIED", reachable("True"))])
    assert wait(cluster, kinds=REACHABLE) == reachable("True")
    assert cluster.watches == 2


def test_what_was_reachable_before_a_change_is_doubted_until_it_moves() -> None:
    cluster = Playback(reachable("True"), [("MODIFIED", reachable("Unknown"))], [("MODIFIED", reachable("True"))])
    assert wait(cluster, kinds=REACHABLE) == reachable("True")
    assert cluster.watches == 2


def test_a_timeout_names_each_destinations_verdict() -> None:
    why = r"condition DestinationsReachable is not True .*RFalse: from 10.70.112.155: 10.10.10.200:80 Refused"
    with pytest.raises(waiting.TimedOut, match=why):
        wait(Playback(reachable("False")), changed=False, kinds=REACHABLE)
    with pytest.raises(waiting.TimedOut, match="has heard nothing about it yet"):
        wait(Playback(reachable(None)), changed=False, kinds=REACHABLE)


def test_leases_that_are_bound_are_told_by_project_and_service() -> None:
    def lease(namespace: str, owner: str, phase: str | None) -> KubeObject:
        metadata = {"labels": {"egress.avi.dev/claimed-by": "administrator" if owner == "z" else "controller"}}
        spec = {"namespace": namespace, "service": owner}
        return {"metadata": metadata, "spec": spec, "status": {"phase": phase} if phase else {}}

    found = {
        "a": lease("green", "x", "Bound"),
        "b": lease("green", "x", "Released"),
        "c": lease("green", "y", "Bound"),
        "d": lease("green", "x", None),
        "e": lease("blue", "x", "Bound"),
        "f": lease("blue", "z", "Bound"),
    }

    assert waiting.bound_leases(found, [("green", "x")]) == {"a": ("green", "x")}
    assert list(waiting.bound_leases(found, [("green", "y"), ("blue", "x"), ("blue", "z")])) == ["c", "e"]
