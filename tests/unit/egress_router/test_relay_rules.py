# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The shape of the node's nftables table; what it does to packets is shown in tests/e2e/test_router_*.py."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest
from egress_router import relay_rules
from egress_router.relay_rules import Relay

IPV4 = Relay(
    link="av0",
    uplink="eth1",
    uplink_index=3,
    mac="02:00:00:00:00:01",
    source=ip_address("10.70.112.155"),
    next_hops=(ip_address("10.70.112.1"), ip_address("10.70.112.200")),
)
IPV6 = replace(IPV4, source=ip_address("fd70:112::155"), next_hops=(ip_address("fd70:112::1"),))
both = pytest.mark.parametrize("relay", [IPV4, IPV6], ids=["IPv4", "IPv6"])


def chain(relay: Relay, name: str) -> list[str]:
    """The statements of a chain, the one that hooks it first."""
    body = relay_rules.load(relay).split(f"chain {name} {{", 1)[1].split("\n  }", 1)[0]
    return [line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("#")]


@both
def test_both_tables_are_replaced_in_one_transaction(relay: Relay) -> None:
    lines = relay_rules.load(relay).split("\n")
    emptied = [f"{what} table {family} av0" for family in ("netdev", "inet") for what in ("add", "delete")]
    assert lines[1:6] == [*emptied, "table netdev av0 {"]
    assert "table inet av0 {" in lines


@both
def test_only_from_the_lan_may_the_source_be_forwarded(relay: Relay) -> None:
    ip = {4: "ip", 6: "ip6"}[relay.source.version]
    first, *_bridged, last = chain(replace(relay, entrances=("eth2",)), "guard")[1:]
    assert (first, last) == ('iifname { "eth1", "eth2" } accept', f"{ip} saddr {relay.source} drop")


@both
def test_what_comes_from_the_link_is_dropped_unless_a_rule_takes_it(relay: Relay) -> None:
    assert chain(relay, "out")[0] == 'type filter hook ingress device "av0" priority -300; policy drop'
    assert chain(relay, "out")[1] == f"ether saddr != {relay.mac} drop"
    assert chain(relay, "in")[0] == 'type filter hook ingress device "eth1" priority -300; policy accept'


@both
def test_frames_go_between_link_and_uplink_only(relay: Relay) -> None:
    for name, to in (("out", "eth1"), ("in", "av0")):
        targets = re.findall(r'(?:fwd|dup) to "(\w+)"', " ".join(chain(relay, name)))
        assert set(targets) == {to}


@both
def test_only_the_source_is_sent_by_the_uplink(relay: Relay) -> None:
    sending = [rule for rule in chain(relay, "out") if "fwd to" in rule]
    assert sending
    assert all(f" {relay.source} " in rule for rule in sending)


@both
def test_without_next_hops_only_the_source_is_talked_about(relay: Relay) -> None:
    assert len(chain(replace(relay, next_hops=()), "in")) == len(chain(relay, "in")) - 1


@pytest.mark.parametrize("relay", [IPV4, IPV6], ids=["IPv4", "IPv6"])
def test_a_routed_source_leaves_to_the_gateway_and_is_not_talked_about(relay: Relay) -> None:
    gateway = ip_address("192.0.2.1" if relay is IPV4 else "fe80::1")
    routed = replace(relay, next_hops=(), gateway=gateway)
    ip = {4: "ip", 6: "ip6"}[relay.source.version]
    assert chain(routed, "out")[-1] == f'{ip} saddr {relay.source} fwd {ip} to {gateway} device "eth1"'
    assert [rule for rule in chain(routed, "out") if "fwd" in rule] == chain(routed, "out")[-1:]
    assert len(chain(routed, "in")) == 2, "the hook, and what takes packets to the source"
    assert "dup" not in relay_rules.load(routed)
