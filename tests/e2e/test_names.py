# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Names, in a real cluster: those that clients know a secure egress service by, and those of its destinations.

CoreDNS answers from the ConfigMap that the tests edit, so a change is what an administrator's change would be.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest

from images.build import Image
from tests.cluster import Cluster
from tests.support import playbook
from tests.support.capture import inside
from tests.support.client import client_pod
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import ADMITS_EGRESS_PODS, NODES, Project
from tests.support.waiting import wait_for

SERVICE = "secure-egress-service"
SUB_DOMAIN = "sub-domain"
ZONE = "names.test"
TTL = 2
# The router asks again when the TTL ends; the rest is room for a busy machine.
FOLLOWS_SECONDS = TTL + 8
FIRST, SECOND = "10.10.10.200", "10.10.24.85"
COREFILE_SECONDS = 20

_LINES_AFTER = 30
"""Of a stream, that still have to come when it has been told to end: those of three seconds."""
# Keeps one connection busy until it is told to end, and then tells how many lines came, and from how many sources.
_STREAM = f"""
import select, sys, urllib.request
seen, after = [], 0
with urllib.request.urlopen(sys.argv[1] + "/stream?seconds=600", timeout=5) as answer:
    print("open", flush=True)
    while after < {_LINES_AFTER}:
        after += bool(after or select.select([sys.stdin], [], [], 0)[0])
        line = answer.readline().decode().strip()
        if not line:
            sys.exit("the stream was cut")
        seen.append(line)
print(len(seen), *sorted(set(seen)), flush=True)
"""


@dataclass(frozen=True)
class Dns:
    """The cluster's CoreDNS: its Corefile, and its answers as they are at the server."""

    cluster: Cluster
    kubectl: Kubectl

    def corefile(self) -> str:
        found = self.kubectl.json("-n", "kube-system", "get", "configmap", "coredns")
        return str(found["data"]["Corefile"])

    def write(self, corefile: str) -> None:
        patch = json.dumps({"data": {"Corefile": corefile}})
        self.kubectl.run("-n", "kube-system", "patch", "configmap", "coredns", "--type=merge", "-p", patch)

    def address(self, name: str) -> str | None:
        """The first address in the answer; None if there is none, or no answer."""
        query = dns.message.make_query(name, "A")
        with inside(self.cluster.namespace("control")):
            try:
                answer = dns.query.udp(query, str(self.cluster.layout.control.ip), timeout=2)
            except (dns.exception.DNSException, OSError):
                return None
        found = [record.address for item in answer.answer for record in item if hasattr(record, "address")]
        return found[0] if found else None

    def answers(self, label: str, address: str) -> bool:
        return self.address(f"{label}.{ZONE}") == address

    @contextmanager
    def zone(self) -> Iterator[Callable[[dict[str, str]], None]]:
        """Sets the records of ``ZONE``, which has a server block of its own and no cache; put back at the end."""
        before = self.corefile()

        def set_records(records: dict[str, str]) -> None:
            lines = "".join(f"        {address} {name}.{ZONE}\n" for name, address in records.items())
            self.write(f"{before}{ZONE}:53 {{\n    hosts {{\n{lines}        ttl {TTL}\n    }}\n    reload 2s 1s\n}}\n")
            told = f"CoreDNS answers {records}"
            wait_for(told, lambda: all(map(self.answers, records, records.values())), COREFILE_SECONDS)

        try:
            yield set_records
        finally:
            self.write(before)


@pytest.fixture(scope="module")
def coredns(cluster: Cluster, kubectl: Kubectl) -> Dns:
    return Dns(cluster, kubectl)


@pytest.fixture
def zone(coredns: Dns) -> Iterator[Callable[[dict[str, str]], None]]:
    with coredns.zone() as set_records:
        yield set_records


@contextmanager
def stream(project: Project, host: str) -> Iterator[subprocess.Popen[str]]:
    """One connection of a client that lasts until a line tells it to end; it is established when this is entered."""
    within = ("-n", project.name, "exec", "--stdin", f"client-{NODES[0]}")
    command = project.kubectl.command(*within, "--", "python3", "-c", _STREAM, f"http://{host}")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


@contextmanager
def service(project: Project, name: str, egress_pod: dict[str, Any], **spec: Any) -> Iterator[None]:
    project.create_service(name, egress_pod, **spec)
    try:
        yield
    finally:
        project.kubectl.run("-n", project.name, "delete", "service", name, "--ignore-not-found")
        wait_for(f"the pods of {name} are gone", lambda: not project.egress_pods(name), 60)


