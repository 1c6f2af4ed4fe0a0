# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Refused pods: the API server's own words reach the Service, and are forgotten with their cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.resources import POD, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import refusal
from ansible_collections.avi.egress.plugins.module_utils.workload import pod_refusals, pods
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import Refusal

from tests.support.observed import pod_of, running, served

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "web-avi-egress-pod"
QUOTA = "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0"


def at(seconds: float) -> str:
    return timestamp(NOW + timedelta(seconds=seconds))


def controller(kind: str, replicas: int = 1, message: str | None = None, since: float = -60) -> KubeObject:
    status: dict[str, Any] = {}
    if message is not None:
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
        status["conditions"] = [{**failure, "message": message, "lastTransitionTime": at(since)}]
    metadata = {"name": NAME, "namespace": "green", "uid": "u"}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": replicas}, "status": status}


def event(message: str, last: float = -10, uid: str = "u", **fields: Any) -> KubeObject:
    return {
        "reason": "FailedCreate",
        "message": message,
        "involvedObject": {"name": NAME, "uid": uid},
        "metadata": {"creationTimestamp": at(-60)},
        "firstTimestamp": at(-60),
        "lastTimestamp": at(last),
        **fields,
    }


def rc_words(suffix: str, why: str = QUOTA) -> str:
    return f'pods "{NAME}-{suffix}" is forbidden: {why}'


def test_a_replication_controller_tells_the_words_and_no_random_name() -> None:
    first = pod_refusals.refusal_of(controller("ReplicationController", message=rc_words("abcde")), [], [], NOW)
    again = pod_refusals.refusal_of(controller("ReplicationController", message=rc_words("x2y3z")), [], [], NOW)
    assert first == again == Refusal(f'pods "{NAME}" is forbidden: {QUOTA}', is_lasting=True)


def test_of_words_that_changed_the_newest_are_told() -> None:
    """Kubernetes leaves those of the first refusal in the condition."""
    found = controller("ReplicationController", message=rc_words("abcde"))
    events = [
        event("Error creating: " + rc_words("bbbbb", "violates PodSecurity"), last=-5),
        event("Error creating: " + rc_words("ccccc", "an older reason"), last=-20),
        event("Error creating: somebody else's", last=-1, uid="other"),
    ]
    told = pod_refusals.refusal_of(found, [], events, NOW)
    assert told is not None
    assert told.message == f'pods "{NAME}" is forbidden: violates PodSecurity'


def test_many_like_refusals_that_the_cluster_tells_as_one_keep_their_words() -> None:
    """Its Events about one object become one after the tenth, each time with the newest words."""
    found = controller("ReplicationController", message=rc_words("abcde"))
    told = pod_refusals.refusal_of(
        found, [], [event("(combined from similar events): Error creating: " + rc_words("bbbbb"))], NOW
    )
    assert told == Refusal(f'pods "{NAME}" is forbidden: {QUOTA}', is_lasting=True)


@pytest.mark.parametrize(("since", "is_lasting"), [(-4, False), (-5, True), (30, False)])
def test_what_may_pass_by_itself_does_not_end_a_wait_yet(since: float, is_lasting: bool) -> None:
    found = pod_refusals.refusal_of(controller("ReplicationController", message="x", since=since), [], [], NOW)
    assert found is not None
    assert found.is_lasting is is_lasting


@pytest.mark.parametrize(
    "found",
    [
        None,
        controller("ReplicationController"),
        controller("ReplicationController", replicas=0, message="x"),
        controller("StatefulSet", replicas=2),
    ],
)
def test_nothing_is_refused_where_nobody_says_so(found: KubeObject | None) -> None:
    assert pod_refusals.refusal_of(found, [], [event("x", uid="other")], NOW) is None


