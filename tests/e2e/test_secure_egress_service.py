# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's service in a real cluster: real pods, real packets, real policies."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.capture import inside
from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError, Outside
from tests.support.playbook import run
from tests.support.project import NODES, Project
from tests.support.router_links import nodes_that_hold
from tests.support.waiting import wait_for

SERVICE = "secure-egress-service"


@pytest.fixture(scope="module")
def source(green: Project, outside: Outside) -> Iterator[str]:
    """The source address of the service, which is up."""
    green.create_service(SERVICE, {"destination_ip": outside.destination})
    green.wait_served(SERVICE)
    yield green.source_ip(SERVICE)
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE, "--ignore-not-found")


@pytest.mark.parametrize("node", NODES)
def test_the_remote_application_sees_the_projects_own_address(
    green: Project, source: str, outside: Outside, node: str
) -> None:
    pod_ip = green.egress_pods(SERVICE)[0]["status"]["podIP"]
    for host in (green.cluster_ip(SERVICE), f"{SERVICE}.{green.name}.svc", pod_ip):
        assert green.fetch(host, node=node).seen == source, host
    assert source.rsplit(".", 1)[0] == outside.subnet.rsplit(".", 1)[0]


@pytest.mark.parametrize("node", NODES)
def test_another_project_is_refused(green: Project, blue: Project, source: str, node: str) -> None:
    pod_ip = green.egress_pods(SERVICE)[0]["status"]["podIP"]
    for host in (green.cluster_ip(SERVICE), f"{SERVICE}.{green.name}.svc", pod_ip):
        answer = blue.fetch(host, node=node)
        assert answer.refused, (host, answer)


def test_a_plain_connection_does_not_show_the_address(green: Project, source: str, outside: Outside) -> None:
    seen = green.fetch(outside.destination).seen
    assert seen is not None
    assert seen != source


def test_the_pod_is_what_the_article_shows(green: Project, source: str, outside: Outside) -> None:
    name = f"{SERVICE}-avi-egress-pod"
    controller = green.json("get", "replicationcontroller", name)
    template = controller["spec"]["template"]
    container = template["spec"]["containers"][0]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert controller["spec"]["replicas"] == 1
    assert controller["spec"]["selector"] == template["metadata"]["labels"] == {"name": name}
    assert list(environment)[:5] == [
        *("EGRESS_SOURCE", "EGRESS_DESTINATION", "BRIDGE_IP_ADDR", "BRIDGE_NETMASK", "TCP_HM_PORT"),
    ]
    assert environment["EGRESS_SOURCE"] == source
    assert environment["EGRESS_DESTINATION"] == outside.destination
    assert container["livenessProbe"]["tcpSocket"]["port"] == int(environment["TCP_HM_PORT"]) == 4
    assert green.json("get", "service", SERVICE)["spec"]["selector"] == {"name": name}


def test_a_playbook_waits_until_the_destination_answers(green: Project, cluster: Cluster, outside: Outside) -> None:
    """Nobody listens at the destination's port, and then somebody does: by the router's own attempts."""
    variables = {
        "egress_service_name": "tried",
        "egress_service_namespace": green.name,
        "egress_service_destination_ip": outside.destination,
        "egress_service_ports": [{"port": 8099}],
        "egress_service_probe": {"interval": 1, "timeout": 1},
        "egress_service_wait_for": "reachable",
    }

    def reachable(status: str) -> bool:
        return green.condition("tried", "DestinationsReachable").get("status") == status

    def play(seconds: int) -> None:
        run(cluster.kubeconfig, {**variables, "egress_service_wait_timeout": seconds}, "egress_service", show=False)

    try:
        probe = {"interval": 1, "timeout": 1}
        wish = {"destination_ip": outside.destination, "probe": probe}
        green.create_service("tried", wish, ports=[{"name": "tcp-8099", "port": 8099}])
        green.wait_ready("tried")
        wait_for("the verdict", lambda: reachable("False"))
        told = f"from {green.source_ip('tried')}: {outside.destination}:8099 Refused"
        assert green.condition("tried", "DestinationsReachable")["message"] == told
        with pytest.raises(DemoError, match=re.escape(told)):
            play(seconds=1)
        with inside(cluster.namespace("remote")):
            application = socket.create_server((outside.destination, 8099))
        with application:
            play(seconds=60)
            assert reachable("True")
    finally:
        green.delete("tried")


def test_a_name_that_leads_to_a_service_is_refused_by_the_pod(green: Project, source: str) -> None:
    """Nobody has named the cluster's networks: the cluster has shown them."""
    inside = "where the cluster's nodes, pods or Services are"

    def log() -> str:
        pods = green.egress_pods("inward")
        name = pods[0]["metadata"]["name"] if pods else ""
        return green.kubectl.run("-n", green.name, "logs", name, check=False) if name else ""

    green.create_service("inward", {"destination_ip": "kubernetes.default.svc.cluster.local"})
    try:
        wait_for("the pod to say it", lambda: inside in log())
        assert green.condition("inward")["status"] == "False"
    finally:
        green.delete("inward")


def test_a_malformed_annotation_is_told_and_stops_no_traffic(green: Project, source: str) -> None:
    broken = '{"destination_ip" "10.10.10.200"}'
    green.kubectl.run("-n", green.name, "annotate", "service", SERVICE, "--overwrite", f"egress_pod={broken}")
    try:
        refused = wait_for("the condition tells", lambda: green.condition(SERVICE)["reason"] == "InvalidAnnotation")
        assert refused
        message = green.condition(SERVICE)["message"]
        assert all(word in message for word in (SERVICE, "line 1", "column 19", "':'")), message
        events = green.json("get", "events", "--field-selector", f"involvedObject.name={SERVICE}")["items"]
        assert any(item["reason"] == "InvalidAnnotation" and item["type"] == "Warning" for item in events)
        assert green.fetch(green.cluster_ip(SERVICE)).seen == source
    finally:
        good = '{"destination_ip": "10.10.10.200"}'
        green.kubectl.run("-n", green.name, "annotate", "service", SERVICE, "--overwrite", f"egress_pod={good}")
    green.wait_served(SERVICE)
    assert green.fetch(green.cluster_ip(SERVICE)).seen == source


