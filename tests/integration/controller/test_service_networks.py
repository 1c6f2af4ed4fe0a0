# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which network a service has its address of, and that no edit sends it to another."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
)

from tests.support.controller_process import (
    ControllerProcess,
)
from tests.support.waiting import wait_for
from tests.support.world import World


def test_a_network_that_cannot_be_read_is_what_the_service_says(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"subnets": [{"cidr": "10.1.2.0/99"}]}})
    world.serve("shop")
    told = world.wait_reason("shop", "InvalidInput")
    assert f"EgressNetwork {world.name}" in told["message"]


def test_a_service_that_is_sent_to_another_network_moves_as_a_whole(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up()
    second = f"{world.name}-b"
    world.create(EGRESS_NETWORK, second, {"subnets": [{"cidr": "10.90.0.0/29"}]})
    world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"networks": [world.name, second]}})
    pod = world.serve_by_pod("shop")
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


def test_a_list_that_excludes_a_running_service_is_told_and_what_runs_goes_on(
    world: World, controller: ControllerProcess
) -> None:
    """The address stays, and the egress pod's rules, until the destination is allowed again; so does a new one's."""
    world.set_up()
    world.serve("shop", {"destination_ip": "10.10.10.200"})
    world.wait_served("shop")
    address, before = world.address("shop"), world.controller("shop")
    only = {"allowedDestinations": [{"destinations": ["198.51.100.0/24"], "namespaces": {"names": [world.namespace]}}]}
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": only})
    told = world.wait_reason("shop", "DestinationNotAllowed")["message"]
    assert told.startswith(f"Service {world.namespace}/shop: egress_pod leads to '10.10.10.200', which EgressNetwork")
    assert (world.address("shop"), world.phase("shop")) == (address, "Bound")
    assert (world.controller("shop") or {})["spec"] == (before or {})["spec"]
    world.serve("other", {"destination_ip": "api.example.com"})
    world.wait_reason("other", "DestinationNotAllowed")
    assert world.lease("other") is None
    assert world.controller("other") is None
    more = {"allowedDestinations": [{"destinations": ["10.10.10.200", "*.example.com"]}]}
    world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": more})
    world.wait_reason("shop", "WaitingForPod")
    assert (world.controller("shop") or {})["spec"] == (before or {})["spec"]
    world.wait_served("other")
    assert "api.example.com.:80" in str(world.controller("other"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ([], "spec.allowedDestinations"),
        ([{"destinations": []}], "spec.allowedDestinations[0].destinations"),
        ([{"destinations": ["http://api.example.com"]}], "spec.allowedDestinations[0].destinations[0]"),
        ([{"destinations": ["*"], "namespaces": {}}], "spec.allowedDestinations[0].namespaces"),
        ([{"destinations": ["*"], "namespaces": {"names": []}}], "spec.allowedDestinations[0].namespaces.names"),
    ],
)
def test_the_definition_refuses_a_list_that_says_nothing(world: World, wrong: object, field: str) -> None:
    world.set_up()
    with pytest.raises(ApiError, match=re.escape(field)):
        world.cluster.patch(EGRESS_NETWORK, world.name, {"spec": {"allowedDestinations": wrong}})


@pytest.mark.parametrize("gateway", ["10.191.0.1", "fd00::1"])
def test_a_gateway_outside_its_subnet_is_told_by_one_sentence_and_leases_nothing(
    world: World, controller: ControllerProcess, gateway: str
) -> None:
    """On the network's condition and on that of the service which needs it, until it is mended."""
    world.set_up(subnets=[{"cidr": "10.190.0.0/28", "gateway": gateway}])
    world.serve("shop")
    told = wait_for("the network to say it", lambda: world.network_condition("AddressesAvailable"))
    sentence = (
        f"EgressNetwork {world.name}: spec.subnets[0].gateway is '{gateway}'; "
        "give the address that the router has in 10.190.0.0/28"
    )
    assert told
    assert (told["status"], told["reason"], told["message"]) == ("False", "InvalidInput", sentence)
    assert world.wait_reason("shop", "InvalidInput")["message"] == sentence
    assert world.leases() == []
    mended = {"spec": {"subnets": [{"cidr": "10.190.0.0/28", "gateway": "10.190.0.1"}]}}
    world.cluster.patch(EGRESS_NETWORK, world.name, mended)
    world.wait_served("shop")
    wait_for("the network to be well", lambda: world.network_condition("AddressesAvailable")["status"] == "True")