# --- the service's own names ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """Runs ``avi.egress.site`` as the product fixture did, but for the names."""

    kubeconfig: Path
    variables: dict[str, Any]

    def run(self, sub_domain: str, *, check: bool = False) -> playbook.Recap:
        variables = {**self.variables, "egress_sub_domain": sub_domain}
        return playbook.run(self.kubeconfig, variables, "site", show=False, check=check)


@pytest.fixture(scope="module")
def named_site(product: Path, site_variables: dict[str, Any], coredns: Dns) -> Iterator[tuple[Site, str]]:
    """The names are set up; with the Corefile as it was before."""
    before = coredns.corefile()
    site = Site(product, site_variables)
    site.run(SUB_DOMAIN)
    try:
        wait_for(
            "CoreDNS knows the names", lambda: coredns.address(f"kubernetes.default.{SUB_DOMAIN}"), COREFILE_SECONDS
        )
        yield site, before
    finally:
        coredns.write(before)


@pytest.fixture(scope="module")
def default_project(kubectl: Kubectl, images: dict[str, Image], product: Path) -> Iterator[Project]:
    """The article's project, ``default``, with a client; as it was before at the end."""
    project = Project(kubectl, "default")
    image = images["avi-egress-controller"].name
    clients = [f"pod/client-{node}" for node in NODES]
    labels = {"egress.avi.dev/project": "included", **ADMITS_EGRESS_PODS}
    kubectl.run("label", "namespace", "default", "--overwrite", *(f"{key}={value}" for key, value in labels.items()))
    try:
        kubectl.apply(*(client_pod("default", image, node, f"client-{node}") for node in NODES))
        kubectl.wait("default", "condition=Ready", *clients)
        yield project
    finally:
        kubectl.run("-n", "default", "delete", *clients, "--ignore-not-found", "--wait=false")
        kubectl.run("label", "namespace", "default", *(f"{key}-" for key in labels))


def test_the_remote_application_is_reached_by_each_of_the_services_names(
    default_project: Project, named_site: tuple[Site, str], outside: Outside
) -> None:
    wish = {"destinations": {outside.destination: {"8080": "80"}}}
    with service(default_project, SERVICE, wish, ports=[{"name": "foo", "port": 8080}]):
        default_project.wait_served(SERVICE)
        source = default_project.source_ip(SERVICE)
        cluster_ip = default_project.cluster_ip(SERVICE)
        for host in (cluster_ip, f"{SERVICE}.default.svc", f"{SERVICE}.default.{SUB_DOMAIN}"):
            for node in NODES:
                seen = default_project.ends(host, 8080, node)
                assert (seen["peer"], seen["localAddress"], seen["localPort"]) == (source, outside.destination, 80), (
                    host
                )


def test_only_services_have_names_below_the_sub_domain(named_site: tuple[Site, str], coredns: Dns) -> None:
    own = coredns.address("kubernetes.default.svc.cluster.local")
    assert own
    assert coredns.address(f"kubernetes.default.{SUB_DOMAIN}") == own
    assert coredns.address(f"Kubernetes.Default.{SUB_DOMAIN.upper()}") == own
    for name in (f"missing.default.{SUB_DOMAIN}", f"default.{SUB_DOMAIN}", f"a.kubernetes.default.{SUB_DOMAIN}"):
        assert coredns.address(name) is None, name
    assert coredns.address("remote.outside.test") == FIRST


def test_the_names_are_set_up_once_and_taken_away_with_the_variable(named_site: tuple[Site, str], coredns: Dns) -> None:
    site, before = named_site
    assert site.run(SUB_DOMAIN).changed == 0
    assert site.run(SUB_DOMAIN, check=True).changed == 0
    foreseen = site.run("", check=True)
    assert foreseen.changed == 1
    assert re.search(rf"^-.*rewrite stop name regex .*{SUB_DOMAIN}", foreseen.output, re.M), (
        "the diff shows the rule go"
    )
    assert coredns.corefile() != before
    assert site.run("").changed == 1
    assert coredns.corefile() == before
    wait_for(
        "the names are gone", lambda: coredns.address(f"kubernetes.default.{SUB_DOMAIN}") is None, COREFILE_SECONDS
    )


# --- names of destinations --------------------------------------------------------------------------------------------


