# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Destinations that are named."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.router_lab.dns_server import DnsServer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.net import REMOTE, SOURCE, V4, Net, both_families
from tests.support.router_lab.pod import Pod, talk
from tests.support.router_lab.wait import wait_until


@pytest.fixture
def name_server(pod: Pod) -> Iterator[DnsServer]:
    server = DnsServer(pod.client, pod.net)
    yield server
    server.close()


@pytest.fixture
def named(tmp_path: Path, net: Net) -> dict[str, Any]:
    """The contract of a router whose destination has a name."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {net.client}\nsearch green.svc.cluster.local\noptions ndots:5\n", encoding="ascii")
    return {"EGRESS_PORTS": "80/tcp=dest.example:8080", "EGRESS_DESTINATION": "dest.example", "resolv_conf": str(file)}


@both_families
def test_name_is_followed_and_established_flows_stay(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, named: dict[str, Any]
) -> None:
    router = pod.start(**named).wait_ready()
    with pod.connect() as established:
        assert talk(established) == f"{net.source} {net.remote}"
        name_server.address = net.second_remote
        wait_until(lambda: pod.ask() == f"{net.source} {net.second_remote}", 60.0, "the new address is used", router)
        assert talk(established) == f"{net.source} {net.remote}"
    lab.assert_no_other_source()


def test_resolve_once_keeps_the_first_address(pod: Pod, name_server: DnsServer, named: dict[str, Any]) -> None:
    pod.start(EGRESS_RESOLVE="once", **named).wait_ready()
    asked = name_server.asked
    name_server.address = V4.second_remote
    time.sleep(2.5)
    assert pod.ask() == f"{SOURCE} {REMOTE}"
    assert name_server.asked == asked


def test_name_server_outage_stops_no_traffic(pod: Pod, name_server: DnsServer, named: dict[str, Any]) -> None:
    pod.start(**named).wait_ready()
    name_server.address = None
    wait_until(
        lambda: pod.metric('egress_router_resolution_errors_total{name="dest.example"}') > 0, 60.0, "a failed look-up"
    )
    assert pod.ask() == f"{SOURCE} {REMOTE}"
    assert pod.http("/readyz")[0] == 200


def test_unresolved_name_is_told_and_refused(pod: Pod, name_server: DnsServer, named: dict[str, Any]) -> None:
    name_server.address = None
    router = pod.start(**named)
    router.wait_log(
        "not ready: NameUnknown: no address known for dest.example (dest.example: SERVFAIL); check the names"
    )
    assert not pod.is_healthy()
    with pytest.raises(ConnectionRefusedError):
        pod.connect()
    name_server.address = REMOTE
    router.wait_ready()
    assert pod.http("/readyz") == (200, "ok\n")
    assert pod.ask() == f"{SOURCE} {REMOTE}"


def test_other_destinations_are_served_while_a_name_has_no_address(
    pod: Pod, name_server: DnsServer, named: dict[str, Any]
) -> None:
    name_server.address = None
    ports = f"80/tcp=dest.example:8080,81/tcp={REMOTE}:8080"
    pod.start(**{**named, "EGRESS_PORTS": ports, "EGRESS_DESTINATION": f"dest.example,{REMOTE}"}).wait_ready()
    assert pod.ask(81) == f"{SOURCE} {REMOTE}"
    assert pod.http("/readyz") == (
        200,
        "NameUnknown: no address known for dest.example (dest.example: SERVFAIL); check the names, and that the"
        " cluster's name servers know them\n",
    )


def test_restart_keeps_the_address_of_a_name_while_the_name_server_is_away(
    pod: Pod, name_server: DnsServer, named: dict[str, Any]
) -> None:
    pod.start(**named).wait_ready()
    pod.routers[0].end(signal.SIGKILL)
    name_server.address = None
    pod.start(**named).wait_ready()
    assert pod.ask() == f"{SOURCE} {REMOTE}"
