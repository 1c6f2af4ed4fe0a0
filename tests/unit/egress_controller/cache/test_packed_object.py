# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What each service has one of is kept packed, comes out as it went in, and is told of and found as before."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    NETWORK_POLICY,
    POD,
    REPLICATION_CONTROLLER,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import Selection
from egress_controller.cache import forms
from egress_controller.cache.caches import BY_NAME_LABEL, POD_INDEXES, PODS, Caches
from egress_controller.cache.forms import Outline
from egress_controller.cache.packed_object import PackedObject, compact
from kubernetes.informer import ADDED

from tests.support.kept_memory import kept

LABELS = {"name": "shop-avi-egress-pod", "egress.avi.dev/managed-by": "egress-controller"}
MANY = 100
MOST_BYTES = 2048
"""Of a pod that takes 10 kB as dicts."""


def obj(kind: str, name: str = "shop-avi-egress-pod", owner: str = "Service") -> KubeObject:
    metadata = {"name": name, "namespace": "green", "uid": "1", "resourceVersion": "7", "labels": LABELS}
    owners = [{"kind": owner, "name": "shop", "uid": "2", "controller": True}]
    environment = [{"name": f"NAME_{number}", "value": f"välue {number}"} for number in range(12)]
    spec = {"containers": [{"name": "avi-egress-router", "env": environment}], "nodeName": "a"}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    head = {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "ownerReferences": owners}}
    return {**head, "spec": spec, "status": status}


def caches() -> tuple[Caches, list[KubeObject]]:
    told: list[KubeObject] = []
    listener = SimpleNamespace(changed=lambda _resource, _event, obj: told.append(obj))
    return Caches(SimpleNamespace(), None, listener), told  # type: ignore[arg-type]


@pytest.mark.parametrize("resource", [REPLICATION_CONTROLLER, NETWORK_POLICY], ids=lambda resource: resource.kind)
def test_the_caches_of_parts_are_packed_and_show_the_whole(resource: Any) -> None:
    known, told = caches()
    whole = obj(resource.kind)
    known.parts[resource]._handler(ADDED)(json.loads(json.dumps(whole)))
    assert [type(kept) for kept in known.parts[resource]._informer.cache.list()] == [PackedObject]
    assert told == [whole] == [known.parts[resource].get("shop-avi-egress-pod", "green")]


def test_an_outline_is_not_packed_and_still_known_as_one() -> None:
    kept = compact(forms.PARTS_OF_OURS).pack(obj("ReplicationController", "shop"))
    assert isinstance(kept, Outline)


def test_packed_pods_are_found_by_their_service_and_those_of_stateful_sets_apart() -> None:
    known, _told = caches()
    pods = known._pods["uuid"] = known._informer(Selection(POD), POD_INDEXES, PODS)
    single, several = obj("Pod", "shop-avi-egress-pod-x", "ReplicationController"), obj("Pod", "shop-0", "StatefulSet")
    for pod in (single, several):
        pods._handler(ADDED)(json.loads(json.dumps(pod)))
    assert pods.of(BY_NAME_LABEL, ("green", "shop-avi-egress-pod")) == [several, single]
    assert known.pods_of_stateful_sets() == [several]


def test_a_packed_object_takes_little_memory_and_equals_its_like() -> None:
    packed, size = kept(PODS.pack, json.dumps(obj("Pod")), MANY)
    assert size < MOST_BYTES
    assert len(set(packed)) == 1, "a new list in which nothing is new needs no room"
