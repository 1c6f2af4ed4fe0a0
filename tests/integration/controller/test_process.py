# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's process: killed, replaced, without its server, without its definitions."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    LEADER_LEASE,
    NAMESPACE,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.api_server import ApiServer
from tests.support.controller_process import (
    LEADS_SECONDS,
    NAMESPACE_OF_CONTROLLER,
    ControllerProcess,
    Replica,
)
from tests.support.definitions import CRDS, define
from tests.support.door import Door
from tests.support.waiting import wait_for
from tests.support.world import World

ROLE = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles")


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


def test_without_the_definitions_it_says_what_to_run(cluster: KubeClient, tmp_path: Path) -> None:
    server = ApiServer(tmp_path)
    process = ControllerProcess(server.kubeconfig, tmp_path / "controller.log", "lonely")
    try:
        server.start()
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE_OF_CONTROLLER}}
        server.cluster().create(NAMESPACE, home)
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


def test_a_replica_that_may_not_lead_says_so_and_is_not_ready(
    cluster: KubeClient, world: World, replica: Replica
) -> None:
    process = replica()
    role = cluster.get(ROLE, "avi-egress-controller", NAMESPACE_OF_CONTROLLER)
    assert role
    cluster.patch(ROLE, "avi-egress-controller", {"rules": []}, NAMESPACE_OF_CONTROLLER)
    try:
        process.start(ready=False)
        wait_for("it to say so", lambda: "leases.coordination.k8s.io" in process.log())
        assert process.probe("readyz") == 503
        wait_for("it to say so again", lambda: process.log().count("event=trouble ") == 2)
        assert "trouble-over" not in process.log(), "reading the Lease is no cure"
    finally:
        cluster.patch(ROLE, "avi-egress-controller", {"rules": role["rules"]}, NAMESPACE_OF_CONTROLLER)
    wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
    assert process.probe("readyz") == 200


def test_a_replica_without_its_namespace_says_so_and_is_not_ready(world: World, replica: Replica) -> None:
    process = replica("--namespace=nowhere")
    process.start(ready=False)
    wait_for("it to say so", lambda: "in the namespace" in process.log() and "nowhere" in process.log())
    assert process.probe("readyz") == 503
