# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Why the API server refuses to make an egress pod: a quota, an SCC, Pod Security, a policy engine, a webhook.

Kubernetes' controllers tell it in two places. A ReplicationController says ``ReplicaFailure`` for as long as it lasts,
but keeps the words of the first refusal; the Event ``FailedCreate`` has those of the last. A StatefulSet has only that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Iterable, Sequence

from ..api.conditions import find
from ..api.errors import ApiError, Refused
from ..api.reasons import Reason
from ..api.resources import STATEFUL_SET, KubeObject
from .pods import Refusal, is_finished, one_line

FAILED_CREATE = "FailedCreate"
"""The reason of the Event by which Kubernetes' controllers tell that they could not make a pod."""
LASTING_SECONDS = 5
"""A younger refusal may pass by itself: a right or a label that was given just now is not known everywhere yet."""
LONGEST_WORDS = 1024
_NOT_OF_THE_POD = ("exceeded quota", "does not support dry run")
"""A quota counts the pod that runs as well; a webhook that has side effects is not asked."""
_SLACK = timedelta(seconds=1)
"""Conditions and Events tell whole seconds."""
_PREAMBLE = re.compile(
    r"^(?:\(combined from similar events\): )?(?:Error creating: |create Pod \S+ in StatefulSet \S+ failed error: )"
)
"""What Kubernetes' controllers, and their recorder of Events, put before the API server's words."""


@dataclass(frozen=True)
class _Told:
    """One Event: what was refused, from when on and until when."""

    words: str
    first: datetime
    last: datetime


def refusal_of(
    controller: KubeObject | None, pods: Iterable[KubeObject], events: Iterable[KubeObject], now: datetime
) -> Refusal | None:
    """Why a ReplicationController or StatefulSet can't make its pods; None if nothing keeps it from that.

    ``pods`` are those of the service, ``events`` are Events that may be the controller's.
    """
    if controller is None or not controller["spec"].get("replicas"):
        return None
    told = [found for event in events if (found := _told(event, controller))]
    newest = max(told, key=lambda item: item.last, default=None)
    if controller["kind"] == STATEFUL_SET.kind:
        return _of_stateful_set(controller, [pod for pod in pods if not is_finished(pod)], newest, now)
    return _of_replication_controller(controller, newest, now)


def foreseen(error: ApiError, pod: KubeObject) -> str | None:
    """The words about a pod that was tried only; None if they say nothing of what comes when the former has ended."""
    words = _plain(error.words, pod["metadata"]["generateName"].removesuffix("-"))
    return None if any(other in words for other in _NOT_OF_THE_POD) else words


def refused(namespace: str, service: str, words: str, *, is_lasting: bool) -> Refused:
    """What a Service says whose pod would be ended for one that can't be made."""
    return Refused(
        Reason.POD_REFUSED if is_lasting else Reason.WAITING_FOR_POD,
        f"Service {namespace}/{service}: the egress pod that it asks for now can't be made: {words}; what runs goes "
        "on as it is. Change the annotation or spec.pods of the EgressCloud, or what refuses it",
    )


def _of_replication_controller(controller: KubeObject, newest: _Told | None, now: datetime) -> Refusal | None:
    failure = find(controller, "ReplicaFailure")
    if failure is None or failure["status"] != "True" or failure.get("reason") != FAILED_CREATE:
        return None
    since = _moment(failure.get("lastTransitionTime")) or now
    words = str(failure.get("message", ""))
    if newest and newest.last >= since - _SLACK:
        words = newest.words
    return _refusal(controller, words, since, now)


def _of_stateful_set(
    controller: KubeObject, pods: Sequence[KubeObject], newest: _Told | None, now: datetime
) -> Refusal | None:
    if newest is None or len(pods) >= controller["spec"]["replicas"]:
        return None
    made = filter(None, (_moment(pod["metadata"].get("creationTimestamp")) for pod in pods))
    if any(moment > newest.last for moment in made):
        return None  # Since then a pod has been made.
    return _refusal(controller, newest.words, newest.first, now)


def _refusal(controller: KubeObject, words: str, since: datetime, now: datetime) -> Refusal:
    plain = _plain(words, controller["metadata"]["name"])
    return Refusal(plain, is_lasting=now - since >= timedelta(seconds=LASTING_SECONDS))


def _plain(words: str, base: str) -> str:
    """The API server's own; each attempt is for another name, which is left out, so that the same stays the same."""
    without_name = re.sub(rf'"{re.escape(base)}-[a-z0-9]{{5}}"', f'"{base}"', _PREAMBLE.sub("", words))
    return one_line(without_name, LONGEST_WORDS)


def _told(event: KubeObject, controller: KubeObject) -> _Told | None:
    about = event.get("involvedObject") or {}
    if event.get("reason") != FAILED_CREATE or about.get("uid") != controller["metadata"]["uid"]:
        return None
    series = (event.get("series") or {}).get("lastObservedTime")
    made = _moment(event["metadata"].get("creationTimestamp"))
    last = _moment(series) or _moment(event.get("lastTimestamp")) or _moment(event.get("eventTime")) or made
    if last is None:
        return None
    first = _moment(event.get("firstTimestamp")) or _moment(event.get("eventTime")) or last
    return _Told(str(event.get("message", "")), first, last)


def _moment(text: object) -> datetime | None:
    """A moment as an API server writes it, with or without parts of a second; strangers' Events may say anything."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
