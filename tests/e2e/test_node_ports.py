# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""No way from outside to a project's address: the article's Service of type LoadBalancer keeps no node port."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pyroute2 import IPRoute

from tests.cluster import Cluster
from tests.support.capture import inside
from tests.support.client import RESTRICTED
from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.waiting import wait_for

SERVICE = "balanced-no-ports"
NODE_PORT = 30289
"""The article's."""
CONNECT_SECONDS = 2


def reached(cluster: Cluster, address: str, port: int = NODE_PORT) -> bool:
    """Whether the remote host gets an answer at an address of a node."""
    connection = http.client.HTTPConnection(address, port, timeout=CONNECT_SECONDS)
    with inside(cluster.namespace("remote")):
        try:
            connection.request("GET", "/json")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


def doors(cluster: Cluster) -> list[str]:
    """Every address by which the remote host can reach a node."""
    nodes = cluster.layout.nodes
    return [str(interface.ip) for node in nodes for interface in (node.lan, node.underlay)]


@pytest.fixture(scope="module", autouse=True)
def ways_in(cluster: Cluster) -> Iterator[None]:
    """The remote host has a route to each node's own address, at which kube-proxy serves node ports."""
    with inside(cluster.namespace("remote")):
        netlink = IPRoute()
    with netlink:
        for node in cluster.layout.nodes:
            netlink.route("add", dst=f"{node.underlay.ip}/32", gateway=str(node.lan.ip))
        try:
            yield
        finally:
            for node in cluster.layout.nodes:
                netlink.route("del", dst=f"{node.underlay.ip}/32")


def node_ports(project: Project, service: str = SERVICE) -> list[int]:
    ports = project.json("get", "service", service)["spec"]["ports"]
    return [port["nodePort"] for port in ports if port.get("nodePort")]


def patch(project: Project, spec: dict[str, Any], service: str = SERVICE) -> None:
    project.kubectl.run(
        "-n", project.name, "patch", "service", service, "--type=merge", "-p", json.dumps({"spec": spec})
    )


@pytest.fixture(scope="module")
def backend(green: Project) -> Iterator[dict[str, str]]:
    """The labels of a pod that answers the remote host, should a node port lead there."""
    name = "answering"
    image = green.json("get", "pod", "client-node1")["spec"]["containers"][0]["image"]
    program = (
        "import http.server as h, json\n"
        "class A(h.BaseHTTPRequestHandler):\n"
        " def do_GET(self):\n"
        "  self.send_response(200); self.end_headers(); self.wfile.write(b'{}')\n"
        "h.HTTPServer(('', 8080), A).serve_forever()"
    )
    command = ["python3", "-c", program]
    container = {"name": "web", "image": image, "command": command, "securityContext": RESTRICTED}
    metadata = {"name": name, "namespace": green.name, "labels": {"app": name}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    green.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    green.kubectl.wait(green.name, "condition=Ready", f"pod/{name}")
    yield {"app": name}
    green.kubectl.run("-n", green.name, "delete", "pod", name)


@pytest.fixture(scope="module")
def service(green: Project, outside: Outside) -> Iterator[str]:
    """The article's, with the node port that it shows; the user asks for it by number."""
    ports = [{"name": "foo", "port": 80, "nodePort": NODE_PORT, "appProtocol": "http"}]
    green.create_service(SERVICE, {"destination_ip": outside.destination}, type="LoadBalancer", ports=ports)
    green.wait_served(SERVICE)
    yield green.source_ip(SERVICE)
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE, "--ignore-not-found")


def test_a_node_port_of_an_ordinary_service_lets_the_remote_host_in(
    green: Project, cluster: Cluster, backend: dict[str, str]
) -> None:
    """What the tests below rest on: an open node port would be seen."""
    name, port = "ordinary", NODE_PORT + 1
    ports = [{"port": 80, "targetPort": 8080, "nodePort": port}]
    metadata = {"name": name, "namespace": green.name}
    body = {"type": "LoadBalancer", "selector": backend, "ports": ports}
    green.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body})
    try:
        for node in cluster.layout.nodes:
            address = str(node.underlay.ip)
            wait_for(f"{node.name} lets in at {address}", lambda address=address: reached(cluster, address, port))
    finally:
        green.kubectl.run("-n", green.name, "delete", "service", name)


def test_the_node_ports_are_freed_and_the_users_fields_stay(green: Project, service: str) -> None:
    spec = green.json("get", "service", SERVICE)["spec"]
    assert spec["type"] == "LoadBalancer"
    assert spec["allocateLoadBalancerNodePorts"] is False
    assert spec["ports"] == [
        {"name": "foo", "port": 80, "targetPort": 80, "protocol": "TCP", "appProtocol": "http"},
    ]
    assert green.fetch(green.cluster_ip(SERVICE)).seen == service


def test_the_remote_host_reaches_it_by_no_nodes_address(cluster: Cluster, service: str) -> None:
    for address in doors(cluster):
        assert not reached(cluster, address), address


def test_a_node_port_that_is_asked_for_again_is_freed_again(green: Project, cluster: Cluster, service: str) -> None:
    patch(green, {"ports": [{"name": "foo", "port": 80, "nodePort": NODE_PORT}], "allocateLoadBalancerNodePorts": True})
    wait_for("the node port is freed", lambda: not node_ports(green))
    for address in doors(cluster):
        assert not reached(cluster, address), address
    assert green.fetch(green.cluster_ip(SERVICE)).seen == service


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"type": "NodePort"}, "spec.type"),
        ({"externalIPs": ["10.70.112.61"]}, "spec.externalIPs"),
        ({"clusterIP": "None"}, "spec.clusterIP"),
    ],
    ids=["NodePort", "external IP", "headless"],
)
def test_other_doors_are_refused_and_get_no_pod(
    green: Project, cluster: Cluster, outside: Outside, spec: dict[str, Any], field: str
) -> None:
    name = "open-door"
    green.create_service(name, {"destination_ip": outside.destination}, **spec)
    try:
        wait_for("the condition tells", lambda: green.condition(name).get("reason") == "ServiceTypeNotAllowed")
        assert field in green.condition(name)["message"]
        assert not green.egress_pods(name)
        for address in doors(cluster):
            assert not reached(cluster, address, 80), address
    finally:
        green.kubectl.run("-n", green.name, "delete", "service", name)


def test_node_ports_come_back_when_egress_ends(green: Project, service: str) -> None:
    green.kubectl.run("-n", green.name, "annotate", "service", SERVICE, "egress_pod-")
    wait_for("the condition goes", lambda: not green.condition(SERVICE))
    found = green.json("get", "service", SERVICE)
    assert found["spec"]["allocateLoadBalancerNodePorts"] is True
    assert node_ports(green)
    assert "selector" not in found["spec"]
    assert not [key for key in found["metadata"]["annotations"] if key.startswith("egress.avi.dev/")]
