# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's table "Access Patterns" with real packets, and who else may try: nodes and hosts outside.

A NetworkPolicy cannot keep a node from its own pods: Kubernetes always allows traffic between a pod and its node, for
kubelet probes it. So whoever may run programs in the network of the egress pod's own node, its root or a pod with
``hostNetwork``, reaches it; on all other nodes the same are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network

import pytest
from pyroute2 import IPRoute

from tests.cluster import Cluster
from tests.support.capture import inside
from tests.support.client import client_pod
from tests.support.namespace_client import request
from tests.support.outside import Outside
from tests.support.project import NODES, Project
from tests.support.waiting import wait_for

SERVICE = "patterns"
SAME, OTHER = "same node", "other node"
BY_SERVICE, BY_POD = "service virtual IP", "secure egress pod"

PLACES = pytest.mark.parametrize("place", [SAME, OTHER])
WAYS = pytest.mark.parametrize("way", [BY_SERVICE, BY_POD])


@dataclass(frozen=True)
class Egress:
    """A secure egress service that is up, as clients see it."""

    source: str
    hosts: dict[str, str]
    """Its two destinations, by the article's names for them."""
    nodes: dict[str, str]
    """The node of the egress pod, and the other one."""


def look_up(project: Project, service: str) -> Egress:
    pod = project.egress_pods(service)[0]
    node = pod["spec"]["nodeName"]
    other = next(name for name in NODES if name != node)
    hosts = {BY_SERVICE: project.cluster_ip(service), BY_POD: pod["status"]["podIP"]}
    return Egress(project.source_ip(service), hosts, {SAME: node, OTHER: other})


@pytest.fixture(scope="module")
def egress(green: Project, blue: Project, outside: Outside) -> Iterator[Egress]:
    """The service of project green; blue is the different project, and its clients are up too."""
    green.create_service(SERVICE, {"destination_ip": outside.destination})
    green.wait_served(SERVICE)
    found = look_up(green, SERVICE)
    # The pod may be ready a moment before its policy is enforced, as everywhere in Kubernetes.
    wait_for("the policy is enforced", lambda: blue.fetch(found.hosts[BY_POD]).refused)
    yield found
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE)


@contextmanager
def routes(namespace: str, networks: list[IPv4Network], gateway: str) -> Iterator[None]:
    """Routes that a host of the outside LAN gives itself, for as long as it tries."""
    with inside(namespace):
        netlink = IPRoute()
    with netlink:
        try:
            for network in networks:
                netlink.route("add", dst=str(network), gateway=gateway)
            yield
        finally:
            for network in networks:
                netlink.route("del", dst=str(network))


@PLACES
@WAYS
def test_a_pod_of_the_project_is_allowed(green: Project, egress: Egress, way: str, place: str) -> None:
    assert green.fetch(egress.hosts[way], node=egress.nodes[place]).seen == egress.source


@PLACES
@WAYS
def test_a_pod_in_a_different_project_is_denied(blue: Project, egress: Egress, way: str, place: str) -> None:
    answer = blue.fetch(egress.hosts[way], node=egress.nodes[place])
    assert answer.refused, answer


def test_a_pod_that_comes_later_is_of_its_project_too(green: Project, egress: Egress) -> None:
    """The article's microservice group, which reflects all the current pods of a project."""
    node = egress.nodes[OTHER]
    image = green.json("get", "pod", f"client-{node}")["spec"]["containers"][0]["image"]
    green.kubectl.apply(client_pod(green.name, image, node, "client-late"))
    try:
        green.kubectl.wait(green.name, "condition=Ready", "pod/client-late")
        # Its address reaches the policy a moment after the pod runs.
        wait_for("it is admitted", lambda: green.fetch(egress.hosts[BY_POD], node="late").seen == egress.source, 10)
        assert green.fetch(egress.hosts[BY_SERVICE], node="late").seen == egress.source
    finally:
        green.kubectl.run("-n", green.name, "delete", "pod", "client-late", "--wait=false")


def test_projects_with_services_of_one_name_are_told_apart_by_their_addresses(
    green: Project, blue: Project, egress: Egress, outside: Outside
) -> None:
    """The article's figure 1: a source address for project green, another one for project blue."""
    blue.create_service(SERVICE, {"destination_ip": outside.destination})
    try:
        blue.wait_served(SERVICE)
        other = look_up(blue, SERVICE)
        assert other.source != egress.source
        assert blue.fetch(other.hosts[BY_SERVICE]).seen == other.source
        assert green.fetch(egress.hosts[BY_SERVICE]).seen == egress.source
        wait_for("green is refused at blue's", lambda: green.fetch(other.hosts[BY_SERVICE]).refused)
    finally:
        blue.kubectl.run("-n", blue.name, "delete", "service", SERVICE)