def test_a_destinations_name_is_resolved_in_the_pod_and_followed_without_cutting_flows(
    green: Project, zone: Callable[[dict[str, str]], None]
) -> None:
    zone({"followed": FIRST})
    with service(green, "followed", {"destination_ip": f"followed.{ZONE}"}):
        green.wait_served("followed")
        source = green.source_ip("followed")
        pod = green.egress_pods("followed")[0]
        container = pod["spec"]["containers"][0]
        assert f"followed.{ZONE}" in [
            item["value"] for item in container["env"] if item["name"] == "EGRESS_DESTINATION"
        ]
        host = green.cluster_ip("followed")
        assert green.ends(host)["localAddress"] == FIRST

        with stream(green, host) as flow:
            zone({"followed": SECOND})
            wait_for("the new address", lambda: green.ends(host)["localAddress"] == SECOND, FOLLOWS_SECONDS)
            assert green.ends(host)["peer"] == source
            rest, _errors = flow.communicate("end\n", timeout=60)
            assert flow.returncode == 0, "the flow went on afterwards"
        count, *sources = rest.split()
        assert sources == [source]
        assert int(count) > _LINES_AFTER
        after = green.egress_pods("followed")
        assert [item["metadata"]["uid"] for item in after] == [pod["metadata"]["uid"]], "the pod was not replaced"
        assert all(not item["restartCount"] for item in after[0]["status"]["containerStatuses"])


def test_resolve_once_keeps_the_first_address_until_the_pod_is_replaced(
    green: Project, zone: Callable[[dict[str, str]], None]
) -> None:
    zone({"kept": FIRST})
    with service(green, "kept", {"destination_ip": f"kept.{ZONE}", "resolve": "once"}):
        green.wait_served("kept")
        host, source = green.cluster_ip("kept"), green.source_ip("kept")
        zone({"kept": SECOND})
        deadline = time.monotonic() + FOLLOWS_SECONDS
        while time.monotonic() < deadline:
            assert green.ends(host)["localAddress"] == FIRST
            time.sleep(0.5)

        (old,) = green.egress_pods("kept")
        green.kubectl.run("-n", green.name, "delete", "pod", old["metadata"]["name"])
        wait_for(
            "a new pod",
            lambda: (
                [item["metadata"]["uid"] for item in green.egress_pods("kept")] not in ([old["metadata"]["uid"]], [])
            ),
        )
        new = green.egress_pods("kept")[0]["metadata"]["name"]
        green.kubectl.wait(green.name, "condition=Ready", f"pod/{new}", timeout=60)
        seen = wait_for("the Service leads to the new pod", lambda: _answer(green, host))
        assert (seen["localAddress"], seen["peer"]) == (SECOND, source)


def _answer(project: Project, host: str) -> dict[str, Any] | None:
    """None while the Service has no endpoint."""
    return project.ends(host) if project.fetch(host).seen else None


def test_a_name_that_does_not_resolve_is_told_and_served_when_it_appears(
    green: Project, zone: Callable[[dict[str, str]], None]
) -> None:
    zone({"other": FIRST})
    name = f"late.{ZONE}"
    with service(green, "late", {"destination_ip": name}):
        wait_for("a pod", lambda: green.egress_pods("late"))
        pod = green.egress_pods("late")[0]["metadata"]["name"]

        def log() -> str:
            return green.kubectl.run("-n", green.name, "logs", pod, check=False)

        wait_for("the log tells", lambda: f"not ready: NameUnknown: no address known for {name}" in log(), 60)
        assert f"name {name} was not resolved" in log()
        wait_for("the condition tells", lambda: green.condition("late").get("reason") == "NameUnknown", 60)
        condition = green.condition("late")
        assert condition["status"] == "False"
        assert condition["message"].startswith(f"pod {pod}: no address known for {name} (")
        assert "check the names" in condition["message"]
        states = {item["type"]: item["status"] for item in green.egress_pods("late")[0]["status"]["conditions"]}
        assert states["Ready"] == "False"
        assert not green.fetch(green.cluster_ip("late")).seen

        zone({"other": FIRST, "late": SECOND})
        green.wait_ready("late")
        seen = wait_for("the Service leads to the pod", lambda: _answer(green, green.cluster_ip("late")))
        assert (seen["localAddress"], seen["peer"]) == (SECOND, green.source_ip("late"))
        assert [item["metadata"]["name"] for item in green.egress_pods("late")] == [pod], "the same pod"


def test_a_project_that_denies_all_egress_still_gets_its_routers_names_resolved(
    green: Project, zone: Callable[[dict[str, str]], None]
) -> None:
    """NetworkPolicies add up, and the egress pod's own allows it what the project denies its pods."""
    zone({"allowed": FIRST})
    metadata = {"name": "deny-all", "namespace": green.name}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
    green.kubectl.apply({**policy, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}})
    try:
        with service(green, "allowed", {"destination_ip": f"allowed.{ZONE}"}):
            green.wait_ready("allowed")
            wait_for("its clients are denied", lambda: not green.fetch(green.cluster_ip("allowed")).seen)
    finally:
        green.kubectl.run("-n", green.name, "delete", "networkpolicy", "deny-all")
