# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The proof: who reaches the remote application, by which way, and which address is seen there."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.support.client import Answer, client_pod, fetch
from tests.support.kubectl import Kubectl
from tests.support.playbook import OTHER_PROJECT, PROJECT, SERVICE


@dataclass(frozen=True)
class SecureService:
    """The service as the cluster has it once it is ready."""

    cluster_ip: str
    source_ip: str
    """EGRESS_SOURCE, from the egress pod's own environment."""
    destination: str
    pod: str
    pod_ip: str
    node: str


@dataclass(frozen=True)
class Row:
    """One way to the remote application, what was to be seen there, and what was."""

    project: str
    way: str
    address: str
    expected: str
    answer: Answer
    holds: bool

    @property
    def verdict(self) -> str:
        happened = f"seen as {self.answer.seen}" if self.answer.seen else f"refused ({self.answer.error})"
        return f"{'ok' if self.holds else 'WRONG'}: {happened}"


def secure_service(kubectl: Kubectl) -> SecureService:
    """What the cluster says of the service, its pod and the pod's environment."""
    service = kubectl.json("-n", PROJECT, "get", "service", SERVICE)
    pods = kubectl.json("-n", PROJECT, "get", "pods", "-l", f"name={SERVICE}-avi-egress-pod")["items"]
    pod = next(item for item in pods if not item["metadata"].get("deletionTimestamp"))
    environment = {item["name"]: item["value"] for item in pod["spec"]["containers"][0]["env"]}
    return SecureService(
        cluster_ip=service["spec"]["clusterIP"],
        source_ip=environment["EGRESS_SOURCE"],
        destination=environment["EGRESS_DESTINATION"],
        pod=pod["metadata"]["name"],
        pod_ip=pod["status"]["podIP"],
        node=pod["spec"]["nodeName"],
    )


def start_clients(kubectl: Kubectl, image: str) -> None:
    """A client pod in the project and one in the other."""
    kubectl.apply(*(client_pod(project, image) for project in (PROJECT, OTHER_PROJECT)))
    for project in (PROJECT, OTHER_PROJECT):
        kubectl.wait(project, "condition=Ready", "pod/client")


def prove(kubectl: Kubectl, service: SecureService) -> list[Row]:
    """Every way of the article's "Access Patterns", and a plain connection beside them."""
    name = f"{SERVICE}.{PROJECT}.svc"
    source = service.source_ip

    def row(project: str, way: str, address: str, expected: str) -> Row:
        answer = fetch(kubectl, project, address)
        holds = {
            "source": answer.seen == source,
            "refused": answer.refused,
            "another address": answer.seen is not None and answer.seen != source,
        }[expected]
        return Row(project, way, address, source if expected == "source" else expected, answer, holds)

    return [
        row(PROJECT, "Service, cluster IP", service.cluster_ip, "source"),
        row(PROJECT, "Service, name", name, "source"),
        row(PROJECT, "egress pod", service.pod_ip, "source"),
        row(OTHER_PROJECT, "Service, cluster IP", service.cluster_ip, "refused"),
        row(OTHER_PROJECT, "Service, name", name, "refused"),
        row(OTHER_PROJECT, "egress pod", service.pod_ip, "refused"),
        row(PROJECT, "plain, no service", service.destination, "another address"),
    ]


def show(service: SecureService, rows: list[Row]) -> None:
    """Two tables a person can read."""
    console = Console(width=150)
    about = Table(title=f"Service {PROJECT}/{SERVICE}", title_justify="left")
    for heading in ("project", "service", "cluster IP", "source IP", "destination", "pod", "node", "verdict"):
        about.add_column(heading, overflow="fold")
    verdict = "ok" if all(item.holds for item in rows) else "WRONG"
    where = (service.destination, service.pod, service.node)
    about.add_row(PROJECT, SERVICE, service.cluster_ip, service.source_ip, *where, verdict)
    console.print(about)
    proof = Table(title="What the remote application saw", title_justify="left")
    for heading in ("from project", "way", "to", "expected", "verdict"):
        proof.add_column(heading, overflow="fold")
    for item in rows:
        proof.add_row(
            item.project, item.way, item.address, item.expected, item.verdict, style=None if item.holds else "bold red"
        )
    console.print(proof)
