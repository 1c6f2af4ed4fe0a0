# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A leased address that a host outside has too, as a router's last words tell it."""

from __future__ import annotations

from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.ipam import locks

from tests.support.api_server import ApiServer
from tests.support.controller_process import (
    ControllerProcess,
)
from tests.support.events import first_event
from tests.support.waiting import wait_for
from tests.support.world import World


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
    world: World, controller: ControllerProcess, api: ApiServer
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
    event = first_event(api.kubeconfig, "conflict", network=world.name, address=last)
    assert (event["project"], event["service"], event["ip_family"]) == (world.namespace, "shop", "IPv4")
    history = (world.lease("shop") or {})["status"]["history"]
    assert [(item["address"], item["reason"]) for item in history] == [(address, "Conflict") for address in seen]
    wait_for("the network to say so", lambda: world.network_condition("NoConflicts").get("status") == "False")
    assert controller.metric(f'conflicts{{network="{world.name}"}}') == len(seen) + 1

    world.end_pod(pod)
    world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")
    wait_for("the last one to be in use", lambda: in_conflict() == set(seen))
