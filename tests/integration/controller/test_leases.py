# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The life of a lease: taken, kept, given back, in quarantine, forgotten; and who may have which."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    NETWORK_POLICY,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import leases
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from ansible_collections.avi.egress.plugins.module_utils.ipam.release_confirmation import confirmation

from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.controller_process import (
    LEADS_SECONDS,
    ControllerProcess,
    Replica,
    assert_rests,
)
from tests.support.events import first_event
from tests.support.waiting import wait_for
from tests.support.world import World


def test_an_exhausted_network_is_told_and_a_freed_address_is_used(
    world: World, controller: ControllerProcess, api: ApiServer
) -> None:
    world.set_up(prefix=32)
    world.serve("first")
    world.wait_served("first")
    world.serve("second")
    told = world.wait_reason("second", "PoolExhausted")
    assert "all 1 IPv4 addresses" in told["message"]

    def figures() -> dict[str, Any]:
        return (world.cluster.get(EGRESS_NETWORK, world.name) or {}).get("status") or {}

    wait_for("the network's figures", lambda: figures().get("bound") == 1 and figures()["available"] == 0)
    assert figures()["conditions"][0]["reason"] == "PoolExhausted"
    assert first_event(api.kubeconfig, "exhausted", network=world.name)["reason"] == "PoolExhausted"
    address = world.address("first")
    world.delete("first")
    world.wait_served("second")
    assert world.address("second") == address
    former = (world.lease("first") or {})["status"]
    assert (former["phase"], former["reason"]) == ("Expired", "Transferred"), "of one project: no quarantine between"


def test_a_project_that_is_made_again_gets_another_address(world: World, controller: ControllerProcess) -> None:
    """Whoever makes it may be somebody else, and firewalls still trust the former one; not by asking for it, either."""
    world.set_up(prefix=24)
    world.serve("shop")
    world.wait_served("shop")
    former = world.address("shop")
    assert (world.lease("shop") or {})["status"]["namespaceUID"] == namespace_of(world)["metadata"]["uid"]
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    world.cluster.delete_named(NAMESPACE, world.namespace)
    world.cluster.replace(NAMESPACE, {**namespace_of(world), "spec": {"finalizers": []}}, "finalize")
    world.add_namespace(world.namespace)
    world.serve("shop", {"destination_ip": "10.10.10.200", "source_ip": former})
    world.wait_reason("shop", "AddressNotReserved")
    world.annotate("shop", json.dumps({"destination_ip": "10.10.10.200"}))
    world.wait_served("shop")
    assert world.address("shop") != former
    status = (world.lease("shop") or {})["status"]
    assert status["namespaceUID"] == namespace_of(world)["metadata"]["uid"]
    assert status["history"][-1]["address"] == former
    assert former in {lock["spec"]["address"] for lock in world.locks()}, "in quarantine"


def namespace_of(world: World) -> KubeObject:
    return world.cluster.get(NAMESPACE, world.namespace) or {}


