# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The guarantees of leases on a real API server that conflicts, refuses, forgets to answer and breaks off.

EGRESS_FAULT_SEED repeats the faults of a run; a failure prints it.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError, Conflict
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection, ConnectionFailed
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network

from tests.faults import FaultProxy
from tests.faults.requests import READS, WRITES
from tests.faults.rules import (
    CONFLICT,
    INTERNAL_ERROR,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    CutWatch,
    Delay,
    Gone,
    HoldWatch,
    LoseReply,
    Pass,
    Reset,
    Rule,
)
from tests.support.api_server import ApiServer
from tests.support.controller_process import LEADS_SECONDS, NAMESPACE_OF_CONTROLLER, ControllerProcess
from tests.support.definitions import CRDS, SCC_CRD, define
from tests.support.waiting import wait_for
from tests.support.world import World

T = TypeVar("T")

WRITE_FAULTS = (CONFLICT, TOO_MANY_REQUESTS, INTERNAL_ERROR, UNAVAILABLE, Reset(), LoseReply(), Delay(0.02))
WATCH_FAULTS = (Gone(), Gone(events=1), CutWatch(), CutWatch(events=2), HoldWatch(0.2))
CLIENTS = 8
ATTEMPTS = 100
"""A claim is three writes, and about half of all writes fail: more than twenty attempts are hardly ever needed."""
PATIENCE_SECONDS = 40
SERVICES = 12


@pytest.fixture
def seed() -> int:
    found = int(os.environ.get("EGRESS_FAULT_SEED") or random.randrange(1_000_000))
    print(f"EGRESS_FAULT_SEED={found}")
    return found


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    found = api.cluster()
    define(found, [*CRDS, SCC_CRD])
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE_OF_CONTROLLER}}
    found.create(NAMESPACE, home)
    return found


@pytest.fixture
def world(cluster: KubeClient) -> World:
    return World(cluster)


@pytest.fixture
def controller(faults: FaultProxy, tmp_path: Path) -> Iterator[ControllerProcess]:
    """A leading controller that reaches the API server through the faults only."""
    made = ControllerProcess(faults.kubeconfig, tmp_path / "controller.log", "replica", "--orphan-grace=0.5")
    made.start()
    try:
        wait_for("it to lead", lambda: made.leads, LEADS_SECONDS)
        yield made
    finally:
        made.end()


class Claimant:
    """A client with the patience of the shells: what failed is done again from its beginning."""

    def __init__(self, cluster: KubeClient, network: EgressNetwork, seed: str) -> None:
        self._cluster = cluster
        self._network = network
        self._random = random.Random(seed)
        self.told: list[tuple[Slot, str]] = []

    def claim(self, slot: Slot) -> str:
        """The address that the answer said. Without hints of what is taken, so that claimants meet."""

        def attempt() -> KubeObject:
            draw = leases.at_random((), self._random.randrange)
            return leases.claim(self._cluster, self._network, leases.Claim(slot), draw, datetime.now(UTC))

        address = str(_insist(attempt)["status"]["address"])
        self.told.append((slot, address))
        return address

    def release(self, slot: Slot) -> None:
        def attempt() -> None:
            lease = self._cluster.get(EGRESS_LEASE, slot.lease)
            if lease:
                leases.release(self._cluster, lease, datetime.now(UTC), "Tested")

        _insist(attempt)

    def free(self, slot: Slot) -> None:
        """As at the end of a quarantine of no seconds."""

        def attempt() -> None:
            lease = self._cluster.get(EGRESS_LEASE, slot.lease)
            if lease and lease_status.quarantine_over(lease, 0, datetime.now(UTC)):
                leases.free(self._cluster, lease)

        _insist(attempt)

    def shuffled(self, slots: list[Slot]) -> list[Slot]:
        return self._random.sample(slots, len(slots))


def _insist(action: Callable[[], T]) -> T:
    for _attempt in range(ATTEMPTS):
        try:
            return action()
        except (Conflict, ConnectionFailed, ApiError):
            continue
    raise AssertionError(f"not done in {ATTEMPTS} attempts")


def storm(probability: float) -> list[Rule]:
    """Every fault of writes, and requests to read that don't arrive."""
    writes = [Rule(fault, WRITES, probability=probability) for fault in WRITE_FAULTS]
    return [*writes, Rule(Reset(), READS, probability=probability / 2)]


