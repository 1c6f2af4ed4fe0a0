# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Status of our own kinds: written only when it says something new."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import merge_patch
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient


def condition_of(obj: KubeObject, kind: str) -> dict[str, Any] | None:
    """The object's condition of a type, or None."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == kind), None)


def write_status(
    cluster: KubeClient,
    resource: Resource,
    obj: KubeObject,
    conditions: Mapping[str, Condition],
    figures: dict[str, Any],
) -> None:
    """Write figures and conditions (by their types), with the generation that they speak of, where they differ.

    All conditions of an object are one list, written as a whole: those of one pass belong into one write.
    """
    generation = obj["metadata"].get("generation", 0)
    desired = {**figures, "observedGeneration": generation, "conditions": with_conditions(obj, conditions)}
    patch = merge_patch(desired, obj.get("status") or {})
    if patch:
        cluster.patch(resource, obj["metadata"]["name"], {"status": patch}, subresource="status")


def with_conditions(obj: KubeObject, conditions: Mapping[str, Condition]) -> list[dict[str, Any]]:
    """All conditions of an object, once it says these."""
    generation = obj["metadata"].get("generation", 0)
    others = [item for item in (obj.get("status") or {}).get("conditions") or () if item["type"] not in conditions]
    said = [_said(condition_of(obj, kind), kind, condition, generation) for kind, condition in conditions.items()]
    return [*others, *said]


def _said(current: dict[str, Any] | None, kind: str, condition: Condition, generation: int) -> dict[str, Any]:
    same = current is not None and current["status"] == condition.status
    return {
        "type": kind,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation,
        "lastTransitionTime": current["lastTransitionTime"] if same and current else timestamp(utc_now()),
    }
