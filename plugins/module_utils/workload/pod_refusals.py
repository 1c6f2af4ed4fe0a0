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
from ..api.resources import STATEFUL_SET, KubeObject
from .pods import Refusal, is_finished, one_line

FAILED_CREATE = "FailedCreate"
"""The reason of the Event by which Kubernetes' controllers tell that they could not make a pod."""
LASTING_SECONDS = 5
"""A younger refusal may pass by itself: a right or a label that was given just now is not known everywhere yet."""
LONGEST_WORDS = 1024
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
    """Each attempt of a ReplicationController is for another name: it is left out, so that the same stays the same."""
    base = re.escape(controller["metadata"]["name"])
    plain = re.sub(rf'"{base}-[a-z0-9]{{5}}"', f'"{controller["metadata"]["name"]}"', _PREAMBLE.sub("", words))
    return Refusal(one_line(plain, LONGEST_WORDS), is_lasting=now - since >= timedelta(seconds=LASTING_SECONDS))


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
