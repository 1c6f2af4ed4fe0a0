# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The types of Service that egress may have: those that open no way in from outside the cluster.

Through a node port, or through an external IP that a node answers for, anybody who reaches a node would leave with the
project's own address (docs/explanation/security.md). The article's sample is of type LoadBalancer, whose node ports are
a means of its balancer alone, and one that Kubernetes can do without.
"""

from __future__ import annotations

from ..api.errors import Refused
from ..api.reasons import Reason
from ..api.resources import KubeObject

LOAD_BALANCER = "LoadBalancer"
ALLOWED_TYPES = ("ClusterIP", LOAD_BALANCER)


def check(service: KubeObject, subject: str) -> None:
    """Refuse a Service that is open to the outside, or has no virtual IP to which its clients could connect."""
    spec = service.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    if kind not in ALLOWED_TYPES:
        why = "which opens it to anybody who reaches a node" if kind == "NodePort" else "which has no virtual IP"
        raise _refused(subject, "type", kind, f"{why}; give {' or '.join(ALLOWED_TYPES)}")
    if spec.get("clusterIP") == "None":
        raise _refused(subject, "clusterIP", "None", "which has no virtual IP; leave it out")
    if foreign := _foreign_addresses(service):
        raise _refused(
            subject, "externalIPs", ", ".join(foreign), "which opens it to anybody who reaches a node; leave it out"
        )


def opens_a_door(service: KubeObject) -> bool:
    """Whether anybody who reaches a node comes in, past all that could be done about a balancer's node ports."""
    return (service.get("spec") or {}).get("type") == "NodePort" or bool(_foreign_addresses(service))


def _foreign_addresses(service: KubeObject) -> list[str]:
    """Those that nodes answer for, and are not the balancer's."""
    return sorted(set((service.get("spec") or {}).get("externalIPs") or ()) - _balancer_addresses(service))


def _balancer_addresses(service: KubeObject) -> set[str]:
    """The balancer's own: OpenShift lists them among the external IPs too (article, action 2)."""
    if service["spec"].get("type") != LOAD_BALANCER:
        return set()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return {item["ip"] for item in ingress if item.get("ip")}


def _refused(subject: str, field: str, value: str, told: str) -> Refused:
    return Refused(Reason.SERVICE_TYPE_NOT_ALLOWED, f"{subject}: spec.{field} is {value}, {told}")
