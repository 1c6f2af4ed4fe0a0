# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The shape of the pod's nftables table; what it does to packets is shown in tests/e2e/test_router_*.py."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from egress_router import ruleset
from egress_router.config import Config, Protocol, ServedPort, parse

WEB, DNS, NAMED = ServedPort(80, Protocol.TCP), ServedPort(53, Protocol.UDP), ServedPort(8080, Protocol.TCP)
POD = ruleset.PodInterface("eth0", IPv4Address("10.129.0.229"))


@pytest.fixture
def config() -> Config:
    return parse(
        {
            "EGRESS_SOURCE": "10.70.112.155",
            "EGRESS_PORTS": "80/tcp=10.10.10.200:8000,53/udp=10.10.10.201:53,8080/tcp=dest.example:80",
        }
    )


@pytest.fixture
def commands(config: Config) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ruleset.load(config, POD, config.literals())["nftables"]
    return found


def added(commands: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [command["add"][kind] for command in commands if kind in command.get("add", {})]


def test_one_transaction_replaces_the_whole_table(commands: list[dict[str, Any]]) -> None:
    table = {"table": {"family": "inet", "name": "egress"}}
    assert commands[:3] == [{"add": table}, {"delete": table}, {"add": table}]
    assert all(command.keys() == {"add"} for command in commands[2:])


def test_forwarding_is_refused_by_policy_and_counted(commands: list[dict[str, Any]]) -> None:
    (forward,) = [chain for chain in added(commands, "chain") if chain["hook"] == "forward"]
    assert forward["policy"] == "drop"
    rules = [rule["expr"] for rule in added(commands, "rule") if rule["chain"] == "forward"]
    assert rules[-1] == [{"counter": ruleset.DROPPED_FORWARD}, {"drop": None}]


def test_whatever_is_accepted_was_redirected_and_uses_the_egress_interface(commands: list[dict[str, Any]]) -> None:
    accepting = [
        json.dumps(rule["expr"])
        for rule in added(commands, "rule")
        if rule["chain"] == "forward" and {"accept": None} in rule["expr"]
    ]
    assert len(accepting) == 2 * 3 + 2
    for rule in accepting:
        assert '{"ct": {"key": "status"}}, "right": "dnat"' in rule
        assert {'"egress0"', '"eth0"'} <= set(re.findall(r'"\w+"', rule))


def test_the_guard_comes_after_source_nat(commands: list[dict[str, Any]]) -> None:
    priorities = {chain["name"]: chain["prio"] for chain in added(commands, "chain") if chain["hook"] == "postrouting"}
    assert priorities["guard"] > priorities["source"]


def test_each_port_has_its_counters(commands: list[dict[str, Any]]) -> None:
    names = {counter["name"] for counter in added(commands, "counter")}
    assert names == {
        *ruleset.DROPS,
        *("request_80_tcp", "reply_80_tcp", "request_53_udp", "reply_53_udp", "request_8080_tcp", "reply_8080_tcp"),
    }


def test_a_name_without_an_address_is_served_nowhere(commands: list[dict[str, Any]]) -> None:
    (element,) = added(commands, "element")
    assert element["elem"] == [
        [{"concat": ["tcp", 80]}, "10.10.10.200"],
        [{"concat": ["udp", 53]}, "10.10.10.201"],
    ]


def test_addresses_change_in_place() -> None:
    change = ruleset.redirect_to({WEB: IPv4Address("10.0.0.9")})["nftables"]
    assert [next(iter(command)) for command in change] == ["flush", "add"]
    assert ruleset.redirect_to({})["nftables"] == change[:1]


def listed(elements: list[Any], packets: int = 0, handle: int = 1) -> ruleset.Json:
    """An answer of libnftables to ``listing``."""
    return {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"counter": {"name": ruleset.DROPPED_SOURCE, "handle": handle, "packets": packets, "bytes": 60 * packets}},
            {"map": {"name": "address", "handle": handle, "elem": elements}},
        ]
    }


def test_addresses_are_read_back() -> None:
    elements = [[{"concat": ["tcp", 8080]}, "10.0.0.9"], [{"concat": ["udp", 53]}, "10.0.0.8"]]
    assert ruleset.addresses_in(listed(elements)) == {NAMED: IPv4Address("10.0.0.9"), DNS: IPv4Address("10.0.0.8")}
    assert ruleset.addresses_in({"nftables": []}) == {}


def test_counters_are_read_back() -> None:
    assert ruleset.counters_in(listed([], packets=2)) == {ruleset.DROPPED_SOURCE: (2, 120)}


def test_fingerprint_tells_changes_from_counting() -> None:
    one, two = [{"concat": ["tcp", 80]}, "10.0.0.1"], [{"concat": ["tcp", 81]}, "10.0.0.1"]
    assert ruleset.fingerprint(listed([one, two])) == ruleset.fingerprint(listed([two, one], packets=7, handle=9))
    assert ruleset.fingerprint(listed([one])) != ruleset.fingerprint(listed([two]))


SOURCE6 = IPv6Address("fd70:112::155")


@pytest.fixture
def commands6() -> list[dict[str, Any]]:
    config = parse({"EGRESS_SOURCE": str(SOURCE6), "EGRESS_PORTS": "80/tcp=[fd10::1]:80,81/tcp=dest.example:80"})
    pod = ruleset.PodInterface("eth0", IPv6Address("fd00:244:1::229"))
    found: list[dict[str, Any]] = ruleset.load(config, pod, config.literals())["nftables"]
    return found


@pytest.mark.parametrize(
    ("wanted", "own", "other"), [("commands", "ipv4", "ipv6"), ("commands6", "ipv6", "ipv4")], ids=["IPv4", "IPv6"]
)
def test_the_guard_drops_the_other_family(wanted: str, own: str, other: str, request: pytest.FixtureRequest) -> None:
    rules = [rule for rule in added(request.getfixturevalue(wanted), "rule") if rule["chain"] == "guard"]
    dropped = [json.dumps(rule["expr"]) for rule in rules if {"drop": None} in rule["expr"]]
    assert any(f'"nfproto"}}}}, "right": "{other}"' in rule for rule in dropped)
    assert not any(f'"right": "{own}"' in rule for rule in dropped)


def test_an_ipv6_table_names_no_ipv4(commands6: list[dict[str, Any]]) -> None:
    table = [command for command in commands6 if "chain" not in command and '"nfproto"' not in json.dumps(command)]
    assert not re.search(r'"(ip|ipv4|ipv4_addr|icmp)"', json.dumps(table))


def test_the_nodes_guard_lets_solicitations_through_only_while_the_route_leads_into_the_veth() -> None:
    guard = ruleset.guard_node("av0", "av0", SOURCE6)["nftables"]
    to_source, check, to_group = (rule["expr"] for rule in added(guard, "rule") if rule["chain"] == "asked")
    assert to_source[0]["mangle"]["value"] == str(SOURCE6)
    assert (check[0]["match"]["op"], check[0]["match"]["right"], check[1]) == ("!=", "av0", {"drop": None})
    assert to_group[0]["mangle"]["value"] == "ff02::1:ff00:155"
