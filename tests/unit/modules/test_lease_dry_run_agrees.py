# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What check mode tells of leases is what the real run then does, whatever the world and whatever is asked for."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest import mock

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    NODE,
    SERVICE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from ansible_collections.avi.egress.plugins.module_utils.module.lease import bulk, ipam_lease, ipam_lease_import
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.builders import service_object
from tests.support.memory_store import LostConnection, MemoryStore

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = BEGIN + timedelta(days=30)
V4 = {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.1", "end": "10.70.112.4"}]}
V6 = {"cidr": "fd70:112::/64", "ranges": [{"begin": "fd70:112::1", "end": "fd70:112::2"}]}
ADDRESSES = [*(f"10.70.112.{last}" for last in range(1, 5)), "fd70:112::1", "fd70:112::2"]
NETWORKS, PROJECTS, SERVICES = ["dmz", "lan"], ["green", "blue"], ["a", "b"]

ALL_SLOTS = [Slot("dmz", *of, 0) for of in itertools.product(PROJECTS, SERVICES)] + [Slot("lan", "green", "a", 0)]
"""Few, so that what is done to them and asked for them meets."""

slots = st.sampled_from(ALL_SLOTS)
addresses = st.sampled_from(ADDRESSES)
families = st.sampled_from(["IPv4", "IPv6"])


class Cluster(MemoryStore):
    """A cluster as a task sees it, in memory."""

    def __init__(self, others: Mapping[str, Sequence[KubeObject]]) -> None:
        super().__init__()
        self.others = others
        self.writes = 0

    def __repr__(self) -> str:
        return f"{self.others} with {[(item['metadata']['name'], item.get('status')) for item in self.leases()]}"

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        if resource.kind in self.objects:
            return super().get(resource, name)
        return next((item for item in self.list(resource, namespace) if item["metadata"]["name"] == name), None)

    def list(self, resource: Resource, namespace: str | None = None, *, labels: str | None = None) -> list[KubeObject]:
        if resource.kind in self.objects:
            return super().list(resource, labels=labels)
        found = self.others.get(resource.kind, ())
        return [item for item in found if namespace in (None, item["metadata"].get("namespace"))]

    def _answer(self, stored: KubeObject) -> KubeObject:
        self.writes += 1
        return super()._answer(stored)


@st.composite
def networks(draw: st.DrawFn) -> list[KubeObject]:
    """Two, which may offer the same addresses on one link."""
    specs = st.fixed_dictionaries(
        {"subnets": st.sampled_from([[V4, V6], [V4, V6], [V4], [{**V4, "exclude": ["10.70.112.1"]}, V6]])},
        optional={
            "reservations": st.lists(
                st.fixed_dictionaries({"address": addresses, "namespace": st.sampled_from(PROJECTS)}),
                max_size=2,
                unique_by=lambda item: item["address"],
            ),
            "addressesPerNamespace": st.integers(1, 4),
            "uplink": st.just("eth1"),
        },
    )
    return [
        {"metadata": {"name": name, "creationTimestamp": f"2026-01-0{number}T00:00:00Z"}, "spec": draw(specs)}
        for number, name in enumerate(NETWORKS, 1)
    ]


@dataclass(frozen=True)
class Deed:
    """Something that was done to a slot's lease before the task."""

    what: str
    slot: Slot
    ip_family: str
    number: int


deeds = st.builds(
    Deed,
    st.sampled_from(["claim", "claim", "release", "expire", "crash", "unlock", "contest"]),
    slots,
    families,
    st.integers(1, 5),
)


@st.composite
def worlds(draw: st.DrawFn) -> Cluster:
    """A cluster with a past."""
    found = draw(networks())
    used = draw(st.sets(slots, max_size=2))
    services = [service_object(name=slot.service, project=slot.namespace) for slot in used]
    node = {"metadata": {"name": "n"}, "status": {"addresses": [{"address": "10.70.112.4"}]}}
    cluster = Cluster(
        {
            EGRESS_NETWORK.kind: found,
            NAMESPACE.kind: [{"metadata": {"name": name}} for name in PROJECTS],
            NODE.kind: [node] if draw(st.booleans()) else [],
            SERVICE.kind: services,
        }
    )
    for day, deed in enumerate(draw(st.lists(deeds, min_size=4, max_size=14))):
        with suppress(EgressError, LostConnection):
            do(cluster, deed, BEGIN + timedelta(days=day))
    return cluster


def do(cluster: Cluster, deed: Deed, now: datetime) -> None:
    """As the controller, a client that crashes, an administrator or a stranger does it."""
    (network,) = [item for item in cluster.others[EGRESS_NETWORK.kind] if item["metadata"]["name"] == deed.slot.network]
    lease = cluster.get(EGRESS_LEASE, deed.slot.lease)
    lock = next((item for item in cluster.list(EGRESS_ADDRESS) if item["spec"]["lease"] == deed.slot.lease), None)
    if deed.what in ("claim", "crash"):
        cluster.between = crash_at(deed.number) if deed.what == "crash" else lambda _request: None
        try:
            draw = leases.at_random((), lambda size: deed.number % size)
            asked = leases.Claim(deed.slot, None, deed.ip_family, CONTROLLER)
            leases.claim(cluster, read_network(network), asked, draw, now)
        finally:
            cluster.between = lambda _request: None
    elif deed.what == "release" and lease:
        leases.release(cluster, lease, now, "ServiceGone")
    elif deed.what == "expire" and lease and not lease_status.is_bound(lease):
        leases.free(cluster, lease)
    elif deed.what == "unlock" and lock:
        cluster.delete(EGRESS_ADDRESS, lock)
    elif deed.what == "contest" and lock:
        contested = {"status": {"conditions": [{"type": "Conflict", "status": "True"}]}}
        cluster.replace(EGRESS_ADDRESS, {**lock, **contested}, "status")


def crash_at(request: int) -> Callable[[str], None]:
    left = [request]

    def between(_request: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise LostConnection("crashed")

    return between


def _slot_of(item: Mapping[str, Any]) -> tuple[Any, ...]:
    return item["network"], item["namespace"], item["service"], item["slot"]


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Cluster, list[dict[str, Any]]]:
    """A world, and what a playbook asks of leases in it."""
    world = draw(worlds())
    there = [leases.slot_of(lease) for lease in world.leases()]
    return world, draw(st.lists(items(st.sampled_from(there or ALL_SLOTS)), min_size=2, max_size=4, unique_by=_slot_of))


@st.composite
def items(draw: st.DrawFn, givers: st.SearchStrategy[Slot]) -> dict[str, Any]:
    """What a playbook asks of one lease."""
    slot = draw(slots)
    given: dict[str, Any] = {"address": None, "ip_family": None, "transfer_from": None, "state": "present"}
    kind = draw(st.sampled_from(["any", "any", "family", "address", "transfer", "transfer", "absent", "absent"]))
    if kind == "family":
        given["ip_family"] = draw(families)
    elif kind == "address":
        given["address"] = draw(addresses)
    elif kind == "transfer":
        giver = draw(givers)
        slot = replace(slot, network=giver.network)
        given["transfer_from"] = {"namespace": giver.namespace, "service": giver.service, "slot": giver.number}
    elif kind == "absent":
        given["state"] = "absent"
    return {**given, "network": slot.network, "namespace": slot.namespace, "service": slot.service, "slot": slot.number}


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """A lease of a file that is imported."""
    slot, phase = draw(slots), draw(st.sampled_from(["Bound", "Released", "Expired"]))
    return {
        **{"network": slot.network, "namespace": slot.namespace, "service": slot.service, "slot": slot.number},
        **{"address": draw(addresses), "bound_at": "2026-01-01T00:00:00Z", "phase": phase, "history": []},
        "released_at": None if phase == "Bound" else "2026-01-05T00:00:00Z",
        "reason": None,
        "claimed_by": draw(st.sampled_from(["controller", "administrator"])),
    }


often = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@often
@given(task=tasks())
def test_check_mode_tells_of_leases_what_the_real_run_does(task: tuple[Cluster, list[dict[str, Any]]]) -> None:
    world, asked = task
    options = {"leases": asked}
    try:
        ipam_lease.validate(options)
    except EgressError:
        assume(False)
    with mock.patch.object(ipam_lease, "utc_now", return_value=NOW):
        compare(ipam_lease.reconcile, world, options)


@often
@given(world=worlds(), asked=st.lists(records(), min_size=2, max_size=4, unique_by=_slot_of))
def test_check_mode_tells_of_an_import_what_the_real_run_does(world: Cluster, asked: list[dict[str, Any]]) -> None:
    options = {"leases": asked}
    try:
        ipam_lease_import.read(options)
    except EgressError:
        assume(False)
    compare(ipam_lease_import.reconcile, world, options)


def compare(reconcile: Callable[..., Any], world: Cluster, options: Mapping[str, Any]) -> None:
    """Run a task in check mode, for real on a copy of the world, and on another one with no dry run before it."""
    checked, real, bold, before = *(copy.deepcopy(one) for one in [world] * 3), copy.deepcopy(world.objects)
    checked.writes = real.writes = bold.writes = 0
    expected = told(reconcile, checked, options, True)
    assert (checked.writes, checked.objects) == (0, before), "check mode writes nothing"
    results = [told(reconcile, real, options, False)]
    with mock.patch.object(bulk, "dry_run", all_due):
        results.append(told(reconcile, bold, options, False))
    if isinstance(expected, str):
        assert results == [expected] * 2
        assert real.writes == 0, "what is refused leaves nothing behind"
        return
    for cluster, found in zip((real, bold), results, strict=True):
        assert not isinstance(found, str), found
        assert bool(cluster.writes) == found["changed"]
        drawn = list(undo_draws(expected["values"]["leases"], found))
        assert found == expected
        asked = {(item["network"], item["address"]) for item in options["leases"]}
        assert not asked & set(drawn), "what is drawn is what no other item asks for"


def all_due(_view: object, _snapshot: object, pending: Sequence[bulk.Item], *_others: object) -> list[bulk.Step]:
    """In place of a dry run: every item is brought about for real, whatever comes of it."""
    return [bulk.Step(item.slot, None, {"": (None, None)}) for item in pending]


def told(reconcile: Callable[..., Any], cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Any:
    """What the module returns, less the versions that the API server chooses; the sentence of an error."""
    try:
        result = reconcile(cast("Any", cluster), options, check_mode)
    except EgressError as error:
        return f"{error.reason}: {error}".partition("; changed already")[0]
    values = copy.deepcopy(result.values)
    for item in values["leases"]:
        if lease := item.get("lease"):
            before = cluster.objects[EGRESS_LEASE.kind].get(lease["metadata"]["name"]) if check_mode else None
            assert not check_mode or lease["metadata"].get("uid") == (before or {}).get("metadata", {}).get("uid")
            for own in ("uid", "resourceVersion"):
                lease["metadata"].pop(own, None)
    return {
        "changed": result.changed,
        "before": result.before,
        "after": dict(result.after),
        "values": values,
        "warnings": list(result.warnings),
    }


def undo_draws(expected: Sequence[Mapping[str, Any]], found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Write into what was found, for each address that was drawn, that it was; gives networks and addresses."""
    for before, item in zip(expected, found["values"]["leases"], strict=True):
        placeholder = str(before.get("address"))
        if placeholder.startswith("one of"):
            yield item["network"], item["address"]
            name = f"EgressLease {item['network']}.{item['namespace']}.{item['service']}.{item['slot']}"
            item["address"] = item["lease"]["status"]["address"] = placeholder
            found["after"][name] = {**found["after"][name], "address": placeholder}
