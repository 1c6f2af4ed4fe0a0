# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses in conflict: how they are marked, and whose address may change because of one."""

from __future__ import annotations

from typing import Callable

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import patched
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    POD,
    SERVICE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import in_conflict
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from egress_controller.ipam.conflicts import SETTLE_SECONDS, Conflict, Conflicts, condition_with
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.reconciler import Result

from tests.support.builders import service as wish
from tests.unit.egress_controller.clock import Clock
from tests.unit.egress_controller.fakes import (
    ADDRESS,
    LATER,
    MAC,
    OTHER,
    SOON,
    T0,
    Store,
    caches,
    context,
    lock,
    network,
    pod,
)

EARLIER = "2025-12-31T23:00:00Z"


def lease(*history: tuple[str, str], claimed_by: str | None = "controller", bound_at: str = T0) -> KubeObject:
    """Of the address, held since ``bound_at``; before that those of ``history``, each given up for a reason."""
    past = [
        {"address": address, "boundAt": EARLIER, "releasedAt": EARLIER, "reason": reason} for address, reason in history
    ]
    return {
        "metadata": {
            "name": "dmz.green.web.0",
            "uid": "1",
            "labels": {"egress.avi.dev/claimed-by": claimed_by} if claimed_by else {},
        },
        "spec": {"network": "dmz", "namespace": "green", "service": "web", "slot": 0},
        "status": {"phase": "Bound", "address": ADDRESS, "boundAt": bound_at, "history": past},
    }


def service(served: str | None = None, made: str = T0) -> KubeObject:
    said = {"type": "EgressServed", "status": "True", "message": f"traffic has left from {served}"}
    return {
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "green", "uid": "s1", "creationTimestamp": made},
        "status": {"conditions": [said] if served else []},
    }


class World:
    """An API server whose caches are up to date, and everybody who is told something."""

    def __init__(self, *pods: KubeObject, marked: bool = False, subnet: str = "10.70.112.0/29") -> None:
        self.clock = Clock()
        self.pods = list(pods)
        self.service = service()
        self.network = network(subnet)
        self.addresses = Store(lock(ADDRESS))
        self.events: list[tuple[str, str, str]] = []
        self.given_up: list[tuple[str, str]] = []
        self.again: Result | None = None
        self.waiting: list[Key] = []
        self.writes = 0
        known = caches(addresses=self.addresses, networks=Store(self.network), all_pods=lambda: self.pods)
        self.conflicts = Conflicts(context(self, known, events=self), self, self, self.clock)  # type: ignore[arg-type]
        if marked:
            self.look_at(lease(), pod())
            self.events.clear()

    # What Conflicts asks of the server, the Events, the releases and the waiting services.

    def get(self, resource: Resource, name: str, namespace: str) -> KubeObject | None:
        return {SERVICE: self.service, POD: next(iter(self.pods), None)}[resource]

    def patch(self, resource: Resource, name: str, body: KubeObject, *, subresource: str) -> None:
        assert (resource, subresource) == (EGRESS_ADDRESS, "status")
        self.writes += 1
        self.addresses.objects[name] = patched(self.addresses.objects[name], body)

    def emit(self, obj: KubeObject, kind: str, reason: str, message: str) -> None:
        self.events.append((obj["kind"], kind, reason))

    def give_up(self, lease: KubeObject, reason: str, why: str) -> None:
        self.given_up.append((lease["metadata"]["name"], reason))

    def add(self, key: Key) -> None:
        self.waiting.append(key)

    # What the tests ask.

    def look_at(self, bound: KubeObject, *pods: KubeObject) -> list[Conflict]:
        found, self.again = self.conflicts.observe(self.service, [bound], pods)
        return found

    def look(self, bound: KubeObject | None = None) -> list[Conflict]:
        return self.look_at(bound or lease(), *self.pods)

    def moves(self, bound: KubeObject, wanted: EgressService | None = None) -> bool:
        """Whether the service gets another address."""
        found = self.look(bound)
        return self.conflicts.reassign(wanted or wish(), read_network(self.network), [ADDRESS], found)

    @property
    def marked(self) -> bool:
        return in_conflict(self.addresses.objects["dmz.10-70-112-1"])


def test_the_address_is_marked_and_told_once() -> None:
    world = World(pod())
    (conflict,) = world.look()
    assert world.marked
    assert MAC in conflict.message
    assert world.events == [("Service", "Warning", "AddressConflict"), ("EgressNetwork", "Warning", "AddressConflict")]
    world.look()
    assert (world.writes, len(world.events)) == (1, 2)


def test_the_mark_stays_when_the_words_are_gone_and_goes_when_the_pod_is_ready() -> None:
    world = World(pod(None), marked=True)
    (conflict,) = world.look()
    assert MAC in conflict.message
    world.pods = [pod(ready=True)]
    assert not world.look()
    assert not world.marked
    assert world.events == [("Service", "Normal", "ConflictResolved"), ("EgressNetwork", "Normal", "ConflictResolved")]
    writes = world.writes
    world.look()
    assert world.writes == writes


