# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A cloud, a network and a project of one test, and the parts of tenant and kubelet in them."""

from __future__ import annotations

import copy
import itertools
import json
import uuid
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import IPv4Network
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    EVENT,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICATION_CONTROLLER,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import GATEWAY, PROJECT
from ansible_collections.avi.egress.plugins.module_utils.workload import placement
from ansible_collections.avi.egress.plugins.module_utils.workload.placement import Place

from tests.support.controller_process import NAMESPACE_OF_CONTROLLER
from tests.support.waiting import wait_for

LABEL = "tests.egress.avi.dev/world"
KEPT = (SERVICE, POD, REPLICATION_CONTROLLER, STATEFUL_SET, NETWORK_POLICY, POD_DISRUPTION_BUDGET, SERVICE_ACCOUNT)
"""What a project has of egress, services first."""
_subnets = itertools.count()


class World:
    """A cloud, a network and a project that no other test touches."""

    def __init__(self, cluster: KubeClient) -> None:
        self.cluster = cluster
        self.name = f"w{uuid.uuid4().hex[:8]}"
        self.uuid = str(uuid.uuid4())
        self.namespace = self.name
        self.placement = PROJECT

    def set_up(
        self, *, prefix: int = 28, secure: bool = True, quarantine: int = 3600, more: Iterable[str] = (), **fields: Any
    ) -> World:
        """``more`` are further subnets of the network, ``fields`` further ones of its spec."""
        number = next(_subnets)
        cidr = f"10.{100 + number // 256}.{number % 256}.0/{prefix}"
        self.subnet = IPv4Network(cidr)
        self.add_namespace(self.namespace)
        subnets = [{"cidr": item} for item in (cidr, *more)]
        # On an uplink of its own, as some tests' networks have the same addresses.
        spec = {"subnets": subnets, "quarantineSeconds": quarantine, "uplink": self.name, **fields}
        self.create(EGRESS_NETWORK, self.name, spec)
        include = {"include": {"matchLabels": {LABEL: self.name}}}
        self.create(
            EGRESS_CLOUD,
            self.name,
            {"uuid": self.uuid, "secureEgressMode": secure, "projects": include, "networks": [self.name]},
        )
        return self

    def of_project(self, name: str) -> World:
        """Another project with the same cloud and network."""
        self.add_namespace(name)
        other = copy.copy(self)
        other.namespace = name
        return other

    def change_placement(self, wanted: str) -> None:
        """Where egress pods are to be from now on, and are looked for by this world."""
        self.placement = wanted
        self.cluster.patch(EGRESS_CLOUD, self.name, {"spec": {"placement": wanted}})

    def place(self, name: str) -> Place:
        if self.placement == GATEWAY:
            return placement.in_gateway(NAMESPACE_OF_CONTROLLER, self.namespace, name)
        return placement.in_project(self.namespace, name)

    def end(self) -> None:
        """Take away what a controller would look after, but for the namespaces: that of each later test would."""
        for namespace in self.cluster.list(NAMESPACE, labels=f"{LABEL}={self.name}"):
            for resource in KEPT:
                body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
                path = resource.path(namespace["metadata"]["name"])
                self.cluster._request("DELETE", path, resource, None, body)
        for resource in (EGRESS_CLOUD, EGRESS_NETWORK, EGRESS_LEASE, EGRESS_ADDRESS):
            for item in self.cluster.list(resource):
                if self.name in (item["metadata"]["name"][: len(self.name)], item["spec"].get("network")):
                    self.cluster.delete_named(resource, item["metadata"]["name"])

    def add_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: self.name}}}
        self.cluster.create(NAMESPACE, body)

    def create(self, resource: Any, name: str, spec: dict[str, Any]) -> KubeObject:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "spec": spec}
        return self.cluster.create(resource, body)

    def serve(self, name: str, egress_pod: Any = None, **spec: Any) -> None:
        """Create a secure egress service; a string is the annotation's text as it is."""
        wish = {"destination_ip": "10.10.10.200"} if egress_pod is None else egress_pod
        text = wish if isinstance(wish, str) else json.dumps(wish)
        metadata = {"name": name, "namespace": self.namespace, "annotations": {"egress_pod": text}}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}}
        self.cluster.create(SERVICE, body)

    def annotate(self, name: str, text: str | None) -> None:
        self.cluster.patch(SERVICE, name, {"metadata": {"annotations": {"egress_pod": text}}}, self.namespace)

    def delete(self, name: str) -> None:
        self.cluster.delete_named(SERVICE, name, self.namespace)

    def service(self, name: str) -> KubeObject:
        found = self.cluster.get(SERVICE, name, self.namespace)
        assert found is not None
        return found

    def controller(self, name: str) -> KubeObject | None:
        place = self.place(name)
        return self.cluster.get(REPLICATION_CONTROLLER, place.name, place.namespace)

    def condition(self, name: str, kind: str = "EgressReady") -> dict[str, Any]:
        conditions = self.service(name)["status"].get("conditions") or ()
        return next((item for item in conditions if item["type"] == kind), {})

    def lease(self, name: str) -> KubeObject | None:
        return self.cluster.get(EGRESS_LEASE, f"{self.name}.{self.namespace}.{name}.0")

    def address(self, name: str) -> str | None:
        status = (self.lease(name) or {}).get("status") or {}
        return status.get("address") if status.get("phase") == "Bound" else None

    def phase(self, name: str) -> str | None:
        found: str | None = ((self.lease(name) or {}).get("status") or {}).get("phase")
        return found

    def bound(self) -> int:
        """How many leases of the network are Bound."""
        return sum((lease.get("status") or {}).get("phase") == "Bound" for lease in self.leases())

    def network_condition(self, kind: str) -> dict[str, Any]:
        conditions = ((self.cluster.get(EGRESS_NETWORK, self.name) or {}).get("status") or {}).get("conditions") or ()
        return next((item for item in conditions if item["type"] == kind), {})

    def confirm_mass_release(self) -> None:
        annotations = {"egress.avi.dev/mass-release": "allow"}
        self.cluster.patch(EGRESS_NETWORK, self.name, {"metadata": {"annotations": annotations}})

    def locks(self) -> list[KubeObject]:
        return [item for item in self.cluster.list(EGRESS_ADDRESS) if item["spec"]["network"] == self.name]

    def leases(self) -> list[KubeObject]:
        return [item for item in self.cluster.list(EGRESS_LEASE) if item["spec"]["network"] == self.name]

    def events(self, name: str) -> list[KubeObject]:
        """What the controller told; the API server tells of the cluster IPs that it repairs, too."""
        found = self.cluster.list(EVENT, self.namespace, fields=f"involvedObject.name={name}")
        return [event for event in found if event["source"].get("component") == "avi-egress-controller"]

    def lease_events(self, name: str) -> set[str]:
        """The reasons of what was told of a service's lease."""
        lease = f"{self.name}.{self.namespace}.{name}.0"
        return {item["reason"] for item in self.cluster.list(EVENT, fields=f"involvedObject.name={lease}")}

    def wait_reason(self, name: str, reason: str, seconds: float = 30) -> dict[str, Any]:
        def check() -> dict[str, Any] | None:
            found = self.condition(name)
            return found if found.get("reason") == reason else None

        found = wait_for(f"{name} to say {reason}", check, seconds, lambda: self.service(name))
        assert found is not None
        return found

    def wait_served(self, name: str) -> None:
        self.wait_reason(name, "WaitingForPod")
        assert self.service(name)["spec"]["selector"] == {"name": f"{name}-avi-egress-pod"}

    def run_pod(self, name: str, last_words: str | None = None, address: str | None = None) -> str:
        """Play the RC's controller and kubelet: a pod of the present template, perhaps with an address.

        It is ready, or waits after its router has ended once with some last words.
        """
        template = (self.controller(name) or {})["spec"]["template"]
        place = self.place(name)
        labels = template["metadata"]["labels"]
        metadata = {"name": f"{place.name}-x", "namespace": place.namespace, "labels": labels}
        spec = {**template["spec"], "nodeName": "nowhere"}
        self.cluster.create(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        status: dict[str, Any] = {"conditions": [{"type": "Ready", "status": str(last_words is None)}]}
        if last_words is not None:
            container = {"name": spec["containers"][0]["name"], "image": "x", "imageID": "x", "restartCount": 1}
            ended = {"terminated": {"exitCode": 75, "message": last_words}}
            status["containerStatuses"] = [{**container, "ready": False, "started": False, "lastState": ended}]
        if address:
            status |= {"podIP": address, "podIPs": [{"ip": address}]}
        pod = str(metadata["name"])
        patch = {"status": {"phase": "Running", **status}}
        self.cluster.patch(POD, pod, patch, place.namespace, subresource="status")
        return pod

    def serve_by_pod(self, name: str) -> str:
        """A service whose pod, which is played, is ready; gives that."""
        self.serve(name)
        self.wait_served(name)
        pod = self.run_pod(name)
        self.wait_reason(name, "EgressReady")
        return pod

    def refuse_pod(self, name: str, message: str | None) -> None:
        """Play the RC's controller whose pods have been refused for a minute; None: they are not any more."""
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
        failure["lastTransitionTime"] = timestamp(utc_now() - timedelta(minutes=1))
        status = {"status": {"conditions": [failure] if message else []}}
        place = self.place(name)
        self.cluster.patch(REPLICATION_CONTROLLER, place.name, status, place.namespace, subresource="status")

    def end_pod(self, pod: str, namespace: str | None = None) -> None:
        """Play kubelet: the pod is gone at once."""
        path = POD.path(namespace or self.namespace, pod)
        self.cluster._request("DELETE", path, POD, None, {"gracePeriodSeconds": 0, "kind": "DeleteOptions"})