def assert_each_address_has_one_lease(world: World) -> None:
    """Every address that a lease says is said by no other, and locked by that lease."""
    found = [lease for lease in world.leases() if not lease_status.is_expired(lease)]
    locks = {lock["spec"]["address"]: lock["spec"] for lock in world.locks()}
    addresses = [lease["status"]["address"] for lease in found]
    assert [address for address, count in Counter(addresses).items() if count > 1] == []
    holders = {lease["status"]["address"]: (lease["metadata"]["name"], lease["metadata"]["uid"]) for lease in found}
    assert {address: (locks[address]["lease"], locks[address]["leaseUID"]) for address in holders} == holders


def lease_address(world: World, slot: Slot) -> str | None:
    """What the API server itself says."""
    found: str | None = ((world.cluster.get(EGRESS_LEASE, slot.lease) or {}).get("status") or {}).get("address")
    return found


@dataclass(frozen=True)
class Slots:
    """What the claimants claim, one of each kind for each of them."""

    kept: list[Slot]
    """Claimed by all of them."""
    returned: list[Slot]
    """Claimed and given back in turns by two of them."""
    freed: list[Slot]
    """Claimed, given back and freed again and again by one of them, and claimed at the end."""
    left: list[Slot]
    """Freed at the end."""

    @classmethod
    def of(cls, world: World) -> Slots:
        def some(kind: str) -> list[Slot]:
            return [Slot(world.name, world.namespace, f"{kind}{number}", 0) for number in range(CLIENTS)]

        return cls(some("kept"), some("returned"), some("freed"), some("left"))

    def phases(self, world: World) -> dict[str, set[str | None]]:
        return {kind: {world.phase(slot.service) for slot in slots} for kind, slots in vars(self).items()}


def live(me: Claimant, number: int, slots: Slots, world: World) -> None:
    """A claimant's part in the storm; what it alone holds is compared with what the API server says."""
    own, leaving = slots.freed[number], slots.left[number]
    shared = (slots.returned[number], slots.returned[(number + 1) % CLIENTS])
    for turn, slot in enumerate(me.shuffled(slots.kept)):
        me.claim(slot)
        me.claim(shared[turn % 2])
        me.release(shared[turn % 2])
        if turn % 3 == 0:
            address = me.claim(own)
            assert lease_address(world, own) == address
            me.release(own)
            me.free(own)
            assert world.phase(own.service) == "Expired"
    me.claim(own)
    me.claim(leaving)
    me.release(leaving)
    me.free(leaving)


def test_claimants_in_a_storm_share_no_address_and_lose_none(
    faults: FaultProxy, world: World, tmp_path: Path, seed: int
) -> None:
    world.set_up(prefix=26, quarantine=0)
    network = read_network(world.cluster.get(EGRESS_NETWORK, world.name) or {})
    slots, start = Slots.of(world), Barrier(CLIENTS, timeout=PATIENCE_SECONDS)

    def run(number: int) -> list[tuple[Slot, str]]:
        cluster = KubeClient(Connection(kubeconfig=str(faults.kubeconfig)))
        me = Claimant(cluster, network, f"{seed} {number}")
        start.wait()
        live(me, number, slots, world)
        return me.told

    faults.use(*storm(0.1), seed=seed)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(chain.from_iterable(pool.map(run, range(CLIENTS))))
    met = faults.journal.faults()
    faults.use()
    print(f"requests: {faults.journal.count()}, faults: {met}")
    assert set(met) == {fault.name for fault in WRITE_FAULTS}
    told: dict[Slot, list[str]] = defaultdict(list)
    for slot, address in answers:
        told[slot].append(address)
    assert_each_address_has_one_lease(world)
    moved = {slot.lease: set(told[slot]) for slot in (*slots.kept, *slots.returned) if len(set(told[slot])) > 1}
    assert moved == {}
    wanted = {"kept": {"Bound"}, "returned": {"Released"}, "freed": {"Bound"}, "left": {"Expired"}}
    assert slots.phases(world) == wanted
    bound = {slot: told[slot][-1] for slot in (*slots.kept, *slots.returned, *slots.freed)}
    assert {slot: lease_address(world, slot) for slot in bound} == bound
    again = Claimant(world.cluster, network, str(seed))
    assert {slot: again.claim(slot) for slot in bound} == bound
    print(f"leases: {len(world.leases())}, locks before collection: {len(world.locks())}")
    collector = ControllerProcess(faults.kubeconfig, tmp_path / "collector.log", "collector", "--orphan-grace=0.5")
    collector.start()
    try:
        wait_for("a lock for each lease and no other", lambda: len(world.locks()) == len(bound), PATIENCE_SECONDS)
    finally:
        collector.end()
    assert_each_address_has_one_lease(world)
    assert {slot: lease_address(world, slot) for slot in bound} == bound