@PLACES
def test_a_pod_in_a_different_project_does_not_reach_the_health_port(blue: Project, egress: Egress, place: str) -> None:
    answer = blue.fetch(egress.hosts[BY_POD], port=4, node=egress.nodes[place])
    assert answer.refused, answer


@WAYS
def test_the_egress_pods_own_node_is_let_through_as_kubernetes_has_it(
    cluster: Cluster, egress: Egress, way: str
) -> None:
    answer = request(cluster.namespace(egress.nodes[SAME]), egress.hosts[way])
    assert answer.seen == egress.source


@WAYS
def test_any_other_node_is_refused(cluster: Cluster, egress: Egress, way: str) -> None:
    answer = request(cluster.namespace(egress.nodes[OTHER]), egress.hosts[way])
    assert answer.refused, answer


@PLACES
@WAYS
def test_a_pod_in_the_nodes_network_is_as_the_node_itself(blue: Project, egress: Egress, way: str, place: str) -> None:
    node = egress.nodes[place]
    image = blue.json("get", "pod", f"client-{node}")["spec"]["containers"][0]["image"]
    pod = client_pod(blue.name, image, node, "client-in-host")
    pod["spec"]["hostNetwork"] = True
    blue.kubectl.apply(pod)
    try:
        blue.kubectl.wait(blue.name, "condition=Ready", "pod/client-in-host")
        answer = blue.fetch(egress.hosts[way], node="in-host")
        assert answer.seen == egress.source if place == SAME else answer.refused, answer
    finally:
        blue.kubectl.run("-n", blue.name, "delete", "pod", "client-in-host", "--wait=true")


@pytest.mark.usefixtures("egress")
def test_a_service_is_inside_the_cluster_alone_and_has_no_node_port(green: Project) -> None:
    spec = green.json("get", "service", SERVICE)["spec"]
    assert spec["type"] == "ClusterIP"
    assert not any("nodePort" in port for port in spec["ports"])


@WAYS
def test_a_host_outside_has_no_way_to_the_service(cluster: Cluster, egress: Egress, way: str) -> None:
    answer = request(cluster.namespace("remote"), egress.hosts[way])
    assert answer.refused, answer


@PLACES
@WAYS
def test_a_host_outside_that_routes_through_a_node_is_refused(
    cluster: Cluster, egress: Egress, way: str, place: str
) -> None:
    layout = cluster.layout
    gateway = str(layout.node(egress.nodes[place]).lan.ip)
    with routes(cluster.namespace("remote"), [layout.services, layout.pods], gateway):
        answer = request(cluster.namespace("remote"), egress.hosts[way])
    assert answer.refused, answer


@pytest.mark.parametrize("port", [80, 4])
def test_the_leased_address_answers_nothing_to_the_lan(cluster: Cluster, egress: Egress, port: int) -> None:
    answer = request(cluster.namespace("remote"), egress.source, port)
    assert answer.refused, answer


@pytest.fixture
def unguarded(green: Project, egress: Egress) -> Iterator[None]:
    """The service without its policy, for as long as no controller is there to put them back."""
    deployment = ("-n", "avi-egress", "deployment/avi-egress-controller")
    green.kubectl.run("scale", *deployment, "--replicas=0")
    try:
        wait_for("no controller is left", lambda: not green.kubectl.json("-n", "avi-egress", "get", "pods")["items"])
        green.kubectl.run("-n", green.name, "delete", "networkpolicy", f"{SERVICE}-avi-egress-pod")
        yield
    finally:
        green.kubectl.run("scale", *deployment, "--replicas=2")
        green.kubectl.run("rollout", "status", *deployment, "--timeout=90s")


@pytest.mark.usefixtures("unguarded")
def test_without_the_policy_each_of_them_would_get_through(cluster: Cluster, blue: Project, egress: Egress) -> None:
    """What the refusals above rest on: it is the policy that refuses, and its absence would be seen."""
    layout, remote = cluster.layout, cluster.namespace("remote")

    def blue_gets_through(place: str) -> bool:
        return blue.fetch(egress.hosts[BY_POD], node=egress.nodes[place]).seen == egress.source

    for place, node in egress.nodes.items():
        wait_for(f"blue gets through from the {place}", partial(blue_gets_through, place))
        assert request(cluster.namespace(node), egress.hosts[BY_POD]).seen == egress.source
        with routes(remote, [layout.services, layout.pods], str(layout.node(node).lan.ip)):
            for host in egress.hosts.values():
                assert request(remote, host).seen == egress.source


def test_the_controller_puts_a_lost_policy_back(blue: Project, egress: Egress, green: Project) -> None:
    name = f"{SERVICE}-avi-egress-pod"
    green.kubectl.run("-n", green.name, "delete", "networkpolicy", name, "--ignore-not-found")
    wait_for(
        "it is back", lambda: green.json("get", "networkpolicies", f"--field-selector=metadata.name={name}")["items"]
    )
    wait_for("it is enforced", lambda: blue.fetch(egress.hosts[BY_POD]).refused)
