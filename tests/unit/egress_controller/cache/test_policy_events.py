# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A NetworkPolicy calls the services whose egress pods it may be for, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_POD_ANNOTATION,
    NETWORK_POLICY,
    KubeObject,
)
from egress_controller.cache import forms
from egress_controller.cache.event_handlers import EventHandlers
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.runtime.keys import Key
from egress_controller.runtime.work_queue import WorkQueue
from kubernetes.informer import ADDED, DELETED, MODIFIED

from tests.unit.egress_controller.clock import Clock

GATEWAY = "avi-egress"
EVERYBODY: dict[str, Any] = {"podSelector": {}, "ingress": [{}]}


class Services:
    """The cache of Services, by namespace and name."""

    def __init__(self, *names: tuple[str, str]) -> None:
        annotations = {EGRESS_POD_ANNOTATION: "{}"}
        self.objects = [
            {"metadata": {"namespace": namespace, "name": name, "annotations": annotations}}
            for namespace, name in names
        ]

    def of(self, index: str, namespace: str) -> list[KubeObject]:
        return [service for service in self.objects if service["metadata"]["namespace"] == namespace]


class Calls:
    """Event handlers of two services in green and one in blue, and whom they call."""

    def __init__(self) -> None:
        self._queue = WorkQueue[Key](Clock())
        self._handlers = EventHandlers(self._queue, WaitingServices(), RefusedServices(Clock()), GATEWAY)
        services = Services(("green", "shop"), ("green", "till"), ("blue", "shop"))
        caches: Any = SimpleNamespace(services=services, marked_services=lambda: services.objects)
        self._handlers.attach(caches)

    def of(self, event: str, policy: KubeObject) -> list[str]:
        self._handlers.changed(NETWORK_POLICY, event, forms.POLICIES.pack(policy))
        called = []
        while key := self._queue.get(0):
            self._queue.done(key)
            called.append(f"{key.namespace}/{key.name}")
        return sorted(called)


def policy(spec: dict[str, Any], namespace: str = "green", name: str = "p", **metadata: Any) -> KubeObject:
    kind = {"apiVersion": NETWORK_POLICY.api_version, "kind": NETWORK_POLICY.kind}
    return {**kind, "metadata": {"namespace": namespace, "name": name, "uid": "1", **metadata}, "spec": spec}


def own(spec: dict[str, Any] | None = None, name: str = "shop-avi-egress-pod", **labels: str) -> KubeObject:
    selector = {"podSelector": {"matchLabels": {"name": name}}, "ingress": [{}]}
    return policy(spec or selector, name=name, labels={"name": name, **labels})


@pytest.mark.parametrize("event", [ADDED, MODIFIED])
def test_a_foreign_policy_calls_the_services_of_its_namespace_once(event: str) -> None:
    calls = Calls()
    assert calls.of(event, policy(EVERYBODY)) == ["green/shop", "green/till"]
    assert calls.of(MODIFIED, policy(EVERYBODY, annotations={"flipped": "again"})) == []
    assert calls.of(MODIFIED, policy({**EVERYBODY, "ingress": []})) == ["green/shop", "green/till"]
    assert calls.of(DELETED, policy({**EVERYBODY, "ingress": []})) == ["green/shop", "green/till"]


def test_an_egress_pods_own_policy_calls_its_service_alone() -> None:
    calls = Calls()
    assert [calls.of(event, own()) for event in (ADDED, MODIFIED, DELETED)] == [["green/shop"]] * 3


def test_a_policy_that_only_pretends_to_be_a_pods_own_calls_all() -> None:
    calls = Calls()
    assert calls.of(ADDED, own(EVERYBODY)) == ["green/shop", "green/till"]
    assert calls.of(MODIFIED, own()) == ["green/shop", "green/till"], "it let others in to all until now"
    unlabelled = policy(EVERYBODY, name="shop-avi-egress-pod")
    assert calls.of(ADDED, unlabelled) == ["green/shop", "green/till"]


def test_a_foreign_policy_where_all_egress_pods_are_calls_all_services() -> None:
    assert Calls().of(ADDED, policy(EVERYBODY, GATEWAY)) == ["blue/shop", "green/shop", "green/till"]
