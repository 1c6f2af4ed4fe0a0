# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The node ports of an egress Service: freed while it has egress, given back afterwards."""

from __future__ import annotations

from ..annotations.service_type import LOAD_BALANCER
from ..api.merge_patch import patched
from ..api.resources import API_GROUP, KubeObject

NODE_PORTS_ANNOTATION = f"{API_GROUP}/node-ports"
WITHHELD = "withheld"
"""On a Service whose node ports were taken away for egress, so that they are given back when egress ends."""


def without_node_ports(desired: KubeObject, observed: KubeObject) -> KubeObject:
    """What is desired of an egress Service, its node ports freed.

    Kubernetes frees a node port only when it is asked for no new ones and the port's own ``nodePort`` goes too.
    """
    spec = observed["spec"]
    if spec.get("type") != LOAD_BALANCER:
        return desired
    closed: KubeObject = {"allocateLoadBalancerNodePorts": False}
    ports = desired.get("spec", {}).get("ports", spec.get("ports") or [])
    if any(item.get("nodePort") for item in ports):
        closed["ports"] = [{**item, "nodePort": None} for item in ports]
    marks = {NODE_PORTS_ANNOTATION: WITHHELD} if spec.get("allocateLoadBalancerNodePorts", True) else {}
    return patched(desired, {"metadata": {"annotations": marks}, "spec": closed})


def with_node_ports(desired: KubeObject, observed: KubeObject) -> KubeObject:
    """What is desired of a Service that is the user's alone again: node ports where it had them (not their numbers)."""
    if NODE_PORTS_ANNOTATION not in (observed["metadata"].get("annotations") or {}):
        return desired
    restored = patched(desired, {"metadata": {"annotations": {}}})
    restored["metadata"]["annotations"][NODE_PORTS_ANNOTATION] = None
    if observed["spec"].get("type") == LOAD_BALANCER:
        restored = patched(restored, {"spec": {"allocateLoadBalancerNodePorts": True}})
    return restored