def test_secure_egress_mode_off_makes_no_pod_and_says_so(green: Project, source: str, kubectl: Kubectl) -> None:
    cloud = kubectl.json("get", "egressclouds")["items"][0]["metadata"]["name"]

    def switch(on: bool) -> None:
        patch = json.dumps({"spec": {"secureEgressMode": on}})
        kubectl.run("patch", "egresscloud", cloud, "--type=merge", "-p", patch)

    switch(False)
    try:
        green.create_service("second", {"destination_ip": "10.10.10.200"})
        wait_for("the new service is told", lambda: green.condition("second").get("reason") == "SecureEgressModeOff")
        assert "secureEgressMode" in green.condition("second")["message"]
        assert not green.egress_pods("second")
        wait_for("the existing one is told", lambda: green.condition(SERVICE)["reason"] == "SecureEgressModeOff")
        assert green.fetch(green.cluster_ip(SERVICE)).seen == source, "what runs stays as it is"
    finally:
        switch(True)
    green.wait_ready("second")
    assert green.source_ip("second") != source
    green.kubectl.run("-n", green.name, "delete", "service", "second")


def test_an_exhausted_network_is_told_with_its_size(new_project: Any, kubectl: Kubectl, outside: Outside) -> None:
    project = new_project("scarce", labels={"scarce": "yes"})
    last = f"{outside.subnet.rsplit('.', 1)[0]}.240"
    network = {
        "apiVersion": "egress.avi.dev/v1",
        "kind": "EgressNetwork",
        "metadata": {"name": project.name},
        "spec": {
            "subnets": [{"cidr": outside.subnet, "ranges": [{"begin": last, "end": last}]}],
            "allowedNamespaces": {"matchLabels": {"scarce": "yes"}},
            "quarantineSeconds": 0,
        },
    }

    def figures() -> dict[str, int]:
        found: dict[str, int] = kubectl.json("get", "egressnetwork", project.name)["status"]
        return found

    kubectl.apply(network)
    try:
        wish = {"destination_ip": outside.destination, "network": project.name}
        project.create_service("first", wish)
        project.wait_ready("first")
        project.create_service("second", wish)
        wait_for("the second is told", lambda: project.condition("second").get("reason") == "PoolExhausted")
        assert "all 1 IPv4 addresses" in project.condition("second")["message"]
        # The address frees, and the service that waits gets it by itself.
        kubectl.run("-n", project.name, "delete", "service", "first")
        project.wait_served("second")
        assert project.source_ip("second") == last
        assert project.fetch(project.cluster_ip("second")).seen == last
        wait_for("the address is counted", lambda: figures()["bound"] == 1)
        with pytest.raises(DemoError, match="1 of its addresses are in use and 0 in quarantine"):
            kubectl.run("delete", "egressnetwork", project.name)
        kubectl.run("-n", project.name, "delete", "service", "second")
        wait_for("the pod is gone", lambda: not project.egress_pods("second"))
        wait_for("the address is free", lambda: figures()["bound"] + figures()["released"] == 0)
        kubectl.run("delete", "egressnetwork", project.name)
    finally:
        kubectl.run("annotate", "egressnetwork", project.name, "egress.avi.dev/deletion=allow", check=False)
        kubectl.run("delete", "egressnetwork", project.name, "--ignore-not-found")


def test_deletion_frees_everything_and_the_same_service_gets_its_address_again(
    green: Project, source: str, kubectl: Kubectl, cluster: Cluster
) -> None:
    assert len(nodes_that_hold(cluster, source)) == 1
    kubectl.run("-n", green.name, "delete", "service", SERVICE)
    wait_for("the lease is released", lambda: green.lease(SERVICE)["status"]["phase"] == "Released")
    wait_for("the pod is gone", lambda: not green.egress_pods(SERVICE))
    for kind in ("replicationcontroller", "networkpolicy"):
        name = f"{SERVICE}-avi-egress-pod"
        wait_for(
            kind,
            lambda kind=kind, name=name: not green.json("get", kind, f"--field-selector=metadata.name={name}")["items"],
        )
    assert nodes_that_hold(cluster, source) == []

    green.create_service(SERVICE, {"destination_ip": "10.10.10.200"})
    green.wait_served(SERVICE)
    assert green.source_ip(SERVICE) == source
    assert green.lease(SERVICE)["status"]["phase"] == "Bound"
    assert green.fetch(green.cluster_ip(SERVICE)).seen == source


def test_an_edited_annotation_moves_the_traffic_and_keeps_the_address(green: Project, source: str) -> None:
    pod = green.egress_pods(SERVICE)[0]["metadata"]["name"]
    edited = json.dumps({"destination_ip": "10.10.24.85", "hm_port": "1000"})
    green.kubectl.run("-n", green.name, "annotate", "service", SERVICE, "--overwrite", f"egress_pod={edited}")
    wait_for("a new pod", lambda: [item["metadata"]["name"] for item in green.egress_pods(SERVICE)] not in ([pod], []))
    green.wait_served(SERVICE)
    container = green.egress_pods(SERVICE)[-1]["spec"]["containers"][0]
    assert container["livenessProbe"]["tcpSocket"]["port"] == 1000
    assert green.fetch(green.cluster_ip(SERVICE)).seen == source
    assert green.source_ip(SERVICE) == source
