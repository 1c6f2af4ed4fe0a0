# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A namespace in which a tenant works: its services, what became of them, and its clients."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.support.client import Answer, fetch, page
from tests.support.kubectl import Kubectl
from tests.support.waiting import wait_for

NODES = ("node1", "node2")
READY_SECONDS = 60
ENFORCE = "pod-security.kubernetes.io/enforce"
ADMITS_EGRESS_PODS = {ENFORCE: "privileged", "egress.avi.dev/pod-security": "restricted"}
"""A project's labels as onboarding writes them: egress pods may be privileged, others meet the cluster's default."""
DUAL_STACK = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}


@dataclass(frozen=True)
class Project:
    """A namespace with one client pod on each node."""

    kubectl: Kubectl
    name: str

    def fetch(self, host: str, port: int = 80, node: str = NODES[0]) -> Answer:
        return fetch(self.kubectl, self.name, host, port, pod=f"client-{node}")

    def scrape(self, host: str, port: int) -> str:
        """The metrics that the project's client gets there; DemoError if it gets none."""
        return self._page(f"http://{host}:{port}/metrics", 2, NODES[0])

    def json(self, *arguments: str) -> Any:
        return self.kubectl.json("-n", self.name, *arguments)

    def create_service(self, name: str, egress_pod: dict[str, Any] | str, **spec: Any) -> None:
        """A Service as a user writes it, without a selector."""
        text = egress_pod if isinstance(egress_pod, str) else json.dumps(egress_pod)
        metadata = {"name": name, "namespace": self.name, "annotations": {"egress_pod": text}}
        body = {"ports": [{"name": "foo", "port": 80}], **spec}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body})

    def create_cloud(self, **spec: Any) -> None:
        """An EgressCloud of the project's name that includes it alone, with the router's image of the others."""
        common = {
            "uuid": str(uuid.uuid4()),
            "secureEgressMode": True,
            "routerImage": self.kubectl.json("get", "egresscloud", "default")["spec"]["routerImage"],
            "projects": {"include": {"names": [self.name]}},
        }
        head = {"apiVersion": "egress.avi.dev/v1", "kind": "EgressCloud", "metadata": {"name": self.name}}
        self.kubectl.apply({**head, "spec": {**common, **spec}})

    def wait_ready(self, service: str) -> None:
        self.kubectl.wait(self.name, "condition=EgressReady", f"service/{service}", timeout=READY_SECONDS)

    def wait_served(self, service: str) -> None:
        """Wait until clients on both nodes get through; the first who does has to show the service's own address.

        Ready is the pods' word, and it is a moment later that a node's kube-proxy hears of them.
        """
        self.wait_ready(service)
        found = self.json("get", "service", service)
        sources = self.source_ip(service)
        host, port = self.cluster_ip(service, 6 if ":" in sources else 4), found["spec"]["ports"][-1]["port"]
        for node in NODES:
            seen = wait_for(f"{node} is led to {service}", partial(self._seen, host, port, node))
            assert seen in sources.split(","), f"{seen} is none of {sources}"

    def condition(self, service: str, kind: str = "EgressReady") -> dict[str, str]:
        conditions = self.json("get", "service", service)["status"].get("conditions") or []
        return next((item for item in conditions if item["type"] == kind), {})

    def cluster_ip(self, service: str, version: int | None = None) -> str:
        """The Service's first cluster IP, or that of a family."""
        found = self.json("get", "service", service)["spec"]["clusterIPs"]
        of_family = [item for item in found if version is None or (":" in item) == (version == 6)]
        return str(of_family[0])

    def lease(self, service: str) -> dict[str, Any]:
        """The one lease of a service; AssertionError where there are more, or none."""
        found: list[dict[str, Any]] = self.kubectl.json("get", "egressleases")["items"]
        wanted = (self.name, service)
        (mine,) = [item for item in found if (item["spec"]["namespace"], item["spec"]["service"]) == wanted]
        return mine

    def delete(self, service: str) -> None:
        self.kubectl.run("-n", self.name, "delete", "service", service, "--ignore-not-found")

    def ends(self, host: str, port: int = 80, node: str = NODES[0]) -> dict[str, Any]:
        """Both ends of a client's connection as the remote application has them."""
        seen: dict[str, Any] = json.loads(self._page(f"http://{host}:{port}/json", 5, node))
        return seen

    def witness(self, host: str, port: int = 80) -> tuple[str, str, int]:
        """The source address, destination address and destination port that the remote application sees."""
        seen = self.ends(host, port)
        return seen["peer"], seen["localAddress"], seen["localPort"]

    def source_ip(self, service: str) -> str:
        return str(self.json("get", "service", service)["metadata"]["annotations"]["egress.avi.dev/source-ips"])

    def egress_pods(self, service: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json("get", "pods", "-l", f"name={service}-avi-egress-pod")["items"]
        return found

    def _seen(self, host: str, port: int, node: str) -> str | None:
        return self.fetch(host, port, node).seen

    def _page(self, url: str, seconds: float, node: str) -> str:
        return page(self.kubectl, self.name, f"client-{node}", url, seconds)
