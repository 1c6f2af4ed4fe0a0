# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An EgressAddress is the same after it was packed: no field of its definition is lost, and a claim is told of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_ADDRESS, KubeObject
from egress_controller.cache.caches import BY_LEASE, Caches
from egress_controller.cache.packed_lock import PackedLock

CRD = Path(__file__).parents[4] / "roles/egress/files/crds/egressaddresses.yaml"
STATUS = {"conditions": [{"type": "Conflict", "status": "True"}]}
FULL: KubeObject = {
    "apiVersion": "egress.avi.dev/v1",
    "kind": "EgressAddress",
    "metadata": {"name": "dmz.10-70-112-7", "uid": "1", "resourceVersion": "7", "generation": 2},
    "spec": {"network": "dmz", "address": "10.70.112.7", "lease": "dmz.green.web.0", "leaseUID": "2", "claims": 3},
    "status": STATUS,
}


def without(*fields: str) -> KubeObject:
    spec = {key: value for key, value in FULL["spec"].items() if key not in fields}
    return {key: value for key, value in {**FULL, "spec": spec}.items() if key not in fields}


@pytest.mark.parametrize("lock", [FULL, without("claims"), without("status"), without("claims", "status")])
def test_a_lock_comes_out_as_it_went_in_but_for_what_nobody_reads(lock: KubeObject) -> None:
    unread = {"managedFields": [{}], "labels": {"a": "b"}, "creationTimestamp": "2026-01-02T03:04:05Z"}
    assert PackedLock.pack({**lock, "metadata": {**lock["metadata"], **unread}}).unpack() == lock


def test_every_field_that_the_definition_knows_is_packed() -> None:
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    assert schema.keys() == FULL.keys()
    assert schema["spec"]["properties"].keys() == FULL["spec"].keys()


def test_locks_of_one_network_share_its_name() -> None:
    one, two = (PackedLock.pack({**FULL, "spec": {**FULL["spec"], "network": "".join(["d", "mz"])}}) for _copy in "ab")
    assert one.network is two.network is sys.intern("dmz")


def test_the_controllers_cache_of_locks_is_packed_and_what_it_shows_is_held() -> None:
    told: list[KubeObject] = []
    listener = SimpleNamespace(changed=lambda _resource, _event, obj: told.append(obj))
    caches = Caches(SimpleNamespace(), None, listener)  # type: ignore[arg-type]
    caches.addresses._handler("ADDED")(dict(FULL))
    assert told == [FULL]
    assert [type(kept) for kept in caches.addresses._informer.cache.list()] == [PackedLock]
    assert caches.addresses.of(BY_LEASE, "dmz.green.web.0") == [caches.addresses.get("dmz.10-70-112-7")] == [FULL]
    assert caches.lock_cache.holds("dmz", "10.70.112.7")
    caches.addresses._handler("DELETED")(dict(FULL))
    assert not caches.lock_cache.holds("dmz", "10.70.112.7")
    assert EGRESS_ADDRESS.api_version is EGRESS_ADDRESS.api_version, "one string, not one for each lock"
