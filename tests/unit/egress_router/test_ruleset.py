# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The shape of the pod's nftables table; what it does to packets is shown in tests/e2e/test_router_*.py."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from egress_router import ruleset
from egress_router.config import Config, Protocol, ServedPort, parse

WEB, DNS, NAMED = ServedPort(80, Protocol.TCP), ServedPort(53, Protocol.UDP), ServedPort(8080, Protocol.TCP)
POD = ruleset.PodInterface("eth0", IPv4Address("10.129.0.229"))
ONE, TWO = (IPv4Address("10.0.0.1"), 1), (IPv4Address("10.0.0.2"), 2)


def config_of(source: str, ports: str) -> Config:
    return parse({"EGRESS_SOURCE": source, "EGRESS_PORTS": ports})


def loaded(config: Config, pod: ruleset.PodInterface) -> str:
    literals = config.literals()
    return ruleset.load(config, pod, {port: (address, config.routes[port].port) for port, address in literals.items()})


@pytest.fixture
def script() -> str:
    ports = "80/tcp=10.10.10.200:8000,53/udp=10.10.10.201:53,8080/tcp=dest.example:80"
    return loaded(config_of("10.70.112.155", ports), POD)


def chain(script: str, name: str) -> list[str]:
    """The statements of a chain, the one that hooks it first."""
    body = script.split(f"chain {name} {{", 1)[1].split("\n  }", 1)[0]
    return [line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("#")]


def elements(script: str, name: str) -> list[str]:
    """The elements of a set or map."""
    body = script.split(f" {name} {{", 1)[1].split("\n  }", 1)[0]
    return body.split("elements = { ", 1)[1].split(" }", 1)[0].split(", ") if "elements" in body else []


def test_one_transaction_replaces_the_whole_table(script: str) -> None:
    assert script.split("\n")[1:4] == ["add table inet egress", "delete table inet egress", "add table inet egress"]


def test_forwarding_is_refused_by_policy_and_counted(script: str) -> None:
    rules = chain(script, "forward")
    assert rules[0].endswith("policy drop")
    assert rules[-1] == f"counter name {ruleset.DROPPED_FORWARD} drop"


def test_whatever_is_accepted_was_redirected_and_uses_the_egress_interface(script: str) -> None:
    accepting = [rule for rule in chain(script, "forward") if rule.endswith("accept")]
    assert len(accepting) == 4
    for rule in accepting:
        assert "ct status dnat" in rule
        assert {'"egress0"', '"eth0"'} <= set(re.findall(r'"\w+"', rule))


def test_the_guard_comes_after_source_nat(script: str) -> None:
    source, guard = (int(chain(script, name)[0].rsplit(" ", 1)[1]) for name in ("source", "guard"))
    assert guard > source


def test_each_served_port_is_counted_both_ways(script: str) -> None:
    assert elements(script, ruleset.REQUESTS) == ["tcp . 80", "udp . 53"]
    assert elements(script, ruleset.REPLIES) == ["tcp . 80", "udp . 53", "tcp . 8080"]


def test_a_name_without_an_address_is_served_nowhere(script: str) -> None:
    assert elements(script, ruleset.DESTINATIONS) == [
        "tcp . 80 : 10.10.10.200 . 8000",
        "udp . 53 : 10.10.10.201 . 53",
    ]
    nothing = loaded(config_of("10.70.112.155", "8080/tcp=dest.example:80"), POD)
    assert (elements(nothing, ruleset.DESTINATIONS), elements(nothing, ruleset.REQUESTS)) == ([], [])


def test_the_number_of_rules_does_not_depend_on_the_number_of_ports(script: str) -> None:
    many = loaded(config_of("10.70.112.155", ",".join(f"{port}/tcp=10.0.0.1:1" for port in range(1001, 2001))), POD)
    assert many.count("\n") == script.count("\n")


def test_only_what_changes_is_edited() -> None:
    assert ruleset.redirect({WEB: ONE, DNS: ONE}, {WEB: TWO, DNS: ONE, NAMED: ONE}).splitlines() == [
        "delete element inet egress destinations { tcp . 80 }",
        "add element inet egress destinations { tcp . 80 : 10.0.0.2 . 2, tcp . 8080 : 10.0.0.1 . 1 }",
        "add element inet egress requests { tcp . 8080 }",
    ]
    assert ruleset.redirect({WEB: ONE}, {}).splitlines() == [
        "delete element inet egress destinations { tcp . 80 }",
        "delete element inet egress requests { tcp . 80 }",
    ]


def test_addresses_are_read_back() -> None:
    listed = {"map": {"elem": [[{"concat": ["tcp", 8080]}, {"concat": ["10.0.0.9", 80]}]]}}
    assert ruleset.addresses_in({"nftables": [{"metainfo": {}}, listed]}) == {NAMED: IPv4Address("10.0.0.9")}
    assert ruleset.addresses_in({"nftables": [{"map": {}}]}) == {}


def test_counters_are_read_back() -> None:
    element = {"elem": {"val": {"concat": ["udp", 53]}, "counter": {"packets": 2, "bytes": 120}}}
    assert ruleset.counted_in({"nftables": [{"metainfo": {}}, {"set": {"elem": [element]}}]}) == {DNS: (2, 120)}
    drops = {"nftables": [{"counter": {"name": ruleset.DROPPED_SOURCE, "packets": 2, "bytes": 120}}]}
    assert ruleset.drops_in(drops) == {ruleset.DROPPED_SOURCE: 2}


SOURCE6 = IPv6Address("fd70:112::155")
POD6 = ruleset.PodInterface("eth0", IPv6Address("fd00:244:1::229"))


@pytest.fixture
def script6() -> str:
    return loaded(config_of(str(SOURCE6), "80/tcp=[fd10::1]:80,81/tcp=dest.example:80"), POD6)


def test_the_guard_drops_the_other_family(script: str, script6: str) -> None:
    for own, other, of_family in (("ipv4", "ipv6", script), ("ipv6", "ipv4", script6)):
        guard = chain(of_family, "guard")
        assert any(f"nfproto {other}" in rule and rule.endswith("drop") for rule in guard)
        assert not any(f"nfproto {own}" in rule for rule in guard)


def test_an_ipv6_table_names_no_ipv4(script6: str) -> None:
    assert not re.search(r"\b(ip|ipv4_addr|icmp)\b", script6)
