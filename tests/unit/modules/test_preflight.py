# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which nodes a preflight looks at, by which pods, and what it makes of what they say, who may be anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.addresses import IPV4
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput, PoolExhausted
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Claim, Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network
from ansible_collections.avi.egress.plugins.module_utils.module.preflight import nodes, pods
from ansible_collections.avi.egress.plugins.module_utils.module.preflight.pods import Question, Setting

from tests.support.memory_store import MemoryStore

TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
SOFT = {"key": "slow", "effect": "PreferNoSchedule"}
GOOD = {"looks": ["uplink", "departure"], "reason": None, "what": None, "remedy": None}
BAD = {"looks": ["uplink"], "reason": "NoCarrier", "what": "up0 is down", "remedy": "set it up"}


def node(name: str = "n1", *taints: Any, ready: str = "True", **labels: str) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)}, "status": status}


def network(*subnets: dict[str, Any], **spec: Any) -> EgressNetwork:
    return read_network({"metadata": {"name": "lan"}, "spec": {"subnets": list(subnets), **spec}})


LAN = network({"cidr": "10.70.112.0/24", "gateway": "10.70.112.1"}, {"cidr": "fd70::/64"}, uplink="eth1")
QUESTIONS = [Question(LAN, LAN.subnets[0], "10.70.112.155"), Question(LAN, LAN.subnets[1], None)]


def pod(*messages: str, phase: str = "Succeeded", **more: Any) -> dict[str, Any]:
    """One whose containers have ended with these messages, in their order."""
    ended = [
        {"name": f"look-{place}", "state": {"terminated": {"exitCode": 0, "message": message}}}
        for place, message in enumerate(messages)
    ]
    return {"status": {"phase": phase, "initContainerStatuses": ended[:-1], "containerStatuses": ended[-1:], **more}}


@pytest.mark.parametrize(
    ("there", "selector", "looked_at"),
    [
        ([node("b"), node("a")], {}, ["a", "b"]),
        ([node("a", TAINT), node("b", CORDON), node("c", SOFT)], {}, ["b", "c"]),
        ([node("a", TAINT, rack="7"), node("b", rack="8"), node("c")], {"rack": "7"}, ["a"]),
        ([node("a", **{"kubernetes.io/os": "windows"}), node("b", **{"kubernetes.io/os": "linux"})], {}, ["b"]),
    ],
)
def test_nodes_that_may_have_egress_pods_are_looked_at(
    there: list[Any], selector: dict[str, str], looked_at: list[str]
) -> None:
    assert [item["metadata"]["name"] for item in pods.candidates(there, selector)] == looked_at


def test_a_pod_has_a_container_for_each_subnet_with_a_routers_variables() -> None:
    made = pods.pod(3, "n1", QUESTIONS, Setting("router:1", ["login"], 60))
    spec = made["spec"]

    assert spec["nodeName"] == "n1"
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert not spec["automountServiceAccountToken"]
    assert spec["imagePullSecrets"] == [{"name": "login"}]
    assert "avi-egress-pod" not in made["metadata"]["name"]
    assert made["metadata"]["annotations"] == {"openshift.io/required-scc": "privileged"}
    assert not spec["serviceAccountName"].startswith("avivantage-")
    containers = [*spec["initContainers"], *spec["containers"]]
    assert [{item["name"]: item["value"] for item in each["env"]} for each in containers] == [
        {
            "EGRESS_SOURCE": "10.70.112.155",
            "EGRESS_SUBNET": "10.70.112.0/24",
            "EGRESS_GATEWAY": "10.70.112.1",
            "EGRESS_UPLINK": "eth1",
        },
        {"EGRESS_SUBNET": "fd70::/64", "EGRESS_UPLINK": "eth1"},
    ]
    assert {tuple(each["args"]) for each in containers} == {("preflight",)}


def test_each_container_tells_of_its_own_subnet() -> None:
    first, second = pods.findings(node(), QUESTIONS, pod(json.dumps(GOOD), json.dumps(BAD)))

    assert (first.subnet, first.reason, first.looks) == ("10.70.112.0/24", None, ("uplink", "departure"))
    assert (second.subnet, second.reason, second.remedy) == ("fd70::/64", "NoCarrier", "set it up")


