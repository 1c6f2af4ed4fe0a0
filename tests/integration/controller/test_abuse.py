# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What one project does without measure costs the others nothing: told by order and by work, not by the clock."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_NETWORK,
    EVENT,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE,
    KubeObject,
    Resource,
)

from tests.support.controller_process import LEADS_SECONDS, ControllerProcess, Replica, assert_rests, wait_quiet
from tests.support.waiting import wait_for
from tests.support.world import World

MANY = 300
QUOTA = 20
FLIPS = 300
FINALIZER = "tests.egress.avi.dev/kept"


def test_many_services_of_a_project_delay_no_other_and_rest_when_they_are_refused(
    world: World, replica: Replica
) -> None:
    world.set_up(prefix=24, addressesPerNamespace=QUOTA)
    other = world.of_project(f"{world.name}-other")
    for number in range(MANY):
        world.serve(f"s{number}")
    other.serve("shop")  # The last that a list shows.
    process = replica()
    process.start()
    wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
    other.wait_served("shop")

    wait_for("all to be judged", lambda: _refused(world) == MANY - QUOTA, 60, lambda: _refused(world))
    lease = other.lease("shop")
    assert lease is not None
    before = [event for event in _refusals(world) if _revision(event) < _revision(lease)]
    print(f"services of the other project that were refused before this one had its lease: {len(before)}")
    assert len(before) < MANY / 5, "the projects take turns"
    assert len(world.leases()) == QUOTA + 1, "what is refused has no lease"

    assert_rests(process)


def test_an_annotation_changed_without_end_is_looked_at_now_and_then_and_in_its_last_state(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up()
    world.serve("shop", "{")
    world.wait_reason("shop", "InvalidAnnotation")
    other = world.of_project(f"{world.name}-other")
    wait_quiet(controller)
    before = _passes(controller)
    for number in range(FLIPS):
        world.annotate("shop", f'{{"destination_ip": "10.10.10.200", "hm_port": "never-{number}"}}')
        if number == FLIPS // 2:
            other.serve("shop")
    passes = _passes(controller) - before
    print(f"passes for {FLIPS} changes: {passes:.0f}")
    assert passes < FLIPS / 2
    other.wait_served("shop")
    last = f"never-{FLIPS - 1}"
    wait_for("its last state to be judged", lambda: last in world.condition("shop")["message"])


def test_what_a_finalizer_keeps_is_waited_for_without_a_request(world: World, controller: ControllerProcess) -> None:
    """On a cluster whose admission policies would let somebody set one."""
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    pod, kept = world.run_pod("shop"), (POD, REPLICATION_CONTROLLER)
    world.wait_reason("shop", "EgressReady")
    names = dict(zip(kept, (pod, "shop-avi-egress-pod"), strict=True))
    for kind in kept:
        world.cluster.patch(kind, names[kind], {"metadata": {"finalizers": [FINALIZER]}}, world.namespace)
    world.delete("shop")
    wait_for("the RC to end", lambda: not (world.controller("shop") or {})["spec"]["replicas"])
    world.end_pod(pod)
    assert_rests(controller)
    assert world.phase("shop") == "Bound", "something may send from its address"
    for kind in kept:
        wait_for(f"the {kind.kind} to be deleted", lambda kind=kind: _ends(world, kind, names[kind]))
        world.cluster.patch(kind, names[kind], {"metadata": {"finalizers": None}}, world.namespace)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")


def test_a_quota_of_none_is_told_and_makes_nothing(world: World, controller: ControllerProcess) -> None:
    world.set_up(quotas=[{"namespace": world.name, "addresses": 0}])
    world.serve("shop")
    assert "may hold 0" in world.wait_reason("shop", "QuotaExceeded")["message"]
    assert (world.leases(), world.locks(), world.controller("shop")) == ([], [], None)
    quotas = [{"namespace": world.name, "addresses": 1}]
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"quotas": quotas}})
    world.wait_served("shop")


def _refused(world: World) -> int:
    return sum(
        condition.get("reason") == "QuotaExceeded"
        for service in world.cluster.list(SERVICE, world.namespace)
        for condition in service["status"].get("conditions") or ()
    )


def _refusals(world: World) -> list[KubeObject]:
    """The Events by which services were told, each written once."""
    return [event for event in world.cluster.list(EVENT, world.namespace) if event["reason"] == "QuotaExceeded"]


def _revision(obj: KubeObject) -> int:
    """When it was written last: the API server counts its writes."""
    return int(obj["metadata"]["resourceVersion"])


def _passes(controller: ControllerProcess) -> float:
    return controller.metric('reconcile_seconds_count{kind="service"}')


def _ends(world: World, kind: Resource, name: str) -> bool:
    return "deletionTimestamp" in (world.cluster.get(kind, name, world.namespace) or {"metadata": {}})["metadata"]
