# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""IPv4 and IPv6: a service has an address of its destination's family."""

from __future__ import annotations

import json
import time
from ipaddress import IPv6Address, IPv6Network

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_NETWORK,
    SERVICE,
)

from tests.support.controller_process import (
    ControllerProcess,
)
from tests.support.waiting import wait_for
from tests.support.world import World

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
