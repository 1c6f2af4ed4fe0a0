# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Status of our own kinds: written only when it says something new."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.cluster import Cluster
from ansible_collections.avi.egress.plugins.module_utils.difference import merge_patch
from ansible_collections.avi.egress.plugins.module_utils.leases import timestamp
from ansible_collections.avi.egress.plugins.module_utils.plan import Condition
from ansible_collections.avi.egress.plugins.module_utils.resources import KubeObject, Resource


def condition_of(obj: KubeObject, kind: str) -> dict[str, Any] | None:
    """The object's condition of a type, or None."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == kind), None)


def write_status(
    cluster: Cluster, resource: Resource, obj: KubeObject, kind: str, condition: Condition, figures: dict[str, Any]
) -> None:
    """Write figures and the condition of a type, with the generation that they speak of, where they differ."""
    generation = obj["metadata"].get("generation", 0)
    current = condition_of(obj, kind)
    said = {
        "type": kind,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation,
    }
    same = current is not None and current["status"] == condition.status
    since = current["lastTransitionTime"] if same and current else timestamp(datetime.now().astimezone())
    others = [item for item in (obj.get("status") or {}).get("conditions") or () if item["type"] != kind]
    desired = {
        **figures,
        "observedGeneration": generation,
        "conditions": [*others, {**said, "lastTransitionTime": since}],
    }
    patch = merge_patch(desired, obj.get("status") or {})
    if patch:
        cluster.patch(resource, obj["metadata"]["name"], {"status": patch}, subresource="status")
