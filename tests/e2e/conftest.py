# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Projects with clients in a cluster that has the product installed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from images.build import Image
from tests.support.client import Answer, client_pod, fetch
from tests.support.kubectl import Kubectl

NODES = ("node1", "node2")
READY_SECONDS = 60


@dataclass(frozen=True)
class Project:
    """A namespace with one client pod on each node."""

    kubectl: Kubectl
    name: str

    def fetch(self, host: str, port: int = 80, node: str = NODES[0]) -> Answer:
        return fetch(self.kubectl, self.name, host, port, pod=f"client-{node}")

    def json(self, *arguments: str) -> Any:
        return self.kubectl.json("-n", self.name, *arguments)

    def create_service(self, name: str, egress_pod: dict[str, Any] | str, **spec: Any) -> None:
        """A Service as a user writes it, without a selector."""
        text = egress_pod if isinstance(egress_pod, str) else json.dumps(egress_pod)
        metadata = {"name": name, "namespace": self.name, "annotations": {"egress_pod": text}}
        body = {"ports": [{"name": "foo", "port": 80}], **spec}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body})

    def wait_ready(self, service: str) -> None:
        self.kubectl.wait(self.name, "condition=EgressReady", f"service/{service}", timeout=READY_SECONDS)

    def condition(self, service: str) -> dict[str, str]:
        conditions = self.json("get", "service", service)["status"].get("conditions") or []
        return next((item for item in conditions if item["type"] == "EgressReady"), {})

    def cluster_ip(self, service: str) -> str:
        return str(self.json("get", "service", service)["spec"]["clusterIP"])

    def source_ip(self, service: str) -> str:
        return str(self.json("get", "service", service)["metadata"]["annotations"]["egress.avi.dev/source-ips"])

    def egress_pods(self, service: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json("get", "pods", "-l", f"name={service}-avi-egress-pod")["items"]
        return found


@pytest.fixture(scope="session")
def new_project(product: Path, kubectl: Kubectl, images: dict[str, Image]) -> Iterator[Any]:
    """Makes projects; they are gone after the session, whatever became of the tests."""
    made: list[str] = []

    def make(title: str, *, included: bool = True, labels: dict[str, str] | None = None) -> Project:
        name = f"{title}-{uuid.uuid4().hex[:6]}"
        made.append(name)
        marks = {**({"egress.avi.dev/project": "included"} if included else {}), **(labels or {})}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": marks}})
        image = images["avi-egress-router"].name
        kubectl.apply(*(client_pod(name, image, node, f"client-{node}") for node in NODES))
        kubectl.wait(name, "condition=Ready", *(f"pod/client-{node}" for node in NODES))
        return Project(kubectl, name)

    yield make
    if made:
        kubectl.run("delete", "namespace", *made, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def green(new_project: Any) -> Project:
    project: Project = new_project("green")
    return project


@pytest.fixture(scope="session")
def blue(new_project: Any) -> Project:
    project: Project = new_project("blue")
    return project
