# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nodes, pods, Services and API servers are no destinations, though nobody has named their networks anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import ENDPOINT_SLICE, NODE
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.controller_process import ControllerProcess
from tests.support.waiting import wait_for
from tests.support.world import World


def add_node(cluster: KubeClient, name: str, address: str, pods: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
    }
    cluster.create(NODE, body)
    told = {"status": {"addresses": [{"type": "InternalIP", "address": address}]}}
    cluster.patch(NODE, name, told, subresource="status")


@pytest.fixture
def node(world: World) -> Iterator[str]:
    """The name of a node that there isn't yet; it is gone afterwards."""
    yield world.name
    if world.cluster.get(NODE, world.name):
        world.cluster.delete_named(NODE, world.name)


@pytest.fixture
def api_server(world: World) -> Iterator[str]:
    """The name of an EndpointSlice of one more API server, which a test makes; it is gone afterwards."""
    yield world.name
    world.cluster.delete_named(ENDPOINT_SLICE, world.name, "default")


def add_api_server(cluster: KubeClient, name: str, address: str, family: str) -> None:
    labels = {"kubernetes.io/service-name": "kubernetes"}
    body = {
        "apiVersion": ENDPOINT_SLICE.api_version,
        "kind": ENDPOINT_SLICE.kind,
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "addressType": family,
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "https", "port": 443}],
    }
    cluster.create(ENDPOINT_SLICE, body)


def cluster_cidrs_told(world: World, name: str) -> str:
    template = (world.controller(name) or {})["spec"]["template"]["spec"]
    return next(item["value"] for item in template["containers"][0]["env"] if item["name"] == "EGRESS_CLUSTER")


def test_what_nodes_and_services_show_is_no_destination(world: World, controller: ControllerProcess, node: str) -> None:
    add_node(world.cluster, node, "10.99.0.7", "10.98.7.0/24")
    world.set_up()
    inside = {"node": "10.99.0.7", "pod": "10.98.7.9", "api": "10.97.0.1", "service": "10.97.0.77"}
    for name, address in inside.items():
        world.serve(name, {"destination_ip": address})
    told = {name: world.wait_reason(name, "InvalidAnnotation")["message"] for name in inside}
    remedy = "name an application outside the cluster"
    assert told["node"].endswith(f"'10.99.0.7'; this is an address of one of the cluster's nodes; {remedy}")
    assert told["pod"].endswith(f"this is in 10.98.7.0/24, where pods of the cluster are; {remedy}")
    assert "where the cluster's Services are" in told["api"]
    assert "where the cluster's Services are" in told["service"]
    assert not any(map(world.controller, inside))
    world.serve("beside", {"destination_ip": "10.99.0.8"})
    world.wait_served("beside")
    assert {"10.98.7.0/24", "10.99.0.7/32"} <= set(cluster_cidrs_told(world, "beside").split(","))


def test_a_node_that_joins_replaces_no_pod_and_takes_a_destination_away(
    world: World, controller: ControllerProcess, node: str
) -> None:
    world.set_up()
    world.serve("shop")
    world.serve("there", {"destination_ip": "10.99.1.7"})
    for name in ("shop", "there"):
        world.wait_served(name)
    before = world.controller("shop")
    add_node(world.cluster, node, "10.99.1.7", "10.98.8.0/24")
    assert "one of the cluster's nodes" in world.wait_reason("there", "InvalidAnnotation")["message"]
    wait_for("all keys to be worked on", lambda: controller.metric("queue_depth") == 0)
    assert world.controller("shop") == before
    world.annotate("shop", '{"destination_ip": "10.10.10.200", "hm_port": 1000}')
    wait_for("the pod's next change", lambda: "10.98.8.0/24" in cluster_cidrs_told(world, "shop"))
    world.cluster.delete_named(NODE, node)
    world.wait_served("there")


def test_an_api_server_is_no_destination_where_no_node_has_its_address(
    world: World, controller: ControllerProcess, api_server: str
) -> None:
    """A managed control plane, or a virtual address; the first is what the running one says of itself."""
    its_own = world.cluster.get(ENDPOINT_SLICE, "kubernetes", "default")
    assert its_own is not None
    (at,) = its_own["endpoints"][0]["addresses"]
    world.set_up()
    world.serve("own", {"destination_ip": at})
    told = world.wait_reason("own", "InvalidAnnotation")["message"]
    assert told.endswith(
        f"'{at}'; this is an address of the cluster's API server; name an application outside the cluster"
    )
    world.serve("managed", {"destination_ip": "2001:db8:97::7"}, ipFamilyPolicy="PreferDualStack")
    wait_for("it to be judged", lambda: world.condition("managed"))
    assert "API server" not in world.condition("managed")["message"]
    add_api_server(world.cluster, api_server, "2001:db8:97::7", "IPv6")
    wait_for("the API server to be seen", lambda: "cluster's API server" in world.condition("managed")["message"])
    world.serve("beside", {"destination_ip": "10.99.0.8"})
    world.wait_served("beside")
    assert f"{at}/32" in cluster_cidrs_told(world, "beside").split(",")
