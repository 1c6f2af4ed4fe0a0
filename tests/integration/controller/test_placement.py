# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Placement ``gateway``: egress pods in the controller's namespace, and services that move there and back."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    ENDPOINT_SLICE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE_ACCOUNT,
    WIDENED_CONDITION,
    account_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import GATEWAY, PROJECT
from ansible_collections.avi.egress.plugins.module_utils.workload.placement import Place

from tests.support.controller_process import NAMESPACE_OF_CONTROLLER, ControllerProcess
from tests.support.waiting import wait_for
from tests.support.world import World

PRIVILEGED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}


@pytest.fixture(autouse=True)
def admitting(cluster: KubeClient, account: Any) -> None:
    """The controller's namespace as the role labels it for this placement."""
    cluster.patch(NAMESPACE, NAMESPACE_OF_CONTROLLER, PRIVILEGED)


def endpoints(world: World, name: str) -> list[tuple[list[str], bool]] | None:
    found = world.cluster.get(ENDPOINT_SLICE, f"{name}-avi-egress-pod", world.namespace)
    return found and [(item["addresses"], item["conditions"]["ready"]) for item in found["endpoints"] or ()]


def replicas(world: World, name: str) -> int | None:
    found = world.controller(name)
    return found and found["spec"]["replicas"]


def has_account(world: World, namespace: str) -> bool:
    return world.cluster.get(SERVICE_ACCOUNT, account_name(world.uuid), namespace) is not None


def test_a_service_leads_to_its_pod_in_the_controllers_namespace(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.change_placement(GATEWAY)
    world.serve("shop")
    world.wait_served("shop")
    place = world.place("shop")
    assert replicas(world, "shop") == 1
    policy = world.cluster.get(NETWORK_POLICY, place.name, place.namespace)
    assert policy is not None
    own = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}}
    assert policy["spec"]["ingress"][0] == {"from": [own]}
    for kind in (REPLICATION_CONTROLLER, NETWORK_POLICY):
        assert world.cluster.get(kind, "shop-avi-egress-pod", world.namespace) is None
    wait_for("no account in the project", lambda: not has_account(world, world.namespace))
    assert has_account(world, NAMESPACE_OF_CONTROLLER)
    told = (world.cluster.get(EGRESS_CLOUD, world.name) or {})["status"]
    assert told["gateway"] == NAMESPACE_OF_CONTROLLER
    assert endpoints(world, "shop") == []

    pod = world.run_pod("shop", address="10.244.0.9")
    world.wait_reason("shop", "EgressReady")
    wait_for("the endpoint", lambda: endpoints(world, "shop") == [(["10.244.0.9"], True)])
    unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    world.cluster.patch(POD, pod, unready, place.namespace, subresource="status")
    wait_for("it is not ready", lambda: endpoints(world, "shop") == [(["10.244.0.9"], False)])
    world.cluster.delete_named(ENDPOINT_SLICE, "shop-avi-egress-pod", world.namespace)
    wait_for("it is put back", lambda: endpoints(world, "shop"))
    only_policies_where_the_pod_is_are_told(world, place)

    world.delete("shop")
    wait_for("the RC is scaled away", lambda: replicas(world, "shop") == 0)
    assert world.phase("shop") == "Bound"
    world.end_pod(pod, place.namespace)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    assert world.controller("shop") is None
    assert endpoints(world, "shop") is None
    assert world.cluster.get(NETWORK_POLICY, place.name, place.namespace) is None
    world.cluster.delete_named(EGRESS_CLOUD, world.name)
    wait_for("no gateway to be in use", lambda: not has_account(world, NAMESPACE_OF_CONTROLLER))


def only_policies_where_the_pod_is_are_told(world: World, place: Place) -> None:
    """Of two that let everybody in to all pods, the project's own reaches none of its egress pods."""

    def told() -> str:
        return str(world.condition("shop", WIDENED_CONDITION).get("message", ""))

    for name, namespace in (("of-the-project", world.namespace), ("of-the-gateway", place.namespace)):
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
        world.cluster.create(NETWORK_POLICY, {**body, "spec": {"podSelector": {}, "ingress": [{}]}})
    message = wait_for("the policy's name", told)
    assert f"by: of-the-gateway; except pods with the label name={place.name} by" in message
    world.cluster.delete_named(NETWORK_POLICY, "of-the-gateway", place.namespace)
    wait_for("it to go", lambda: not told())


def in_turn(world: World, names: set[str]) -> str | None:
    """The one service that moves now."""
    moving = [name for name in names if world.condition(name).get("reason") == "Replacing"]
    assert len(moving) <= 1
    return moving[0] if moving else None


def has_moved(world: World, name: str, pod: str, former: Place) -> str:
    """Play kubelet for a service whose turn it is; gives its new pod."""
    assert has_account(world, former.namespace), "what has not moved needs it"
    assert replicas(world, name) == 0, "its former pod may still send"
    world.end_pod(pod, former.namespace)
    wait_for("its successor is asked for", lambda: replicas(world, name) == 1)
    assert world.cluster.get(REPLICATION_CONTROLLER, former.name, former.namespace) is None
    made = world.run_pod(name, address="10.244.0.10")
    world.wait_reason(name, "EgressReady")
    return made


def test_services_move_one_after_another_there_and_back(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    names = ("first", "second")
    pods = {}
    for name in names:
        world.serve(name)
        world.wait_served(name)
        pods[name] = world.run_pod(name, address="10.244.0.9")
        world.wait_reason(name, "EgressReady")
    addresses = {name: world.address(name) for name in names}
    for wanted, endpoint in ((GATEWAY, [(["10.244.0.10"], True)]), (PROJECT, None)):
        former = {name: world.place(name) for name in names}
        world.change_placement(wanted)
        left = set(names)
        while left:
            name = wait_for("one to move", partial(in_turn, world, left)) or ""
            left.discard(name)
            assert all(world.condition(other)["reason"] == "EgressReady" for other in left)
            pods[name] = has_moved(world, name, pods[name], former[name])
        gone = partial(has_account, world, former[name].namespace)
        wait_for("the account to go", lambda held=gone: not held())
        assert [endpoints(world, name) for name in names] == [endpoint] * 2
    assert {name: world.address(name) for name in names} == addresses
