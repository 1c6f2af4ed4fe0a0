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
        status = pod.get("status") or {}
        for container in status.get("containerStatuses") or ():
            waiting = (container.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") != "ContainerCreating":
                message = _ending(container) or one_line(str(waiting.get("message", "")), SENTENCE_LENGTH)
                return f"pod {pod['metadata']['name']}: {waiting.get('reason')}: {message}"
        scheduled = find(pod, "PodScheduled")
        if scheduled and scheduled["status"] == "False":
            message = one_line(str(scheduled.get("message", "")), SENTENCE_LENGTH)
            return f"pod {pod['metadata']['name']}: {scheduled.get('reason')}: {message}"
        if ending := next(filter(None, map(_ending, status.get("containerStatuses") or ())), None):
            return f"pod {pod['metadata']['name']} ended: {ending}"
        if any("running" in (item.get("state") or {}) for item in status.get("containerStatuses") or ()):
            return f"pod {pod['metadata']['name']} runs and is not ready: {WAITS_FOR}"
    return "the egress pod is starting"


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
