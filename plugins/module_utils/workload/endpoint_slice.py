# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The EndpointSlice by which a project's Service leads to egress pods in the controller's namespace."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..annotations.egress_service import EgressService
from ..api import addresses
from ..api.conditions import is_true
from ..api.resources import ENDPOINT_SLICE, MANAGER, KubeObject
from . import manifests, placement
from .pods import is_finished

SERVED_LABEL = "kubernetes.io/service-name"
"""Of an EndpointSlice: the Service that it is of."""
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"


def endpoint_slice(
    service: EgressService, ports: Sequence[Mapping[str, Any]], pods: Sequence[KubeObject]
) -> KubeObject:
    """How a Service leads to egress pods in another namespace: in the family of its source addresses alone.

    ``ports`` are the Service's. Its selector finds no pods there, so that Kubernetes' own EndpointSlices are empty.
    """
    head = manifests.part(ENDPOINT_SLICE, service, placement.in_project(service.namespace, service.name))
    head["metadata"]["labels"] |= {
        SERVED_LABEL: service.name,
        MANAGED_BY_LABEL: MANAGER,
    }
    found = [(pod, _address(pod, service.ip_family)) for pod in pods if not is_finished(pod)]
    return {
        **head,
        "addressType": service.ip_family,
        "endpoints": sorted(
            (_endpoint(pod, address) for pod, address in found if address), key=lambda item: str(item["targetRef"])
        ),
        "ports": [
            {
                "name": item.get("name", ""),
                "port": item.get("targetPort", item["port"]),
                "protocol": item.get("protocol", "TCP"),
            }
            for item in ports
        ],
    }


def _endpoint(pod: KubeObject, address: str) -> KubeObject:
    """As Kubernetes says it: what ends may still serve those for whom there is no other."""
    metadata = pod["metadata"]
    serving, terminating = is_true(pod, "Ready"), "deletionTimestamp" in metadata
    return {
        "addresses": [address],
        "conditions": {"ready": serving and not terminating, "serving": serving, "terminating": terminating},
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {"kind": "Pod", **{key: metadata[key] for key in ("namespace", "name", "uid")}},
    }


def _address(pod: KubeObject, family: str) -> str | None:
    given = [str(item.get("ip")) for item in (pod.get("status") or {}).get("podIPs") or ()]
    return next((address for address in given if addresses.family_of(address) == family), None)
