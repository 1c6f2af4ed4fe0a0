# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The egress pods of a service: finished, ready, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..api.conditions import Condition, find, is_true
from ..api.reasons import Reason
from ..api.resources import KubeObject
from .termination_message import fault_of

SENTENCE_LENGTH = 512
"""Characters of what scheduler, kubelet and router say that a condition repeats."""
LONGEST_WORD = 80
"""Characters that a sentence may lose so that no name or digest in it is cut."""
UNTOLD = ("", "Completed", "Error")
"""Of the kubelet's reasons for a container's end, those that the exit code says as well; not so OOMKilled."""
SETTING_UP = ("ContainerCreating", "PodInitializing")
"""Of the reasons why a container waits, those that tell of nothing wrong."""
REPORT_EXIT_CODE = 75
"""Of a router that ended only to report what is wrong on its LAN, which ``termination_message`` reads (EX_TEMPFAIL)."""
WAITS_FOR = "its log says what it waits for"


@dataclass(frozen=True)
class Refusal:
    """Why the API server does not let an egress pod be made, in its own words."""

    message: str
    is_lasting: bool
    """Whether it has stood so long that only somebody's change will end it."""


def made_by(pod: KubeObject) -> str | None:
    """The kind of the controller that made the pod; None if that has let go of it."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), None)


def readiness(
    pods: Sequence[KubeObject],
    outdated: Sequence[KubeObject],
    sources: Sequence[str],
    refusal: Refusal | None = None,
) -> Condition:
    """What the pods of a service come to; ``outdated`` are those of an older rendering that have to end first.

    ``refusal`` is why those that are missing can't be made, if that is known.
    """
    if outdated:
        return Condition(False, Reason.REPLACING, "the egress pod of the former configuration is ending")
    ready = [pod for pod in pods if is_ready(pod)]
    if len(ready) >= len(sources):
        return Condition(True, Reason.EGRESS_READY, f"traffic leaves from {','.join(sources)}")
    if ready:
        waiting = [pod for pod in pods if pod not in ready]
        why = _told(refusal) if refusal else _why_waiting(waiting)
        return Condition(True, Reason.DEGRADED, f"{len(ready)} of {len(sources)} egress pods are ready; {why}")
    if refusal:
        reason = Reason.POD_REFUSED if refusal.is_lasting else Reason.WAITING_FOR_POD
        return Condition(False, reason, _told(refusal))
    fault = next(filter(None, map(fault_of, pods)), None)
    return Condition(False, fault.reason if fault else Reason.WAITING_FOR_POD, _why_waiting(pods))


def is_finished(pod: KubeObject) -> bool:
    """Whether all of a pod's containers have ended for good, as an evicted pod's have: it holds no address any more.

    Such a pod may stay for days, and a ReplicationController that is scaled to 0 does not remove it.
    """
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: KubeObject) -> bool:
    """Whether the pod may have traffic: its Ready condition is True and nobody has asked it to end."""
    return is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp")


def _told(refusal: Refusal) -> str:
    return f"the egress pod can't be made: {refusal.message}"


def _why_waiting(pods: Sequence[KubeObject]) -> str:
    """What router, kubelet or scheduler say about the pod that is not ready, so that nobody has to look for it."""
    for pod in pods:
        if fault := fault_of(pod):
            return f"pod {pod['metadata']['name']}: {fault.message}"
    for pod in pods:
        if not is_finished(pod) and (said := _said_of(pod)):
            return f"pod {pod['metadata']['name']}{said}"
    return _why_failed(pods) or "the egress pod is starting"


def _said_of(pod: KubeObject) -> str | None:
    """What there is to tell of a pod that has not ended, with what goes between its name and that."""
    status = pod.get("status") or {}
    initial, containers = status.get("initContainerStatuses") or (), status.get("containerStatuses") or ()
    for container in initial:
        if told := _waits(container) or (_exit_code(container) and _ending(container)):
            return f": init container {container.get('name')}: {told}"
    if told := next(filter(None, map(_waits, containers)), None):
        return f": {told}"
    scheduled = find(pod, "PodScheduled")
    if scheduled and scheduled["status"] == "False":
        return f": {scheduled.get('reason')}: {one_line(str(scheduled.get('message', '')), SENTENCE_LENGTH)}"
    if told := next(filter(None, map(_ending, containers)), None):
        return f" ended: {told}"
    if any("running" in (item.get("state") or {}) for item in containers):
        return f" runs and is not ready: {WAITS_FOR}"
    return None


def _why_failed(pods: Sequence[KubeObject]) -> str | None:
    """Why a kubelet evicted, or did not take, the newest pod that has ended, or else how that ended.

    Its name is left out: each that is made in its place may fail as well, and the same is to stay the same.
    """
    finished = [pod for pod in pods if is_finished(pod)]
    if not finished:
        return None
    status = max(finished, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))["status"]
    told = next(filter(None, map(_ending, status.get("containerStatuses") or ())), None)
    if reason := one_line(str(status.get("reason") or ""), LONGEST_WORD):
        told = f"{reason}: {one_line(str(status.get('message', '')), SENTENCE_LENGTH)}"
    return f"the last egress pod failed: {told}" if told else None


def _waits(container: Mapping[str, Any]) -> str | None:
    """Why a container does not start, if it is for more than that its pod is being set up."""
    waiting = (container.get("state") or {}).get("waiting")
    if not waiting or waiting.get("reason") in SETTING_UP:
        return None
    message = _ending(container) or one_line(str(waiting.get("message", "")), SENTENCE_LENGTH)
    return f"{waiting.get('reason')}: {message}"


def _exit_code(container: Mapping[str, Any]) -> int:
    """Of the end that a container has come to; 0 for one that has not, or without a fault, as most init containers."""
    return ((container.get("state") or {}).get("terminated") or {}).get("exitCode") or 0


def _ending(container: Mapping[str, Any]) -> str | None:
    """How a container ended that has not started since: exit code, the kubelet's reason and its own last words.

    The words may be anything. A container that ended without a fault and without a word says nothing.
    """
    if container.get("started"):
        return None
    states = (container.get("state") or {}, container.get("lastState") or {})
    ended = next((state["terminated"] for state in states if state.get("terminated")), None)
    if ended is None or ended.get("exitCode") == REPORT_EXIT_CODE:
        return None
    words, code = one_line(str(ended.get("message", "")), SENTENCE_LENGTH), ended.get("exitCode")
    if not words and not code:
        return None
    reason = one_line(str(ended.get("reason", "")), LONGEST_WORD)
    known_by = f"exit code {code} ({reason})" if reason not in UNTOLD else f"exit code {code}"
    return f"{known_by}: {words}" if words else known_by


def one_line(words: str, longest: int) -> str:
    """What others say, which may be anything, as a condition can repeat it: printable, and cut between two words."""
    line = " ".join("".join(char if char.isprintable() else " " for char in words).split())
    if len(line) <= longest:
        return line
    end = line.rfind(" ", longest - LONGEST_WORD, longest - 3)
    return f"{line[: end if end > 0 else longest - 3]}..."