def test_a_stateful_set_is_heard_by_its_event_for_as_long_as_pods_lack() -> None:
    found = controller("StatefulSet", replicas=2)
    failed = event(f'create Pod {NAME}-1 in StatefulSet {NAME} failed error: pods "{NAME}-1" is forbidden: {QUOTA}')

    def told(*made: float) -> Refusal | None:
        there = [{"metadata": {"creationTimestamp": at(seconds)}} for seconds in made]
        return pod_refusals.refusal_of(found, there, [failed], NOW)

    assert told(-60) == Refusal(f'pods "{NAME}-1" is forbidden: {QUOTA}', is_lasting=True)
    assert told(-60, -60) is None
    assert told(-1) is None, "the pod that was refused has been made since, and the other one has ended"


@pytest.mark.parametrize(
    "fields",
    [
        {"lastTimestamp": "yesterday", "firstTimestamp": 7, "metadata": {}},
        {"lastTimestamp": "2026-01-01T00:00:00", "firstTimestamp": None, "metadata": {}},
        {"involvedObject": None},
    ],
)
def test_an_event_that_makes_no_sense_is_no_refusal(fields: dict[str, Any]) -> None:
    found = controller("StatefulSet", replicas=2)
    assert pod_refusals.refusal_of(found, [], [event("x", **fields)], NOW) is None


def test_words_are_one_printable_line_in_bounds() -> None:
    found = controller("ReplicationController", message="a\nb\0 \x1b[31m" + "c" * 9999)
    told = pod_refusals.refusal_of(found, [], [], NOW)
    assert told is not None
    assert told.message.startswith("a b [31mccc")
    assert len(told.message) == pod_refusals.LONGEST_WORDS


def test_the_service_says_why_its_pod_is_missing() -> None:
    without = replace(running(), pods=())
    lasting = served(replace(without, refusal=Refusal(QUOTA, is_lasting=True))).condition
    assert lasting == Condition(False, "PodRefused", f"the egress pod can't be made: {QUOTA}")  # type: ignore[arg-type]
    young = served(replace(without, refusal=Refusal(QUOTA, is_lasting=False))).condition
    assert young == replace(lasting, reason="WaitingForPod")


def test_one_pod_of_two_serves_while_the_other_is_refused() -> None:
    ready = pod_of(running().controller or {}, ready=True)
    condition = pods.readiness([ready], [], ["10.0.0.1", "10.0.0.2"], Refusal(QUOTA, is_lasting=True))
    assert (condition.ready, condition.reason) == (True, "Degraded")
    assert condition.message == f"1 of 2 egress pods are ready; the egress pod can't be made: {QUOTA}"


TRIED: KubeObject = {"metadata": {"generateName": f"{NAME}-", "namespace": "green"}}


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (403, rc_words("x2y3z", "too much cpu"), f'pods "{NAME}" is forbidden: too much cpu'),
        (403, 'User "x" cannot create resource "pods"', 'User "x" cannot create resource "pods"'),
        (422, f'Pod "{NAME}-x2y3z" is invalid: spec.x: bad', f'Pod "{NAME}" is invalid: spec.x: bad'),
        (500, 'failed calling webhook "a.example"', 'failed calling webhook "a.example"'),
    ],
)
def test_what_a_pod_that_was_tried_meets_is_told_without_its_name(status: int, answer: str, words: str) -> None:
    found = pod_refusals.foreseen(refusal(status, answer, "POST", POD), TRIED)
    assert found == words
    told = pod_refusals.refused("green", "web", found, is_lasting=True)
    assert told.reason == "PodRefused"
    assert str(told).startswith(f"Service green/web: the egress pod that it asks for now can't be made: {found}; ")
    assert pod_refusals.refused("green", "web", found, is_lasting=False).reason == "WaitingForPod"


@pytest.mark.parametrize(
    ("status", "answer"),
    [(403, rc_words("x2y3z")), (400, 'admission webhook "a.example" does not support dry run')],
)
def test_what_says_nothing_of_a_pod_that_has_its_place_is_no_refusal(status: int, answer: str) -> None:
    assert pod_refusals.foreseen(refusal(status, answer, "POST", POD), TRIED) is None
