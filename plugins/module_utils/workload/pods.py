# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The egress pods of a service: finished, ready, or why not."""

from __future__ import annotations

from typing import Sequence

from ..api.conditions import Condition, find, is_true
from ..api.reasons import Reason
from ..api.resources import KubeObject
from .termination_message import fault_of

WAITING_MESSAGE_LENGTH = 120
"""Characters of a container's waiting message that a condition repeats."""
WAITS_FOR = "its log says whether it waits for the name of a destination to resolve or for its source address"


def made_by(pod: KubeObject) -> str | None:
    """The kind of the controller that made the pod; None if that has let go of it."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), None)


def readiness(pods: Sequence[KubeObject], outdated: Sequence[KubeObject], sources: Sequence[str]) -> Condition:
    """What the pods of a service come to; ``outdated`` are those of an older rendering that have to end first."""
    if outdated:
        return Condition(False, Reason.REPLACING, "the egress pod of the former configuration is ending")
    ready = [pod for pod in pods if is_ready(pod)]
    if len(ready) >= len(sources):
        return Condition(True, Reason.EGRESS_READY, f"traffic leaves from {','.join(sources)}")
    if ready:
        waiting = [pod for pod in pods if pod not in ready]
        told = f"{len(ready)} of {len(sources)} egress pods are ready; {_why_waiting(waiting)}"
        return Condition(True, Reason.DEGRADED, told)
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
                message = str(waiting.get("message", ""))[:WAITING_MESSAGE_LENGTH]
                return f"pod {pod['metadata']['name']}: {waiting.get('reason')}: {message}"
        scheduled = find(pod, "PodScheduled")
        if scheduled and scheduled["status"] == "False":
            message = str(scheduled.get("message", ""))[:WAITING_MESSAGE_LENGTH]
            return f"pod {pod['metadata']['name']}: {scheduled.get('reason')}: {message}"
        if any("running" in (item.get("state") or {}) for item in status.get("containerStatuses") or ()):
            return f"pod {pod['metadata']['name']} runs and is not ready: {WAITS_FOR}"
    return "the egress pod is starting"