def test_deletion_frees_and_the_same_service_gets_the_same_address(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    world.serve("shop")
    world.wait_served("shop")
    address = world.address("shop")
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    assert world.controller("shop") is None
    assert world.cluster.get(NETWORK_POLICY, "shop-avi-egress-pod", world.namespace) is None
    assert len(world.locks()) == 1, "the address stays locked in its quarantine"
    world.serve("shop")
    world.wait_served("shop")
    assert world.address("shop") == address


def test_an_address_is_kept_while_a_pod_may_send_from_it(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    pod = world.serve_by_pod("shop")
    world.delete("shop")
    # The cluster's garbage collector may be faster than the controller.
    wait_for("the RC to end", lambda: not (world.controller("shop") or {"spec": {"replicas": 0}})["spec"]["replicas"])
    time.sleep(1.5)
    assert world.phase("shop") == "Bound"
    world.end_pod(pod)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    assert world.controller("shop") is None


def test_a_lease_taken_ahead_is_used_and_stays_its_takers(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    network = read_network(world.cluster.get(EGRESS_NETWORK, world.name) or {})
    slot = leases.Slot(world.name, world.namespace, "shop", 0)
    taken = leases.claim(world.cluster, network, leases.Claim(slot), leases.at_random(()), datetime.now(UTC))
    time.sleep(1)
    assert world.lease("shop") == taken, "it is not given up although there is no service yet"
    world.serve("shop")
    world.wait_served("shop")
    assert world.address("shop") == taken["status"]["address"]
    world.delete("shop")
    wait_for("the RC to go", lambda: world.controller("shop") is None)
    time.sleep(1)
    assert world.phase("shop") == "Bound"


def test_an_orphaned_lock_goes_after_two_sightings(world: World, replica: Replica) -> None:
    process = replica("--orphan-grace=3")
    process.start()
    wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    kept = world.locks()[0]["metadata"]["name"]
    free = "10.200.0.1"
    body = {
        "apiVersion": EGRESS_ADDRESS.api_version,
        "kind": EGRESS_ADDRESS.kind,
        "metadata": {"name": f"{world.name}.{free.replace('.', '-')}"},
        "spec": {"network": world.name, "address": free, "lease": "nobody.x.y.0", "leaseUID": "gone"},
    }
    world.cluster.create(EGRESS_ADDRESS, body)
    time.sleep(0.2)
    assert len(world.locks()) == 2, "not at the first sighting"
    wait_for("the orphan to go", lambda: [lock["metadata"]["name"] for lock in world.locks()] == [kept])


def test_a_mass_release_stops_until_it_is_confirmed(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=27)
    names = [f"s{number}" for number in range(12)]
    for name in names:
        world.serve(name)
    wait_for("all to have their leases", lambda: world.bound() == len(names))
    controller.end()  # as if the services had been lost while nobody looked
    for name in names:
        world.delete(name)
    controller.start()

    said = f"EgressNetwork {world.name}: services of 12 of 12 leases are gone at once, more than 10;"
    wait_for(
        "the network to speak of all, when each has waited for its grace period",
        lambda: world.network_condition("ReleasesAllowed").get("message", "").startswith(said),
        30,
    )
    assert world.network_condition("ReleasesAllowed")["reason"] == "MassRelease"
    assert world.bound() == len(names), "no address is given up meanwhile"

    assert_rests(controller)
    other = world.of_project(f"{world.name}-other")
    other.serve("shop")
    other.wait_served("shop")
    other.delete("shop")
    wait_for("another project's lease to be given up", lambda: other.phase("shop") == "Released")
    assert world.bound() == len(names)

    world.confirm_mass_release()
    wait_for("all to be given up", lambda: world.bound() == 0, 30)
    wait_for("the network to say so", lambda: world.network_condition("ReleasesAllowed")["status"] == "True")


def test_a_confirmed_release_passes_the_brake_and_leaves_it_to_others(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up(prefix=27)
    names = [f"s{number}" for number in range(12)]
    for name in names:
        world.serve(name)
    wait_for("all to have their leases", lambda: world.bound() == len(names))
    for lease in world.leases():
        annotations = confirmation(datetime.now(UTC))
        world.cluster.patch(EGRESS_LEASE, lease["metadata"]["name"], {"metadata": {"annotations": annotations}})
    for name in names:
        world.delete(name)

    wait_for("all to be given up", lambda: world.bound() == 0, 30)
    assert not world.network_condition("ReleasesAllowed"), "nothing was stopped"

    world.serve("other")
    wait_for("another to have its lease", lambda: world.bound() == 1)
    world.delete("other")
    wait_for("it to be given up, as those before are no mass", lambda: world.bound() == 0, 30)


def test_offboarding_many_services_passes_the_brake_that_holds_another(
    world: World, controller: ControllerProcess, ansible: Ansible
) -> None:
    other, names = world.set_up(prefix=26).of_project(f"{world.name}-other"), [f"s{number}" for number in range(12)]
    for project, name in itertools.product((world, other), names):
        project.serve(name)
    wait_for("all to have their leases", lambda: world.bound() == 24)
    controller.end()  # as if the other's services had been lost while nobody looked
    for name in names:
        other.delete(name)
    controller.start()
    wait_for("they to be held", lambda: world.network_condition("ReleasesAllowed").get("reason") == "MassRelease", 30)

    variables = {"egress_cloud_name": world.name, "egress_projects": world.name, "egress_offboard_services": True}
    run = ansible.playbook("avi.egress.offboard_project", "-e", json.dumps(variables))

    assert run.failure == ""
    assert {world.phase(name) for name in names} == {"Released"}
    assert {other.phase(name) for name in names} == {"Bound"}
    assert world.network_condition("ReleasesAllowed")["reason"] == "MassRelease"


def test_a_released_lease_is_freed_when_its_quarantine_ends(world: World, controller: ControllerProcess) -> None:
    world.set_up(quarantine=5)
    world.serve("shop")
    world.wait_served("shop")
    address = world.address("shop")
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    wait_for("its address to be anybody's", lambda: world.phase("shop") == "Expired" and not world.locks())
    held = (world.lease("shop") or {})["status"]
    assert (held["reason"], held["address"]) == ("ServiceGone", address)
    wait_for("both to be told", lambda: {"LeaseReleased", "LeaseExpired"} <= world.lease_events("shop"))


def test_a_record_that_is_old_enough_is_forgotten(world: World, controller: ControllerProcess) -> None:
    world.set_up(quarantine=1, historySeconds=6)
    world.serve("shop")
    world.wait_served("shop")
    world.delete("shop")
    wait_for("the lease to be a record", lambda: world.phase("shop") == "Expired")
    wait_for("the record to go", lambda: not world.leases())
    wait_for("an Event", lambda: "LeaseForgotten" in world.lease_events("shop"))


def test_a_lease_whose_lock_was_deleted_gets_it_again(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    (lock,) = world.locks()
    world.cluster.delete(EGRESS_ADDRESS, lock)

    wait_for("the lock to be made again", lambda: lock["spec"] in [item["spec"] for item in world.locks()])
    wait_for("an Event", lambda: "AddressLockedAgain" in world.lease_events("shop"))


def test_a_service_that_an_administrator_had_a_lease_for_keeps_it_and_one_of_the_controllers_becomes_his(
    world: World, controller: ControllerProcess
) -> None:
    """Who gives a lease up is who claimed it last, whoever that was before."""
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    network = read_network(world.cluster.get(EGRESS_NETWORK, world.name) or {})
    slot = Slot(world.name, world.namespace, "shop", 0)
    claimed = leases.claim(world.cluster, network, leases.Claim(slot), leases.at_random(()), datetime.now(UTC))
    assert leases.claimed_by(claimed) == leases.ADMINISTRATOR
    time.sleep(1)
    assert world.phase("shop") == "Bound", "no service uses it, and it is not the controller's to give up"
    leases.release(world.cluster, claimed, datetime.now(UTC), "Tested")
    world.serve("shop")
    wait_for("the lease to be Bound", lambda: world.phase("shop") == "Bound")
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")


def test_a_project_holds_no_more_addresses_than_its_quota(world: World, controller: ControllerProcess) -> None:
    world.set_up(addressesPerNamespace=3)
    names = [f"s{number}" for number in range(8)]
    for name in names:
        world.serve(name)

    def those(reason: str) -> list[str]:
        return [name for name in names if world.condition(name).get("reason") == reason]

    wait_for("3 to be served", lambda: (len(those("WaitingForPod")), len(those("QuotaExceeded"))) == (3, 5))
    assert len(world.leases()) == 3, "what is refused has none"
    assert_rests(controller)
    served = those("WaitingForPod")[0]
    address = world.address(served)
    world.delete(served)
    names.remove(served)
    wait_for("another to be served in its place", lambda: len(those("WaitingForPod")) == 3)
    assert world.bound() == 3
    assert address in {world.address(name) for name in names}, "of one project: no quarantine between"
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"addressesPerNamespace": 5}})
    wait_for("two more to be served when the quota is raised", lambda: len(those("WaitingForPod")) == 5)


def test_a_reserved_address_is_for_the_service_that_names_it(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=30)
    (first, second) = (str(address) for address in world.subnet.hosts())
    reserved = [{"address": first, "namespace": world.namespace}, {"address": second, "namespace": "another"}]
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"reservations": reserved}})
    world.serve("drawing")
    world.wait_reason("drawing", "PoolExhausted")
    world.serve("asking", {"destination_ip": "10.10.10.200", "source_ip": first})
    world.wait_served("asking")
    assert world.address("asking") == first
    world.serve("poaching", {"destination_ip": "10.10.10.200", "source_ip": second})
    world.wait_reason("poaching", "AddressNotReserved")
