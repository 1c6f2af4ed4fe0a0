# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Status of custom resources: figures and conditions in one write, and only where they say something new."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition, with_conditions
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import merge_patch
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient


def write_status(
    client: KubeClient, resource: Resource, obj: KubeObject, wanted: Mapping[str, Condition], figures: Mapping[str, Any]
) -> None:
    """Write figures and conditions (by their types), with the generation that they speak of, where they differ.

    All conditions of an object are one list, written as a whole: those of one reconciliation belong into one write.
    """
    desired = {
        **figures,
        "observedGeneration": obj["metadata"].get("generation", 0),
        "conditions": with_conditions(obj, wanted, timestamp(utc_now())),
    }
    patch = merge_patch(desired, obj.get("status") or {})
    if patch:
        client.patch(resource, obj["metadata"]["name"], {"status": patch}, subresource="status")
