# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Conditions of an object (Kubernetes API conventions, "Typical status properties"): find, read and set them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping

from .reasons import Reason
from .resources import KubeObject

WrittenCondition = Dict[str, Any]
"""A condition as the API server keeps it: type, status, reason, message, lastTransitionTime."""


@dataclass(frozen=True)
class Condition:
    """What an object is to say about one of its condition types."""

    ready: bool | None
    """None: it can't be told."""
    reason: Reason
    message: str

    @property
    def status(self) -> str:
        return "Unknown" if self.ready is None else str(self.ready)


def conditions_of(obj: KubeObject) -> List[WrittenCondition]:
    """All conditions that an object says."""
    return (obj.get("status") or {}).get("conditions") or []


def find(obj: KubeObject, kind: str) -> WrittenCondition | None:
    """The object's condition of a type, or None."""
    return next((item for item in conditions_of(obj) if item["type"] == kind), None)


def is_true(obj: KubeObject, kind: str) -> bool:
    """Whether the object says that this holds."""
    found = find(obj, kind)
    return found is not None and found["status"] == "True"


def is_refused(condition: WrittenCondition | None) -> bool:
    """Whether a condition is False for a reason that waiting does not cure."""
    return condition is not None and condition["status"] == "False" and Reason.is_final(condition["reason"])


def says(written: Mapping[str, Any], condition: Condition | None) -> bool:
    """Whether what is written (empty: nothing) is this condition, whenever it became so."""
    if condition is None:
        return not written
    wanted = (condition.status, str(condition.reason), condition.message)
    return (written.get("status"), written.get("reason"), written.get("message")) == wanted


def with_conditions(obj: KubeObject, wanted: Mapping[str, Condition | None], now: str) -> List[WrittenCondition]:
    """All conditions of an object, once it says those wanted by their types (None: not a word of a type).

    ``now`` (RFC 3339) is when those change that change their status. The generation that they speak of stands in
    those of objects that have one.
    """
    generation = obj["metadata"].get("generation")
    others = [item for item in conditions_of(obj) if item["type"] not in wanted]
    written = (_written(obj, kind, condition, now) for kind, condition in wanted.items() if condition)
    return [*others, *(item if generation is None else {**item, "observedGeneration": generation} for item in written)]


def conditions_patch(obj: KubeObject, wanted: Mapping[str, Condition | None], now: str) -> KubeObject:
    """The merge patch of an object's status that makes it say the conditions wanted; empty where it does.

    The list is written as a whole, in whatever order it is.
    """
    desired = with_conditions(obj, wanted, now)
    present = {item["type"]: item for item in conditions_of(obj)}
    return {} if {item["type"]: item for item in desired} == present else {"status": {"conditions": desired}}


def _written(obj: KubeObject, kind: str, condition: Condition, now: str) -> WrittenCondition:
    present = find(obj, kind)
    since = present["lastTransitionTime"] if present and present["status"] == condition.status else now
    content = {"status": condition.status, "reason": str(condition.reason), "message": condition.message}
    return {**(present or {}), "type": kind, **content, "lastTransitionTime": since}
