# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's process against a real API server. No kubelet: where a pod matters, the test plays it."""

from __future__ import annotations

import json
import signal
import statistics
import time
from datetime import UTC, datetime
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    EVENT,
    LEADER_LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    REPLICATION_CONTROLLER,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE,
    SERVICE_ACCOUNT,
    account_name,
    account_user,
    scc_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam import leases, locks
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network

from tests.faults import FaultProxy
from tests.faults.requests import READS
from tests.faults.rules import Delay, HoldWatch, Rule
from tests.support.api_server import ApiServer
from tests.support.controller_process import (
    LEADS_SECONDS,
    NAMESPACE_OF_CONTROLLER,
    ControllerProcess,
    wait_quiet,
)
from tests.support.definitions import CRDS, SCC_CRD, define
from tests.support.door import Door
from tests.support.installed import install_account
from tests.support.waiting import wait_for
from tests.support.world import LABEL, World


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    """A cluster with the kinds of objects that the role installs, and OpenShift's SCC."""
    found = api.cluster()
    define(found, [*CRDS, SCC_CRD])
    return found


@pytest.fixture(scope="module")
def account(api: ApiServer, cluster: KubeClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the account that the role makes: every test runs with its rights and no more."""
    return install_account(api, cluster, tmp_path_factory.mktemp("account"))


Replica = Callable[..., ControllerProcess]


@pytest.fixture
def replica(account: Path, tmp_path: Path) -> Iterator[Replica]:
    """Makes replicas, not yet started; ends them all."""
    made: list[ControllerProcess] = []

    def make(*flags: str) -> ControllerProcess:
        identity = f"replica-{len(made)}"
        made.append(ControllerProcess(account, tmp_path / f"{identity}.log", identity, *flags))
        return made[-1]

    yield make
    for process in made:
        process.end()


@pytest.fixture
def controller(replica: Replica) -> ControllerProcess:
    """One running replica, which leads."""
    made = replica("--orphan-grace=0.5")
    made.start()
    wait_for("it to lead", lambda: made.leads, LEADS_SECONDS)
    return made


@pytest.fixture
def world(cluster: KubeClient) -> World:
    return World(cluster)


def test_an_annotated_service_gets_all_that_the_article_shows(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    address = world.address("shop")
    assert address is not None
    locks = world.locks()
    assert [lock["spec"]["address"] for lock in locks] == [address]
    assert locks[0]["spec"]["lease"] == f"{world.name}.{world.namespace}.shop.0"
    account = world.cluster.get(SERVICE_ACCOUNT, account_name(world.uuid), world.namespace)
    assert account is not None
    assert account["automountServiceAccountToken"] is False
    assert world.cluster.get(NETWORK_POLICY, "shop-avi-egress-pod", world.namespace) is not None
    made = world.controller("shop")
    assert made is not None
    assert made["spec"]["replicas"] == 1
    pod = made["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account_name(world.uuid)
    env = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
    assert env["EGRESS_SOURCE"] == address
    assert env["EGRESS_DESTINATION"] == "10.10.10.200"
    service = world.service("shop")
    assert service["metadata"]["annotations"]["egress.avi.dev/source-ips"] == address
    assert world.condition("shop")["status"] == "False"
    events = wait_for("the Event", lambda: world.events("shop"))
    assert [event["reason"] for event in events] == ["WaitingForPod"]


@pytest.mark.usefixtures("account")
def test_a_cloud_that_comes_into_view_late_is_not_told_as_missing(
    world: World, faults: FaultProxy, tmp_path: Path
) -> None:
    # It does so just while the server is being asked whether there is one.
    lagging = Rule(HoldWatch(0.5), path="/egressclouds$")
    asking = Rule(Delay(1.5), READS, path=f"/namespaces/{world.namespace}$")
    faults.use(lagging, asking)
    process = ControllerProcess(faults.kubeconfig, tmp_path / "controller.log", "late")
    try:
        process.start()
        wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
        world.set_up()
        world.serve("shop")
        world.wait_served("shop")
        events = wait_for("the Event", lambda: world.events("shop"))
        assert [event["reason"] for event in events] == ["WaitingForPod"]
        assert faults.journal.count("get", asking.path), "otherwise nothing was asked, and nothing is shown"
    finally:
        process.end()


def test_the_scc_lists_each_included_project(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    second = f"{world.name}-b"
    world.add_namespace(second)
    wanted = {account_user(world.uuid, world.namespace), account_user(world.uuid, second)}
    scc = scc_name(world.uuid)

    def users() -> set[str]:
        return set((world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc) or {}).get("users") or ())

    wait_for("both users", lambda: users() == wanted)
    world.cluster.patch(NAMESPACE, second, {"metadata": {"labels": {LABEL: None}}})
    wait_for("the second to leave", lambda: users() == {account_user(world.uuid, world.namespace)})
    wait_for("its account to go", lambda: not world.cluster.get(SERVICE_ACCOUNT, account_name(world.uuid), second))
    world.cluster.delete_named(EGRESS_CLOUD, world.name)
    wait_for("the SCC to go", lambda: not world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc))
    name = account_name(world.uuid)
    wait_for("the account to go", lambda: not world.cluster.get(SERVICE_ACCOUNT, name, world.namespace))


def test_a_cloud_deleted_while_the_controller_is_away_leaves_nothing(world: World, replica: Replica) -> None:
    world.set_up()
    name = account_name(world.uuid)
    first = replica()
    first.start()
    wait_for("the account", lambda: world.cluster.get(SERVICE_ACCOUNT, name, world.namespace), LEADS_SECONDS)
    first.end()
    world.cluster.delete_named(EGRESS_CLOUD, world.name)
    replica().start()
    wait_for("the account to go", lambda: not world.cluster.get(SERVICE_ACCOUNT, name, world.namespace))
    scc = scc_name(world.uuid)
    wait_for("the SCC to go", lambda: not world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc))


def test_it_reconciles_within_a_second(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    seconds = []
    for number in range(15):
        name = f"s{number}"
        started = time.monotonic()
        world.serve(name)
        wait_for("the condition", lambda name=name: world.condition(name))
        seconds.append(time.monotonic() - started)
    print(f"create to condition: median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s")
    assert statistics.median(seconds) < 1.0


def test_a_ready_pod_makes_the_service_ready(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    pod = world.run_pod("shop")
    ready = world.wait_reason("shop", "EgressReady")
    assert ready["status"] == "True"
    world.end_pod(pod)
    world.wait_reason("shop", "WaitingForPod")

    def told() -> set[tuple[str, str]]:
        return {(event["type"], event["reason"]) for event in world.events("shop")}

    # The loss of a ready pod is a warning, its first start is not.
    expected = {("Normal", "WaitingForPod"), ("Normal", "EgressReady"), ("Warning", "WaitingForPod")}
    wait_for("the three Events", lambda: told() >= expected)
    assert told() == expected


def test_a_malformed_annotation_is_told_and_touches_nothing(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    before = world.controller("shop")
    address = world.address("shop")
    world.annotate("shop", '{"destination_ip" "10.10.10.200"}')
    told = world.wait_reason("shop", "InvalidAnnotation")
    assert told["status"] == "False"
    assert "column 19" in told["message"]
    assert "':' is missing" in told["message"]
    wait_for("the Event", lambda: [e for e in world.events("shop") if e["reason"] == "InvalidAnnotation"])
    time.sleep(1)
    warnings = [event for event in world.events("shop") if event["reason"] == "InvalidAnnotation"]
    assert len(warnings) == 1
    assert warnings[0]["type"] == "Warning"
    assert world.controller("shop") == before
    assert world.address("shop") == address
    world.annotate("shop", '{"destination_ip": "10.10.10.201"}')
    world.wait_served("shop")


def test_secure_egress_mode_off_is_told_and_on_serves(world: World, controller: ControllerProcess) -> None:
    world.set_up(secure=False)
    world.serve("shop")
    told = world.wait_reason("shop", "SecureEgressModeOff")
    assert f"EgressCloud {world.name}" in told["message"]
    assert world.lease("shop") is None
    world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"secureEgressMode": True}})
    world.wait_served("shop")


def test_a_network_that_cannot_be_read_is_what_the_service_says(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"subnets": [{"cidr": "10.1.2.0/99"}]}})
    world.serve("shop")
    told = world.wait_reason("shop", "InvalidInput")
    assert f"EgressNetwork {world.name}" in told["message"]


def test_a_project_that_no_cloud_includes_is_refused(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.cluster.patch(NAMESPACE, world.namespace, {"metadata": {"labels": {LABEL: None}}})
    world.serve("shop")
    world.wait_reason("shop", "ProjectNotIncluded")
    assert world.controller("shop") is None


def test_an_exhausted_network_is_told_and_a_freed_address_is_used(world: World, controller: ControllerProcess) -> None:
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
    address = world.address("first")
    world.delete("first")
    world.wait_served("second")
    assert world.address("second") == address
    former = (world.lease("first") or {})["status"]
    assert (former["phase"], former["reason"]) == ("Expired", "Transferred"), "of one project: no quarantine between"


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


def test_a_service_without_the_annotation_is_left_as_it_was(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    world.annotate("shop", None)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    service = wait_for("the condition to go", lambda: not world.condition("shop") and world.service("shop"))
    assert "selector" not in service["spec"]
    assert "egress.avi.dev/source-ips" not in (service["metadata"].get("annotations") or {})
    assert world.controller("shop") is None


def test_an_address_is_kept_while_a_pod_may_send_from_it(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    pod = world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")
    world.delete("shop")
    # The cluster's garbage collector may be faster than the controller.
    wait_for("the RC to end", lambda: not (world.controller("shop") or {"spec": {"replicas": 0}})["spec"]["replicas"])
    time.sleep(1.5)
    assert world.phase("shop") == "Bound"
    world.end_pod(pod)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    assert world.controller("shop") is None


def test_a_change_replaces_the_pod_only_after_the_old_one(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    pod = world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")
    world.annotate("shop", '{"destination_ip": "10.10.10.201"}')
    world.wait_reason("shop", "Replacing")
    assert (world.controller("shop") or {})["spec"]["replicas"] == 0
    world.end_pod(pod)
    wait_for("the RC to be scaled to 1", lambda: (world.controller("shop") or {})["spec"]["replicas"] == 1)
    world.wait_reason("shop", "WaitingForPod")


def test_a_foreign_object_of_the_name_is_spared(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    name = "shop-avi-egress-pod"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    foreign = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"replicas": 0, "selector": {"a": "b"}, "template": template},
    }
    before = world.cluster.create(REPLICATION_CONTROLLER, foreign)
    world.serve("shop")
    world.wait_reason("shop", "NameTaken")
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    assert world.controller("shop") == before


def test_hostile_annotations_stop_nobody_else(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    hostile = [
        "",
        "null",
        "[]",
        "{" * 5000,
        '{"destination_ip": "\\u0000\\n time=now level=INFO forged"}',
        '{"destinations": {"a": {"1": "0"}}}',
        '{"destination_ip": 1e999}',
        '{"destination_ip": "10.10.10.200", "image": "$(reboot)"}',
        '{"destination_ip": "10.10.10.200", "nodeSelector": {"a": {"b": []}}}',
        '{"destination_ip": "10.10.10.200", "network": "../../pods"}',
        "x" * 200_000,
    ]
    for number, text in enumerate(hostile):
        world.serve(f"bad{number}", text)
    world.serve("good")
    world.wait_served("good")
    for number in range(len(hostile)):
        assert world.wait_reason(f"bad{number}", "InvalidAnnotation")["status"] == "False"
    assert "Traceback" not in controller.log()
    assert all(line.startswith("time=") for line in controller.log().splitlines())


def test_in_the_steady_state_it_writes_nothing(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    for number in range(5):
        world.serve(f"s{number}")
    world.serve("bad", "{")
    for number in range(5):
        world.wait_served(f"s{number}")
    world.wait_reason("bad", "InvalidAnnotation")
    wait_quiet(controller)

    def versions() -> dict[str, str]:
        kinds = (SERVICE, EGRESS_LEASE, EGRESS_ADDRESS, EGRESS_CLOUD, EGRESS_NETWORK, SERVICE_ACCOUNT, EVENT)
        objects = [obj for kind in kinds for obj in world.cluster.list(kind)]
        return {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for obj in objects}

    before, writes, requests = versions(), controller.metric("api_writes"), controller.metric("api_requests")
    time.sleep(5)
    assert controller.metric("api_writes") == writes
    assert controller.metric("api_requests") == requests, "nor does it ask anything: its caches know"
    assert versions() == before


def test_services_that_wait_for_an_address_ask_nothing_until_one_is_free(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up(prefix=30, quarantine=0)
    names = [f"s{number}" for number in range(12)]
    for name in names:
        world.serve(name)

    def those(reason: str) -> list[str]:
        return [name for name in names if world.condition(name).get("reason") == reason]

    wait_for("2 to be served", lambda: (len(those("WaitingForPod")), len(those("PoolExhausted"))) == (2, 10))
    asked = wait_quiet(controller)
    time.sleep(3)
    assert controller.metric("api_requests") == asked
    served = those("WaitingForPod")[0]
    names.remove(served)
    world.delete(served)
    wait_for("another to be served in its place", lambda: len(those("WaitingForPod")) == 2)
    quiet = wait_quiet(controller)
    storm = quiet - asked
    print(f"requests for one address that came free, of 10 services that waited: {storm:.0f}")
    assert storm < 100, "each that waited looked once or twice, and one was served"
    time.sleep(3)
    assert controller.metric("api_requests") == quiet


def test_killed_in_the_middle_it_converges_after_a_restart(world: World, replica: Replica) -> None:
    world.set_up(prefix=24)
    for number in range(40):
        world.serve(f"s{number}")
    names = [f"s{number}" for number in range(40)]
    kills = 0
    process = replica("--orphan-grace=0.5")
    for _round in range(4):
        process.start()
        wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
        time.sleep(0.12)
        process.kill()
        kills += any(not world.condition(name) for name in names)
    assert kills, "no kill met it at work"
    process.start()
    for name in names:
        world.wait_served(name)
    addresses = [world.address(name) for name in names]
    assert len(set(addresses)) == len(names)
    wait_for(
        "no lock to be left over", lambda: sorted(x["spec"]["address"] for x in world.locks()) == sorted(addresses)
    )


def test_one_replica_leads_and_the_other_takes_over(world: World, replica: Replica) -> None:
    world.set_up()
    first, second = replica(), replica()
    first.start()
    wait_for("the first to lead", lambda: first.leads, LEADS_SECONDS)
    second.start()
    assert second.probe("readyz") == 200, "a follower is ready"
    assert not second.leads
    started = time.monotonic()
    first.signal(signal.SIGTERM)
    assert first.wait(10) == 0
    wait_for("the second to lead", lambda: second.leads, 2)
    print(f"take-over after SIGTERM: {time.monotonic() - started:.2f} s")
    world.serve("shop")
    world.wait_served("shop")
    first.start()
    started = time.monotonic()
    second.kill()
    wait_for("the first to lead again", lambda: first.leads, LEADS_SECONDS)
    print(f"take-over after SIGKILL: {time.monotonic() - started:.2f} s")
    world.serve("shop2")
    world.wait_served("shop2")


def test_a_leader_whose_lease_is_taken_ends(world: World, controller: ControllerProcess) -> None:
    def take() -> bool:
        lease = world.cluster.get(LEADER_LEASE, "avi-egress-controller", NAMESPACE_OF_CONTROLLER)
        assert lease is not None
        spec = {**lease["spec"], "holderIdentity": "another", "leaseDurationSeconds": 60}
        world.cluster.patch(LEADER_LEASE, "avi-egress-controller", {"spec": spec}, NAMESPACE_OF_CONTROLLER)
        return True

    take()
    try:
        assert controller.wait(LEADS_SECONDS) == 1
    finally:
        world.cluster.delete_named(LEADER_LEASE, "avi-egress-controller", NAMESPACE_OF_CONTROLLER)


def test_an_api_server_that_is_away_is_waited_for(api: ApiServer, account: Path, world: World, tmp_path: Path) -> None:
    door = Door(api.port)
    door.open()
    kubeconfig = door.kubeconfig(account, tmp_path / "kubeconfig")
    # Its leadership must outlast the outage: what is looked at is the watches and the queue.
    flags = ("--lease-duration=60", "--renew-deadline=50")
    process = ControllerProcess(kubeconfig, tmp_path / "controller.log", "patient", *flags)
    try:
        process.start()
        wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
        world.set_up()
        door.shut()
        world.serve("shop")
        time.sleep(3)
        troubles = [line for line in process.log().splitlines() if "event=trouble " in line]
        assert 1 <= len(troubles) <= 3, "once a step, not once a request"
        assert process.probe("healthz") == 200
        door.open()
        world.wait_served("shop")
        assert "Traceback" not in process.log()
    finally:
        process.end()
        door.shut()


def test_a_lease_taken_ahead_is_used_and_stays_its_takers(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    network = read_network(world.cluster.get(EGRESS_NETWORK, world.name) or {})
    slot = leases.Slot(world.name, world.namespace, "shop", 0)
    taken = leases.claim(world.cluster, network, slot, leases.at_random(()), datetime.now(UTC))
    time.sleep(1)
    assert world.lease("shop") == taken, "it is not given up although there is no service yet"
    world.serve("shop")
    world.wait_served("shop")
    assert world.address("shop") == taken["status"]["address"]
    world.delete("shop")
    wait_for("the RC to go", lambda: world.controller("shop") is None)
    time.sleep(1)
    assert world.phase("shop") == "Bound"


def test_a_service_that_is_sent_to_another_network_moves_as_a_whole(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up()
    second = f"{world.name}-b"
    world.create(EGRESS_NETWORK, second, {"subnets": [{"cidr": "10.90.0.0/29"}]})
    world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"networks": [world.name, second]}})
    world.serve("shop")
    world.wait_served("shop")
    pod = world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")
    world.annotate("shop", json.dumps({"destination_ip": "10.10.10.200", "network": second}))
    world.wait_reason("shop", "Replacing")
    assert world.phase("shop") == "Bound", "the old pod may still send from its address"
    world.end_pod(pod)
    wait_for("the old lease to be Released", lambda: world.phase("shop") == "Released")
    moved = world.cluster.get(EGRESS_LEASE, f"{second}.{world.namespace}.shop.0") or {}
    assert world.service("shop")["metadata"]["annotations"]["egress.avi.dev/source-ips"] == moved["status"]["address"]


@pytest.mark.parametrize("edit", ["not listed", "not allowed", "unreadable", "gone"])
def test_no_edit_of_its_network_sends_a_service_to_another(
    world: World, controller: ControllerProcess, edit: str
) -> None:
    world.set_up()
    second = f"{world.name}-b"
    world.create(EGRESS_NETWORK, second, {"subnets": [{"cidr": "10.91.0.0/29"}], "uplink": f"{world.name}-b"})
    world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"networks": [world.name, second]}})
    world.serve("shop")
    world.wait_served("shop")
    address, before = world.address("shop"), world.controller("shop")
    if edit == "not listed":
        world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"networks": [second]}})
    elif edit == "not allowed":
        world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"allowedNamespaces": {"names": ["other"]}}})
    elif edit == "unreadable":
        world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"subnets": [{"cidr": "10.1.2.0/99"}]}})
    else:
        world.cluster.delete_named(EGRESS_NETWORK, world.name)
    world.wait_reason("shop", "InvalidInput" if edit == "unreadable" else "NetworkNotAllowed")
    assert world.address("shop") == address
    assert (world.controller("shop") or {})["spec"] == (before or {})["spec"]
    assert world.cluster.get(EGRESS_LEASE, f"{second}.{world.namespace}.shop.0") is None


SIX = {"destination_ip": "fd10:10:10::200"}
DUAL_STACK = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}


def test_an_ipv6_service_gets_an_address_and_a_bridge_of_its_family(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up(more=["fd70:112::/64"])
    world.serve("shop", SIX, **DUAL_STACK)
    world.wait_served("shop")
    address = world.address("shop") or ""
    assert IPv6Address(address) in IPv6Network("fd70:112::/64")
    made = world.controller("shop") or {}
    environment = {item["name"]: item["value"] for item in made["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert environment["EGRESS_SOURCE"] == address
    assert (environment["BRIDGE_IP_ADDR"], environment["BRIDGE_NETMASK"]) == ("fd00:172:18::1", "64")
    assert environment["EGRESS_PORTS"] == "80/tcp=[fd10:10:10::200]:80"

    def figures() -> bool:
        status = (world.cluster.get(EGRESS_NETWORK, world.name) or {}).get("status") or {}
        return (status.get("capacity"), status.get("bound")) == (2**63 - 1, 1)

    wait_for("the network's figures, a /64 among them, to be written", figures)


def test_a_service_without_the_family_is_told_the_remedy_and_has_nothing_made(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up(more=["fd70:112::/64"])
    world.serve("shop", SIX)
    told = world.wait_reason("shop", "IPFamilyMissing")["message"]
    assert told.endswith("set spec.ipFamilyPolicy to PreferDualStack and add IPv6 to spec.ipFamilies")
    assert not world.leases()
    world.cluster.patch(SERVICE, "shop", {"spec": DUAL_STACK}, world.namespace)
    world.wait_served("shop")


def test_a_service_changes_its_family_by_way_of_a_release_and_the_former_address_has_its_quarantine(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up(quarantine=3600, more=["fd70:112::/64"])
    world.serve("shop", **DUAL_STACK)
    world.wait_served("shop")
    first = world.address("shop")
    world.annotate("shop", json.dumps(SIX))
    world.wait_reason("shop", "AddressFamilyMismatch")
    assert world.address("shop") == first
    world.annotate("shop", None)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    world.annotate("shop", json.dumps(SIX))
    world.wait_served("shop")
    second = world.address("shop") or ""
    assert ":" in second
    time.sleep(1.5)
    assert {lock["spec"]["address"] for lock in world.locks()} == {first, second}, "firewalls may trust it still"
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"quarantineSeconds": 0}})
    wait_for("the former address to be free", lambda: [x["spec"]["address"] for x in world.locks()] == [second])


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

    world.confirm_mass_release()
    wait_for("all to be given up", lambda: world.bound() == 0, 30)
    wait_for("the network to say so", lambda: world.network_condition("ReleasesAllowed")["status"] == "True")


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
    claimed = leases.claim(world.cluster, network, slot, leases.at_random(()), datetime.now(UTC))
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
    assert world.bound() == 3
    served = those("WaitingForPod")[0]
    address = world.address(served)
    world.delete(served)
    names.remove(served)
    wait_for("another to be served in its place", lambda: len(those("WaitingForPod")) == 3)
    assert world.bound() == 3
    assert address in {world.address(name) for name in names}, "of one project: no quarantine between"


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


def test_a_service_that_has_served_keeps_a_contested_address_until_it_is_made_anew(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    address = world.address("shop")
    pod = world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")  # Else nobody knows that it has served.
    world.end_pod(pod)
    world.wait_reason("shop", "WaitingForPod")
    pod = world.run_pod("shop", f"conflict address={address} held-by=02:00:00:00:00:01")
    world.wait_reason("shop", "AddressConflict")
    assert [event["reason"] for event in world.events("shop")].count("AddressConflict") == 1
    assert (world.address("shop"), (world.controller("shop") or {})["spec"]["replicas"]) == (address, 1)

    world.delete("shop")
    world.end_pod(pod)
    wait_for("its lease to be released", lambda: world.phase("shop") == "Released")
    world.serve("shop")
    world.wait_served("shop")
    assert world.address("shop") not in (None, address)


def test_a_host_that_answers_for_every_address_takes_a_few_and_not_the_whole_network(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up()

    def is_replaced(former: str | None) -> Any:
        replicas = (world.controller("shop") or {})["spec"]["replicas"]
        return world.address("shop") not in (None, former) and replicas == 0

    def in_conflict() -> set[str]:
        return {str(lock["spec"]["address"]) for lock in world.locks() if locks.in_conflict(lock)}

    world.serve("shop")
    world.wait_served("shop")
    seen = []
    for _move in range(3):
        address = world.address("shop")
        assert address not in seen
        seen.append(address)
        pod = world.run_pod("shop", f"conflict address={address} held-by=02:00:00:00:00:01")
        wait_for("another address", lambda: is_replaced(seen[-1]))
        world.end_pod(pod)
        wait_for("the next pod", lambda: (world.controller("shop") or {})["spec"]["replicas"] == 1)
    last = world.address("shop")
    pod = world.run_pod("shop", f"conflict address={last} held-by=02:00:00:00:00:01")
    said = world.wait_reason("shop", "AddressConflict")
    assert f"{last} is held by another host on the outside LAN (MAC 02:00:00:00:00:01)" in said["message"]
    assert world.address("shop") == last
    assert in_conflict() == {*seen, last}
    history = (world.lease("shop") or {})["status"]["history"]
    assert [(item["address"], item["reason"]) for item in history] == [(address, "Conflict") for address in seen]
    wait_for("the network to say so", lambda: world.network_condition("NoConflicts").get("status") == "False")
    assert controller.metric(f'conflicts{{network="{world.name}"}}') == len(seen) + 1

    world.end_pod(pod)
    world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")
    wait_for("the last one to be in use", lambda: in_conflict() == set(seen))


def test_without_the_definitions_it_says_what_to_run(cluster: KubeClient, tmp_path: Path) -> None:
    server = ApiServer(tmp_path)
    process = ControllerProcess(server.kubeconfig, tmp_path / "controller.log", "lonely")
    try:
        server.start()
        process.start(ready=False)
        wait_for("the advice", lambda: "run avi.egress.site" in process.log())
        time.sleep(1)
        assert process.probe("readyz") == 503
        assert process.probe("healthz") == 200
        assert process.log().count("run avi.egress.site") <= 2
        define(server.cluster(), CRDS)
        wait_for("it to become ready", lambda: process.probe("readyz") == 200, 15)
    finally:
        process.end()
        server.stop()


def test_without_an_api_server_it_ends_with_one_sentence(tmp_path: Path) -> None:
    process = ControllerProcess(tmp_path / "missing", tmp_path / "controller.log", "lost")
    process.start(ready=False)
    assert process.wait(10) == 2
    lines = process.log().splitlines()
    assert len(lines) == 1
    assert "there is no such file" in lines[0]
