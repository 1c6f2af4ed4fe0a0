# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Conditions of an object (Kubernetes API conventions, "Typical status properties")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from .reasons import Reason
from .resources import KubeObject


@dataclass(frozen=True)
class Condition:
    """The Service's ``EgressReady`` condition (Kubernetes API conventions, "Typical status properties")."""

    ready: bool
    reason: Reason
    message: str

    @property
    def status(self) -> str:
        return "True" if self.ready else "False"


def conditions_patch(service: KubeObject, wanted: Mapping[str, Condition | None], now: str) -> KubeObject:
    """The merge patch of the Service's status that makes it carry the conditions (None: none of a type).

    Empty where it does.
    """
    conditions: list[dict[str, Any]] = (service.get("status") or {}).get("conditions") or []
    present = {item["type"]: item for item in conditions}
    kept = [item for item in conditions if item["type"] not in wanted]
    said = [_said(kind, condition, present.get(kind), now) for kind, condition in wanted.items() if condition]
    desired = [*kept, *said]
    return {} if {item["type"]: item for item in desired} == present else {"status": {"conditions": desired}}


def _said(kind: str, condition: Condition, present: dict[str, Any] | None, now: str) -> dict[str, Any]:
    since = present["lastTransitionTime"] if present and present["status"] == condition.status else now
    said = {"status": condition.status, "reason": str(condition.reason), "message": condition.message}
    return {**(present or {}), "type": kind, **said, "lastTransitionTime": since}
