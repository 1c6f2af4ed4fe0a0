# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The doors that a Service may have to the world outside its cluster (design §5).

Through a node port, or through an external IP that a node answers for, whoever reaches a node would leave with the
project's own address. The article's sample is of type LoadBalancer, whose node ports are a means of its balancer alone,
and one that Kubernetes can do without.
"""

from __future__ import annotations

from ..api.errors import Refused
from ..api.merge_patch import patched
from ..api.resources import API_GROUP, KubeObject

LOAD_BALANCER = "LoadBalancer"
ALLOWED_TYPES = ("ClusterIP", LOAD_BALANCER)
NODE_PORTS_ANNOTATION = f"{API_GROUP}/node-ports"
WITHHELD = "withheld"
"""On a Service whose node ports were taken away for egress, so that they are given back when egress ends."""


def check(service: KubeObject, subject: str) -> None:
    """Refuse a Service that is open to the outside, or has no virtual IP to which its clients could connect."""
    spec = service.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    if kind not in ALLOWED_TYPES:
        why = "which opens it to whoever reaches a node" if kind == "NodePort" else "which has no virtual IP"
        raise _refused(subject, "type", kind, f"{why}; give {' or '.join(ALLOWED_TYPES)}")
    if spec.get("clusterIP") == "None":
        raise _refused(subject, "clusterIP", "None", "which has no virtual IP; leave it out")
    foreign = sorted(set(spec.get("externalIPs") or ()) - _balancer_addresses(service))
    if foreign:
        raise _refused(
            subject, "externalIPs", ", ".join(foreign), "which opens it to whoever reaches a node; leave it out"
        )


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


def _balancer_addresses(service: KubeObject) -> set[str]:
    """The balancer's own: OpenShift lists them among the external IPs too (article, action 2)."""
    if service["spec"].get("type") != LOAD_BALANCER:
        return set()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return {item["ip"] for item in ingress if item.get("ip")}


def _refused(subject: str, field: str, value: str, told: str) -> Refused:
    return Refused("ServiceTypeNotAllowed", f"{subject}: spec.{field} is {value}, {told}")
