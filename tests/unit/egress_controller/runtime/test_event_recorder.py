# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Events are told once, whatever repeats."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.api.resources import EVENT, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.client.connection import ConnectionFailed
from egress_controller.runtime.event_recorder import (
    NORMAL,
    OBJECT_BURST,
    OBJECT_REFILL_SECONDS,
    REPEAT_SECONDS,
    WARNING,
    EventRecorder,
)

from tests.unit.egress_controller.clock import Clock


class Recorder:
    """An API server that keeps Events."""

    def __init__(self) -> None:
        self.stored: dict[str, KubeObject] = {}
        self.away = False

    def only(self) -> KubeObject:
        """The one that there is."""
        assert len(self.stored) == 1
        return next(iter(self.stored.values()))

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        if self.away:
            raise ConnectionFailed("away")
        assert resource is EVENT
        self.stored[body["metadata"]["name"]] = body
        return body

    def patch(self, resource: Resource, name: str, body: KubeObject, namespace: str | None = None) -> KubeObject:
        assert self.stored[name]["metadata"]["namespace"] == namespace
        self.stored[name] = {**self.stored[name], **body}
        return self.stored[name]


def service(uid: str = "1") -> KubeObject:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", "namespace": "green", "uid": uid}}


def made() -> tuple[EventRecorder, Recorder, Clock]:
    recorder, clock = Recorder(), Clock()
    return EventRecorder(recorder, "controller", "replica-0", clock), recorder, clock


def test_a_standing_condition_is_one_event() -> None:
    events, recorder, clock = made()
    for _second in range(int(REPEAT_SECONDS) - 1):
        events.emit(service(), WARNING, "PoolExhausted", "all taken")
        clock.advance(1)
    event = recorder.only()
    assert event["count"] == 1
    assert event["involvedObject"]["uid"] == "1"


def test_what_still_stands_later_raises_the_count_of_the_same_event() -> None:
    events, recorder, clock = made()
    events.emit(service(), WARNING, "PoolExhausted", "all taken")
    clock.advance(REPEAT_SECONDS)
    events.emit(service(), WARNING, "PoolExhausted", "all taken")
    event = recorder.only()
    assert event["count"] == 2


def test_other_words_another_object_or_another_type_are_news() -> None:
    events, recorder, _clock = made()
    events.emit(service(), NORMAL, "WaitingForPod", "starting")
    events.emit(service(), WARNING, "WaitingForPod", "starting")
    events.emit(service(), NORMAL, "WaitingForPod", "pulling")
    events.emit(service("2"), NORMAL, "WaitingForPod", "starting")
    assert len(recorder.stored) == 4


def test_a_tenant_who_changes_a_service_all_the_time_gets_a_bounded_number() -> None:
    events, recorder, clock = made()
    for number in range(1000):
        events.emit(service(), WARNING, "InvalidAnnotation", f"attempt {number}")
    assert len(recorder.stored) == OBJECT_BURST
    events.emit(service("2"), WARNING, "InvalidAnnotation", "another's")
    assert len(recorder.stored) == OBJECT_BURST + 1, "others are told as before"
    clock.advance(OBJECT_REFILL_SECONDS)
    events.emit(service(), WARNING, "InvalidAnnotation", "later")
    assert len(recorder.stored) == OBJECT_BURST + 2


def test_an_object_without_a_namespace_is_told_of_in_default() -> None:
    events, recorder, _clock = made()
    network = {"apiVersion": "egress.avi.dev/v1", "kind": "EgressNetwork", "metadata": {"name": "dmz", "uid": "3"}}
    events.emit(network, WARNING, "PoolExhausted", "all taken")
    event = recorder.only()
    assert event["metadata"]["namespace"] == "default"


def test_an_api_server_that_is_away_is_no_error_of_the_sender() -> None:
    events, recorder, _clock = made()
    recorder.away = True
    events.emit(service(), WARNING, "PoolExhausted", "all taken")
    assert not recorder.stored


def test_a_message_keeps_to_what_the_api_takes() -> None:
    events, recorder, _clock = made()
    events.emit(service(), WARNING, "InvalidAnnotation", "x" * 5000)
    event = recorder.only()
    assert len(event["message"]) == 1024
