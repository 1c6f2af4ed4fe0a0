# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's table "Access Patterns" with real packets, and who else may try: nodes and hosts outside.

A NetworkPolicy cannot keep a node from its own pods: Kubernetes always allows traffic between a pod and its node, for
kubelet probes it. So whoever may run programs in the network of the egress pod's own node, its root or a pod with
``hostNetwork``, reaches it; on all other nodes the same are refused.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network

import pytest
from pyroute2 import IPRoute

from tests.capture import inside
from tests.cluster import Cluster
from tests.demo.client import Answer, client_pod
from tests.demo.outside import Outside

from .conftest import NODES, Project
from .test_secure_egress_service import wait_until

SERVICE = "patterns"
BALANCED = "balanced"
SAME, OTHER = "same node", "other node"
BY_SERVICE, BY_POD = "service virtual IP", "secure egress pod"
CONNECT_SECONDS = 2

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
    green.wait_ready(SERVICE)
    found = look_up(green, SERVICE)
    # The pod may be ready a moment before its policy is enforced, as everywhere in Kubernetes.
    wait_until(lambda: blue.fetch(found.hosts[BY_POD]).refused, "the policy is enforced")
    yield found
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE)


@pytest.fixture(scope="module")
def balanced(green: Project, outside: Outside) -> Iterator[int]:
    """The node port of a service of type LoadBalancer, as the article's sample is one."""
    green.create_service(BALANCED, {"destination_ip": outside.destination}, type="LoadBalancer")
    green.wait_ready(BALANCED)
    yield int(green.json("get", "service", BALANCED)["spec"]["ports"][0]["nodePort"])
    green.kubectl.run("-n", green.name, "delete", "service", BALANCED)


def request(namespace: str, host: str, port: int = 80) -> Answer:
    """What ``http://host:port/json`` answers to a program in a network namespace."""
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    with inside(namespace):
        try:
            connection.request("GET", "/json")
            return Answer(json.loads(connection.getresponse().read())["peer"], None)
        except OSError as error:
            return Answer(None, str(error).lower())
        finally:
            connection.close()


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


def at_node_port(cluster: Cluster, node: str, port: int) -> Answer:
    """What a host outside gets from a node's port. kube-proxy opens it at the node's first address, in the underlay."""
    layout, remote = cluster.layout, cluster.namespace("remote")
    with routes(remote, [layout.underlay], str(layout.node(node).lan.ip)):
        return request(remote, str(layout.node(node).underlay.ip), port)


@PLACES
@WAYS
def test_a_pod_of_the_project_is_allowed(green: Project, egress: Egress, way: str, place: str) -> None:
    assert green.fetch(egress.hosts[way], node=egress.nodes[place]).seen == egress.source


@PLACES
@WAYS
def test_a_pod_in_a_different_project_is_denied(blue: Project, egress: Egress, way: str, place: str) -> None:
    answer = blue.fetch(egress.hosts[way], node=egress.nodes[place])
    assert answer.refused, answer


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


def test_a_service_has_no_node_port_unless_its_type_asks_for_one(green: Project, egress: Egress) -> None:
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


@pytest.mark.parametrize("node", NODES)
def test_a_host_outside_is_refused_at_a_load_balancers_node_port(cluster: Cluster, balanced: int, node: str) -> None:
    wait_until(lambda: at_node_port(cluster, node, balanced).refused, "the policy is enforced")
    for _again in range(3):
        answer = at_node_port(cluster, node, balanced)
        assert answer.refused, answer


@pytest.mark.parametrize("node", NODES)
@PLACES
def test_a_pod_in_a_different_project_is_denied_at_a_load_balancers_node_port(
    cluster: Cluster, green: Project, blue: Project, balanced: int, node: str, place: str
) -> None:
    client = look_up(green, BALANCED).nodes[place]
    answer = blue.fetch(str(cluster.layout.node(node).underlay.ip), port=balanced, node=client)
    assert answer.refused, answer


def test_a_balanced_service_serves_its_own_project(green: Project, balanced: int) -> None:
    found = look_up(green, BALANCED)
    assert green.fetch(found.hosts[BY_SERVICE]).seen == found.source


@pytest.mark.parametrize("port", [80, 4])
def test_the_leased_address_answers_nothing_to_the_lan(cluster: Cluster, egress: Egress, port: int) -> None:
    answer = request(cluster.namespace("remote"), egress.source, port)
    assert answer.refused, answer


@pytest.fixture
def unguarded(green: Project, egress: Egress, balanced: int) -> Iterator[None]:
    """Both services without their policies, for as long as no controller is there to put them back."""
    deployment = ("-n", "avi-egress", "deployment/avi-egress-controller")
    green.kubectl.run("scale", *deployment, "--replicas=0")
    try:
        wait_until(lambda: not green.kubectl.json("-n", "avi-egress", "get", "pods")["items"], "no controller is left")
        names = [f"{service}-avi-egress-pod" for service in (SERVICE, BALANCED)]
        green.kubectl.run("-n", green.name, "delete", "networkpolicy", *names)
        yield
    finally:
        green.kubectl.run("scale", *deployment, "--replicas=2")
        green.kubectl.run("rollout", "status", *deployment, "--timeout=90s")


@pytest.mark.usefixtures("unguarded")
def test_without_the_policy_each_of_them_would_get_through(
    cluster: Cluster, blue: Project, egress: Egress, balanced: int
) -> None:
    """What the refusals above rest on: it is the policy that refuses, and its absence would be seen."""
    layout, remote = cluster.layout, cluster.namespace("remote")

    def blue_gets_through(place: str) -> bool:
        return blue.fetch(egress.hosts[BY_POD], node=egress.nodes[place]).seen == egress.source

    for place, node in egress.nodes.items():
        wait_until(partial(blue_gets_through, place), f"blue gets through from the {place}")
        assert request(cluster.namespace(node), egress.hosts[BY_POD]).seen == egress.source
        with routes(remote, [layout.services, layout.pods], str(layout.node(node).lan.ip)):
            for host in egress.hosts.values():
                assert request(remote, host).seen == egress.source
        assert at_node_port(cluster, node, balanced).seen


def test_the_controller_puts_a_lost_policy_back(blue: Project, egress: Egress, green: Project) -> None:
    name = f"{SERVICE}-avi-egress-pod"
    green.kubectl.run("-n", green.name, "delete", "networkpolicy", name, "--ignore-not-found")
    wait_until(lambda: green.kubectl.run("-n", green.name, "get", "networkpolicy", name, check=False), "it is back")
    wait_until(lambda: blue.fetch(egress.hosts[BY_POD]).refused, "it is enforced")
