# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a service says of its destinations, heard from the health ports of its egress pods over real HTTP."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NETWORK_POLICY
from egress_router.health import HealthPort
from egress_router.watch import Watch

from tests.support.controller_process import NAMESPACE_OF_CONTROLLER, ControllerProcess, wait_quiet
from tests.support.waiting import wait_for
from tests.support.world import World

REACHABLE = "DestinationsReachable"


class Pod:
    """The router's own health port on an address of loopback, with verdicts that the test gives."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.findings: list[dict[str, Any]] = []
        self._watch = Watch(lambda: json.dumps(self.findings) if self.findings else None)
        self.health = HealthPort(self.port, {}, {"/destinations": self._watch})
        self.health.open()

    def tells(self, verdict: str, **more: str) -> None:
        self.findings = [{"port": "80/tcp", "destination": "10.10.10.200:80", "verdict": verdict, **more}]
        self._watch.tell()


@pytest.fixture
def pod() -> Iterator[Pod]:
    made = Pod()
    yield made
    made.health.close()


def serve(world: World, pod: Pod) -> str:
    """The source address of a service whose pod is ready."""
    world.set_up()
    world.serve("shop", {"destination_ip": "10.10.10.200", "hm_port": pod.port})
    world.wait_served("shop")
    world.run_pod("shop", address="127.0.0.1")
    world.wait_reason("shop", "EgressReady")
    address = world.address("shop")
    assert address
    return address


def wait_reachable(world: World, status: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        condition = world.condition("shop", REACHABLE)
        return condition if condition.get("status") == status else None

    condition = wait_for(f"{REACHABLE}={status}", found, 30, lambda: world.service("shop"))
    assert condition
    return condition


def test_a_change_of_verdict_reaches_the_service_and_then_nothing_is_asked(
    world: World, controller: ControllerProcess, pod: Pod
) -> None:
    pod.tells("Prohibited", by="10.70.112.1")
    source = serve(world, pod)
    told = wait_reachable(world, "False")
    assert told["reason"] == "DestinationsNotReachable"
    assert told["message"] == f"from {source}: 10.10.10.200:80 Prohibited by 10.70.112.1"
    assert world.condition("shop")["status"] == "True", "a dead destination takes no service down"
    pod.tells("Open")
    assert wait_reachable(world, "True")["message"] == f"1 destination answers {source}"
    wait_for(
        "the Events", lambda: {"DestinationsNotReachable", REACHABLE} <= {e["reason"] for e in world.events("shop")}
    )
    wait_quiet(controller)
    written = controller.metric("api_writes")
    pod.tells("Open")
    time.sleep(3)
    assert controller.metric("api_writes") == written


def test_a_pod_that_cannot_be_asked_makes_it_unknown(world: World, controller: ControllerProcess, pod: Pod) -> None:
    pod.tells("Open")
    serve(world, pod)
    wait_reachable(world, "True")
    pod.health.close()
    assert "can't be asked at its health port: Connection refused" in wait_reachable(world, "Unknown")["message"]
    world.end_pod("shop-avi-egress-pod-x")
    world.wait_reason("shop", "WaitingForPod")
    wait_for("the word about the pod", lambda: "is ready" in wait_reachable(world, "Unknown")["message"])
    world.annotate("shop", None)
    wait_for("the condition to go", lambda: not world.condition("shop", REACHABLE))


def test_a_new_leader_takes_back_no_word_before_it_has_heard_another(
    world: World, controller: ControllerProcess, replica: Any, pod: Pod
) -> None:
    pod.tells("Open")
    serve(world, pod)
    before = wait_reachable(world, "True")
    controller.kill()
    second = replica("--orphan-grace=0.5")
    second.start()
    wait_for("it to lead", lambda: second.leads, 30)
    wait_quiet(second)
    assert world.condition("shop", REACHABLE) == before
    assert "condition" not in second.log()
    pod.tells("Silent")
    wait_reachable(world, "False")


def test_the_policy_lets_the_controller_through_to_the_health_port_alone(
    world: World, controller: ControllerProcess, pod: Pod
) -> None:
    serve(world, pod)
    policy = world.cluster.get(NETWORK_POLICY, "shop-avi-egress-pod", world.namespace)
    assert policy
    own, asking = policy["spec"]["ingress"]
    assert own == {"from": [{"podSelector": {}}]}
    assert asking["ports"] == [{"protocol": "TCP", "port": pod.port}]
    assert asking["from"][0]["namespaceSelector"] == {
        "matchLabels": {"kubernetes.io/metadata.name": NAMESPACE_OF_CONTROLLER}
    }
    world.annotate(
        "shop", json.dumps({"destination_ip": "10.10.10.200", "hm_port": pod.port, "probe": {"interval": 0}})
    )

    def is_shut() -> bool:
        found = world.cluster.get(NETWORK_POLICY, "shop-avi-egress-pod", world.namespace)
        return bool(found) and len(found["spec"]["ingress"]) == 1

    wait_for("the way to go", is_shut)
    wait_for("the condition to go", lambda: not world.condition("shop", REACHABLE))