def test_every_service_is_served_through_a_storm(
    faults: FaultProxy, controller: ControllerProcess, world: World, seed: int
) -> None:
    world.set_up(prefix=26)
    faults.use(
        # A leader that cannot renew ends, and here is no kubelet that starts it anew.
        Rule(Pass(), path="/coordination.k8s.io/"),
        *storm(0.04),
        *(Rule(fault, probability=0.1) for fault in WATCH_FAULTS),
        seed=seed,
    )
    faults.cut_watches()
    names = [f"s{number}" for number in range(SERVICES)]
    for name in names:
        world.serve(name)
    for name in names:
        world.wait_reason(name, "WaitingForPod", PATIENCE_SECONDS)
        assert world.service(name)["spec"]["selector"] == {"name": f"{name}-avi-egress-pod"}
    told = {name: world.service(name)["metadata"]["annotations"]["egress.avi.dev/source-ips"] for name in names}
    gone, staying = names[::3], [name for name in names if name not in names[::3]]
    for name in gone:
        world.delete(name)
        faults.cut_watches()
    wait_for("the deleted to release", lambda: {world.phase(name) for name in gone} == {"Released"}, PATIENCE_SECONDS)
    for name in gone:
        world.serve(name)
        faults.cut_watches()
    for name in gone:
        world.wait_reason(name, "WaitingForPod", PATIENCE_SECONDS)
    print(f"requests: {faults.journal.count()}, faults: {faults.journal.faults()}")
    assert {name: world.address(name) for name in names} == told
    assert_each_address_has_one_lease(world)
    assert len(world.leases()) == SERVICES
    wait_for("a lock for each lease and no other", lambda: len(world.locks()) == SERVICES, PATIENCE_SECONDS)
    assert {name: world.condition(name)["reason"] for name in staying} == dict.fromkeys(staying, "WaitingForPod")
    assert controller.leads


WATCHED = ("/services$", "/egressleases$", "/egressaddresses$", "/egressnetworks$", "/egressclouds$", "/namespaces$")


def test_a_watch_that_is_told_410_lists_anew_and_misses_nothing(
    faults: FaultProxy, controller: ControllerProcess, world: World
) -> None:
    faults.use(*(Rule(Gone(), path=path, times=1) for path in WATCHED))
    faults.journal.clear()
    faults.cut_watches()
    world.set_up()
    world.serve("shop")
    world.wait_reason("shop", "WaitingForPod", PATIENCE_SECONDS)
    assert world.address("shop") is not None
    wait_for("all to list", lambda: all(faults.journal.count("list", path) for path in WATCHED))


def test_a_watch_that_is_cut_misses_nothing_and_lists_nothing_anew(
    faults: FaultProxy, controller: ControllerProcess, world: World
) -> None:
    world.set_up()
    world.serve("first")
    world.wait_reason("first", "WaitingForPod")
    cut = [Rule(CutWatch(events), path=path, times=1) for path in WATCHED[:3] for events in (0, 2)]
    faults.use(*cut)
    faults.journal.clear()
    faults.cut_watches()
    names = [f"s{number}" for number in range(4)]
    for name in names:
        world.serve(name)
    for name in names:
        world.wait_reason(name, "WaitingForPod", PATIENCE_SECONDS)
    wait_for("all to be cut", lambda: faults.journal.faults() == {"CutWatch": len(cut)})
    assert faults.journal.count("list", "/services$|/egressleases$|/egressaddresses$") == 0
    assert len({world.address(name) for name in names} - {None}) == len(names)


def network_status(world: World) -> dict[str, Any]:
    """What the controller says of the network, from its caches."""
    return dict((world.cluster.get(EGRESS_NETWORK, world.name) or {}).get("status") or {})


def test_a_service_made_anew_before_the_watch_tells_of_its_release_has_a_bound_lease(
    faults: FaultProxy, controller: ControllerProcess, world: World
) -> None:
    world.set_up()
    faults.use(Rule(HoldWatch(3), path="/egressleases$"))
    faults.cut_watches()
    world.serve("shop")
    world.wait_reason("shop", "WaitingForPod")
    address = world.address("shop")
    assert address is not None
    wait_for("the controller to see it Bound", lambda: network_status(world).get("bound") == 1)
    world.delete("shop")
    wait_for("the release", lambda: world.phase("shop") == "Released")
    world.serve("shop")
    world.wait_reason("shop", "WaitingForPod")
    assert world.address("shop") == address
