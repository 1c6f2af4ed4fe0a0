# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Pods on a silent node are taken out of service; never the last one, and never on a doubt about ourselves."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict
from egress_controller.node_reachability import CALLS, NodeReachability, answering, by_service, lost, not_ready_patch

ONE, TWO = "10.89.0.11", "10.89.0.12"


def pod(number: int, node: str, *, kind: str = "StatefulSet", ready: bool = True, service: str = "s") -> dict[str, Any]:
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": "True" if ready else "False"},
    ]
    return {
        "metadata": {
            "name": f"pod-{number}",
            "namespace": "green",
            "resourceVersion": "7",
            "labels": {"name": service},
            "ownerReferences": [{"kind": kind, "controller": True}],
        },
        "spec": {"nodeName": f"node-{node}"},
        "status": {"hostIP": node, "conditions": conditions},
    }


class Cluster:
    """Pods as cache and API server have them, and nodes of which some don't answer ``misses`` calls in a row."""

    def __init__(self, pods: list[dict[str, Any]], silent: str, misses: int, conflict: str = "") -> None:
        self.pods, self.silent, self.misses, self.conflict = pods, silent, misses, conflict
        self.steps: list[str] = []

    def pods_of_stateful_sets(self) -> list[dict[str, Any]]:
        return self.pods

    def call(self, nodes: Collection[str]) -> set[str]:
        if self.silent not in nodes:
            return set(nodes)
        self.steps.append("call")
        self.misses -= 1
        return set(nodes) - {self.silent} if self.misses >= 0 else set(nodes)

    def get(self, _resource: object, name: str, _namespace: str) -> dict[str, Any] | None:
        self.steps.append("get")
        return next((item for item in self.pods if item["metadata"]["name"] == name), None)

    def patch(self, _resource: object, name: str, _body: object, _namespace: str, *, subresource: str) -> None:
        if name == self.conflict:
            raise Conflict(409, "the object has been modified")
        self.steps.append(f"patch {name} {subresource}")

    def look(self) -> list[str]:
        """What one round has done."""
        NodeReachability(self, self, self.call).look()  # type: ignore[arg-type]
        return self.steps


def names(pods: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in pods]


def test_the_pod_on_the_silent_node_is_lost_and_the_other_is_not() -> None:
    pods = [pod(0, ONE), pod(1, TWO)]
    assert names(lost(pods, silent={TWO}, answered={ONE})) == ["pod-1"]
    assert lost(pods, silent=set(), answered={ONE, TWO}) == []


def test_no_pod_is_lost_when_no_node_of_the_service_answers() -> None:
    assert lost([pod(0, ONE), pod(1, TWO)], silent={ONE, TWO}, answered={"10.89.0.13"}) == []


def test_only_services_with_several_ready_pods_are_looked_after() -> None:
    several = [pod(0, ONE), pod(1, TWO)]
    single = [pod(2, ONE, kind="ReplicationController", service="t")]
    half = [pod(3, ONE, service="u"), pod(4, TWO, service="u", ready=False)]
    assert [names(group) for group in by_service([*several, *single, *half])] == [["pod-0", "pod-1"]]


def test_the_patch_takes_readiness_and_nothing_else_for_the_version_that_was_seen() -> None:
    patch = not_ready_patch(pod(0, ONE), "2026-01-01T00:00:00Z")
    assert patch["metadata"] == {"resourceVersion": "7"}
    scheduled, ready = patch["status"]["conditions"]
    assert scheduled == {"type": "PodScheduled", "status": "True"}
    assert (ready["status"], ready["reason"]) == ("False", "NodeSilent")


def test_three_calls_without_an_answer_the_last_after_the_api_server_has_answered() -> None:
    cluster = Cluster([pod(0, ONE), pod(1, TWO)], silent=TWO, misses=CALLS)
    assert cluster.look() == ["call", "call", "get", "call", "patch pod-1 status"]


@pytest.mark.parametrize("misses", range(CALLS))
def test_a_node_that_answers_one_of_three_calls_keeps_its_pods(misses: int) -> None:
    steps = Cluster([pod(0, ONE), pod(1, TWO)], silent=TWO, misses=misses).look()
    assert not [step for step in steps if step.startswith("patch")]


def test_where_another_replica_was_first_the_other_pods_are_still_taken_out() -> None:
    pods = [pod(0, ONE), pod(1, TWO), pod(2, ONE, service="t"), pod(3, TWO, service="t")]
    assert Cluster(pods, silent=TWO, misses=CALLS, conflict="pod-1").look()[-1] == "patch pod-3 status"


def test_an_answer_in_time_counts_however_late_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *[1000.0] * 10])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        assert answering({"127.0.0.1"}, listening.getsockname()[1], seconds=1) == {"127.0.0.1"}


def test_a_listener_and_a_refusal_are_answers_and_silence_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert answering({"127.0.0.1", "127.0.0.2"}, port, seconds=2) == {"127.0.0.1", "127.0.0.2"}
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # A listener whose queue is full drops what knocks: the nearest thing to a silent node on loopback.
        port = full.getsockname()[1]
        callers = [socket.socket() for _caller in range(3)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        assert answering({"127.0.0.1"}, port, seconds=0.3) == set()
        for caller in callers:
            caller.close()