def test_a_network_is_looked_for_on_the_nodes_that_have_it() -> None:
    some = replace(QUESTIONS[0], network=replace(QUESTIONS[0].network, node_selector={"rack": "7"}))
    asked = [some, QUESTIONS[1]]
    assert pods.asked_of(node(rack="7"), asked) == asked
    assert pods.asked_of(node(rack="8"), asked) == [QUESTIONS[1]]
    (finding,) = pods.findings(node(rack="8"), asked, pod(json.dumps(BAD)))
    assert (finding.subnet, finding.reason) == (QUESTIONS[1].subnet.cidr, "NoCarrier")
    assert [item.subnet for item in pods.foreseen(node(), asked)] == [QUESTIONS[1].subnet.cidr]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (None, "the pod is gone"),
        ({"phase": "Failed", "reason": "OutOfpods", "message": "too many"}, "(OutOfpods: too many)"),
        ({"phase": "Pending"}, "the pod did not run in time (Pending: no word of it)"),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]},
            "the pod waits: ImagePullBackOff: no such image",
        ),
        (
            {"containerStatuses": [{"name": "look-0", "state": {"terminated": {"exitCode": 2, "message": "usage:"}}}]},
            "the router's image ended with exit code 2 usage:",
        ),
    ],
)
def test_a_node_that_was_not_looked_at_is_told_with_what_kept_the_pod(status: Any, told: str) -> None:
    (found,) = pods.findings(node(), QUESTIONS[:1], None if status is None else {"status": status})

    assert found.reason == "NotLooked"
    assert told in str(found.message)
    assert found.remedy
    assert found.looks == ()


def test_a_node_that_is_not_ready_is_no_good_one() -> None:
    (found,) = pods.findings(node(ready="Unknown"), QUESTIONS[:1], None)

    assert (found.reason, found.looks) == ("NodeNotReady", ())


@pytest.mark.parametrize("text", ["", "[]", "null", '{"looks": 1}', "{" * 100_000, "[" * 100_000, "Right"])
def test_what_is_no_finding_is_never_taken_for_a_good_one(text: str) -> None:
    (found,) = pods.findings(node(), QUESTIONS[:1], pod(text))

    assert found.reason == "NotLooked"


def test_long_words_of_a_container_are_cut() -> None:
    (found,) = pods.findings(
        node(), QUESTIONS[:1], pod(json.dumps({**BAD, "what": "x" * 5000, "remedy": ["y"] * 5000}))
    )

    assert len(str(found.message)) == len(str(found.remedy)) == pods.LONGEST_TEXT


@pytest.mark.parametrize(
    ("status", "over"),
    [
        ({"phase": "Succeeded"}, True),
        ({"phase": "Failed"}, True),
        ({"phase": "Running"}, False),
        ({"initContainerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, True),
        ({"initContainerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}, False),
    ],
)
def test_a_pod_is_waited_for_while_more_may_be_heard_of_it(status: dict[str, Any], over: bool) -> None:
    assert pods.is_over({"status": status}) is over


def test_an_address_for_a_look_is_of_its_own_subnet() -> None:
    two = network({"cidr": "10.70.112.0/24"}, {"cidr": "10.70.113.0/30"})
    store, slot = MemoryStore(), Slot("lan", pods.PREFLIGHT_NAMESPACE, nodes.SERVICE, 1)
    asked, draw = Claim(slot, ip_family=IPV4), leases.at_random(())

    lease = leases.claim(store, two.within(two.subnets[1]), asked, draw, utc_now())

    assert lease_status.address(lease) in ("10.70.113.1", "10.70.113.2")
    full = two.within(network({"cidr": "10.70.114.0/30"}).subnets[0])
    with pytest.raises(PoolExhausted):
        leases.claim(store, full, Claim(Slot("lan", "x", "y", 0), ip_family=IPV4), draw, utc_now())


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput, match="wait_timeout is 0; give the seconds"):
        nodes.validate({"wait_timeout": 0})