def test_nothing_is_said_against_another_pod_of_ours_that_may_have_the_address() -> None:
    """Such as one on a node that the cluster has lost, and that goes on working."""
    lost = pod(None, uid="p0", name="web-avi-egress-pod-x0")
    world = World(pod(), lost)
    assert not world.look()
    world.pods = [pod()]
    assert not world.look(), "its successor has had no time yet to take the address"
    assert world.again == Result(SETTLE_SECONDS)
    world.clock.advance(SETTLE_SECONDS)
    assert world.look()


def test_a_pod_that_has_ended_holds_no_address() -> None:
    evicted = pod(None, uid="p0", name="web-avi-egress-pod-x0")
    evicted["status"]["phase"] = "Failed"
    assert World(pod(), evicted).look()


def test_a_service_that_never_sent_from_the_address_gets_another() -> None:
    world = World(pod())
    assert world.moves(lease())
    assert world.given_up == [("dmz.green.web.0", "Conflict")]


Change = Callable[[World], None]


def has_served(world: World) -> None:
    world.service = service(served=ADDRESS)


def was_made_after_its_lease(world: World) -> None:
    world.service = service(made=SOON)


def has_a_later_pod(world: World) -> None:
    world.pods = [pod(made=LATER)]


def has_a_pod_that_ran_before(world: World) -> None:
    world.pods = [pod(restartCount=2)]


def has_got_it_by_now(world: World) -> None:
    world.get = lambda *_asked: pod(ready=True)  # type: ignore[method-assign]


def is_gone_by_now(world: World) -> None:
    world.get = lambda *_asked: None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "change",
    [
        has_served,
        was_made_after_its_lease,
        has_a_later_pod,
        has_a_pod_that_ran_before,
        has_got_it_by_now,
        is_gone_by_now,
    ],
)
def test_a_service_that_may_have_sent_from_the_address_is_not_moved(change: Change) -> None:
    world = World(pod())
    change(world)
    assert not world.moves(lease())
    assert not world.given_up
    assert world.marked, "it is told all the same"


@pytest.mark.parametrize(
    "bound",
    [lease(claimed_by=None), lease((ADDRESS, "ServiceGone"))],
    ids=["leased by an administrator", "had it before"],
)
def test_an_address_that_somebody_may_trust_is_kept(bound: KubeObject) -> None:
    assert not World(pod()).moves(bound)


def test_what_else_it_held_before_does_not_keep_a_service_from_moving() -> None:
    assert World(pod()).moves(lease((OTHER, "ServiceGone"), (OTHER, "Conflict")))


@pytest.mark.parametrize(
    ("subnet", "others", "moves"),
    [
        ("10.70.112.0/28", 2, True),
        ("10.70.112.0/28", 3, False),
        ("10.70.112.0/24", 62, True),
        ("10.70.112.0/24", 63, False),
    ],
)
def test_nobody_leaves_an_address_when_too_many_are_in_conflict(subnet: str, others: int, moves: bool) -> None:
    """A host that answers for everything, and none that has an address."""
    world = World(pod(), subnet=subnet)
    for number in range(others):
        contested = lock(f"10.70.112.{number + 2}")
        contested["status"] = {"conditions": [{"type": "Conflict", "status": "True"}]}
        world.addresses.objects[contested["metadata"]["name"]] = contested
    assert world.moves(lease()) is moves
    assert world.waiting == ([] if moves else [service_key(wish().namespace, wish().name)])


def test_a_service_that_asks_for_the_address_keeps_it() -> None:
    assert not World(pod()).moves(lease(), wish(egress_pod={"destination_ip": "10.10.10.200", "source_ip": ADDRESS}))


def test_a_service_is_moved_by_its_own_pods_words_only() -> None:
    assert not World(pod(None), marked=True).moves(lease())


def test_a_service_waits_where_it_is_until_there_is_another_address() -> None:
    world = World(pod(), subnet="10.70.112.1/32")
    assert not world.moves(lease())
    assert world.waiting == [service_key(wish().namespace, wish().name)]


@pytest.mark.parametrize(
    ("condition", "reason", "told"),
    [
        (Condition(False, "WaitingForPod", "x"), "AddressConflict", True),
        (Condition(True, "Degraded", "1 of 2"), "Degraded", True),
        (Condition(False, "Replacing", "x"), "Replacing", False),
        (Condition(True, "EgressReady", "x"), "EgressReady", False),
    ],
)
def test_the_service_says_what_it_waits_for_and_what_helps(condition: Condition, reason: str, told: bool) -> None:
    found = condition_with([Conflict(lease(), f"{ADDRESS} is held", None)], condition)
    assert found is not None
    assert (found.ready, found.reason) == (condition.ready, reason)
    assert (f"{ADDRESS} is held" in found.message and "remove that host" in found.message) is told
    assert found.message.startswith("1 of 2") is (reason == "Degraded")
    assert condition_with([], condition) == condition
