# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the API server and kubelet make of a plan's writes: the next observation."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import patched
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.api.writes import Write
from ansible_collections.avi.egress.plugins.module_utils.workload import plan
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, Plan

from tests.support.builders import SOURCE, cloud, network, service, service_object

FIELD_OF_KIND = {
    "Service": "service",
    "ReplicationController": "controller",
    "StatefulSet": "stateful_set",
    "PodDisruptionBudget": "disruption_budget",
    "NetworkPolicy": "network_policy",
    "EndpointSlice": "endpoint_slice",
    "ServiceAccount": "service_account",
    "SecurityContextConstraints": "scc",
}


def stored(body: KubeObject, version: str = "1") -> KubeObject:
    """What the API server makes of a body: no nulls, its own metadata."""
    bare = {key: value for key, value in body.items() if value is not None}
    return {**bare, "metadata": {"uid": "some-uid", "resourceVersion": version, **body["metadata"]}}


def carried_out(observed: Observed, writes: tuple[Write, ...]) -> Observed:
    """The world after the writes."""
    for write in writes:
        field = FIELD_OF_KIND[write.resource.kind]
        current = getattr(observed, field)
        if write.verb == "create":
            assert current is None
            after = stored(copy.deepcopy(write.body))
        elif write.verb == "patch":
            asked = write.body.get("metadata", {}).get("resourceVersion")
            assert asked in (None, current["metadata"]["resourceVersion"])
            after = stored(patched(current, write.body))
        else:
            assert write.uid == current["metadata"]["uid"]
            after = None
        changed: dict[str, Any] = {field: after}
        observed = replace(observed, **changed)
    return observed


def pod_of(controller: KubeObject, ready: bool = True, **status: Any) -> KubeObject:
    template = copy.deepcopy(controller["spec"]["template"])
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {**template["metadata"], "name": "pod-1"},
        "spec": template["spec"],
        "status": {"phase": "Running", "conditions": conditions, **status},
    }


def served(observed: Observed, egress_pod: Any = None, **fields: Any) -> Plan:
    return plan.serve(service(egress_pod, **fields), cloud(), network(), [SOURCE], observed)


def running(egress_pod: Any = None, **fields: Any) -> Observed:
    """A service that is served, its pod ready."""
    start = Observed(service=service_object(egress_pod, **fields), has_scc=True)
    observed = carried_out(start, served(start, egress_pod).writes)
    assert observed.controller is not None
    return replace(observed, pods=(pod_of(observed.controller),))
