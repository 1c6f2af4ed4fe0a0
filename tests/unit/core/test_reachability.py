# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a Service says of its destinations, by what its egress pods have told; pods may tell anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.workload.reachability import Asked, reachability

from tests.support.builders import SOURCE, service

OTHER = "10.70.112.156"
TWO = {"destinations": {"pay.example.org": {"8443": 443}, "10.10.20.20": {"80": 80, "53/udp": 53}}}


def told(*findings: tuple[str, str, str] | tuple[str, str, str, Any]) -> Asked:
    keys = ("port", "destination", "verdict", "by")
    items = [dict(zip(keys, finding, strict=False)) for finding in findings]
    return Asked(json.dumps(items).encode())


PAY_OPEN = ("8443/tcp", "pay.example.org:443", "Open")
WEB_OPEN = ("80/tcp", "10.10.20.20:80", "Open")


def said(asked: dict[str, Asked], egress_pod: Any = None, sources: tuple[str, ...] = (SOURCE,)) -> Condition | None:
    (found,) = reachability(service(TWO if egress_pod is None else egress_pod), sources, asked).values()
    return found


def test_all_open_is_true() -> None:
    found = said({SOURCE: told(PAY_OPEN, WEB_OPEN)})
    assert found
    message = f"2 destinations answer {SOURCE}"
    assert (found.status, found.reason, found.message) == ("True", "DestinationsReachable", message)


def test_each_that_fails_is_named_with_its_verdict_and_by_whom() -> None:
    found = said(
        {SOURCE: told((*PAY_OPEN[:2], "NameUnknown"), (*WEB_OPEN[:2], "Prohibited", "10.70.112.1"))},
    )
    message = f"from {SOURCE}: 10.10.20.20:80 Prohibited by 10.70.112.1, pay.example.org:443 NameUnknown"
    assert found
    assert (found.status, found.reason, found.message) == ("False", "DestinationsNotReachable", message)


def test_source_ports_that_run_out_are_the_reason_where_they_are_all_that_fails() -> None:
    used_up = (*WEB_OPEN[:2], "PortsExhausted")
    found = said({SOURCE: told(PAY_OPEN, used_up)})
    message = f"from {SOURCE}: 10.10.20.20:80 PortsExhausted; reuse connections, or spread them over more services"
    assert found
    assert (found.status, found.reason, found.message) == ("False", "PortsExhausted", message)
    both = said({SOURCE: told((*PAY_OPEN[:2], "Silent"), used_up)})
    assert both
    assert both.reason == "DestinationsNotReachable"


def test_under_ha_each_address_has_its_say() -> None:
    ha = {**TWO, "ha": True}
    asked = {SOURCE: told(PAY_OPEN, WEB_OPEN), OTHER: told(PAY_OPEN, (*WEB_OPEN[:2], "Silent"))}
    found = said(asked, ha, (SOURCE, OTHER))
    assert found
    assert (found.status, found.message) == ("False", f"from {OTHER}: 10.10.20.20:80 Silent")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, f"no egress pod with {SOURCE} is ready"),
        (
            {SOURCE: Asked(trouble="Connection refused")},
            f"the egress pod with {SOURCE} can't be asked at its health port: Connection refused",
        ),
        ({SOURCE: told(WEB_OPEN)}, f"the egress pod with {SOURCE} has not tried pay.example.org:443 yet"),
    ],
)
def test_what_cannot_be_told_is_unknown(asked: dict[str, Asked], message: str) -> None:
    found = said(asked)
    assert found
    assert (found.status, found.reason, found.message) == ("Unknown", "NoVerdict", message)


def test_before_a_pod_has_said_anything_the_former_word_stays() -> None:
    assert reachability(service(TWO), (SOURCE,), {SOURCE: Asked()}) == {}


def test_where_nothing_is_tried_nothing_is_said() -> None:
    udp = {"destinations": {"10.10.20.20": {"53/udp": 53}}}
    off = {**TWO, "probe": {"interval": 0}}
    for egress_pod in (udp, off):
        assert said({SOURCE: told(PAY_OPEN)}, egress_pod) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"port": "80/tcp"}',
        b'[null, 1, "x", {"port": 1}]',
        b"1" * 60_000,
        json.dumps([{"port": "80/tcp", "destination": "10.10.20.20:80", "verdict": ["Open"]}]).encode(),
        json.dumps([{"port": "80/tcp", "destination": "10.10.20.20:80", "verdict": "Open; all is well"}]).encode(),
        json.dumps([{"port": "80/tcp", "destination": "elsewhere:80", "verdict": "Refused"}]).encode(),
    ],
)
def test_what_our_router_would_not_write_counts_for_nothing(line: bytes) -> None:
    found = said({SOURCE: Asked(line)})
    assert found
    assert (found.status, found.message) == (
        "Unknown",
        f"the egress pod with {SOURCE} has not tried 10.10.20.20:80 yet",
    )


@pytest.mark.parametrize("by", ["<script>", "10.70.112.1; rm", "x" * 5000, 7, {"a": 1}])
def test_no_word_of_a_pod_gets_into_the_sentence_but_an_address(by: Any) -> None:
    found = said({SOURCE: told(PAY_OPEN, (*WEB_OPEN[:2], "NoRoute", by))})
    assert found
    assert found.message == f"from {SOURCE}: 10.10.20.20:80 NoRoute"


def test_the_sentence_is_bounded_and_says_how_many_more() -> None:
    names = {f"{'a' * 60}.{'b' * 60}.{number}.example.org": {str(number): 80} for number in range(101, 165)}
    verdicts = [(f"{port}/tcp", f"{name}:80", "Silent") for name, ports in names.items() for port in ports]
    found = said({SOURCE: told(*verdicts)}, {"destinations": names})
    assert found
    assert len(found.message) < 2100
    assert found.message.endswith(f" and {64 - found.message.count('Silent')} more")


def test_ipv6_destinations_are_called_as_the_router_calls_them() -> None:
    egress_pod = {"destinations": {"2001:db8::1": {"80": 8080}}}
    asked = {SOURCE: told(("80/tcp", "[2001:db8::1]:8080", "Open"))}
    (found,) = reachability(service(egress_pod, ipFamilies=["IPv6"]), (SOURCE,), asked).values()
    assert found
    assert found.ready
