# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the router finds out about its destinations from the leased address."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.capture import inside
from tests.support.router_lab.dns_server import DnsServer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until

PROBED = {"EGRESS_PROBE": "1/1"}


@pytest.fixture
def name_server(pod: Pod) -> Iterator[DnsServer]:
    server = DnsServer(pod.client, pod.net)
    yield server
    server.close()


@pytest.fixture
def resolv_conf(tmp_path: Path, net: Net) -> str:
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {net.client}\n", encoding="ascii")
    return str(file)


def verdicts(pod: Pod) -> dict[str, dict[str, Any]]:
    """What the health port tells, by served port."""
    status, text = pod.http("/destinations")
    assert status == 200
    return {entry["port"]: entry for entry in json.loads(text)}


def firewall(lab: Lab, rule: str) -> None:
    """A rule for what comes in at the remote application's machine."""
    table = f"table inet wall {{ chain in {{ type filter hook input priority 0\n {rule}\n }}\n }}"
    run("ip", "netns", "exec", lab.remote, "nft", table)


@both_families
def test_each_destination_has_its_verdict(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, resolv_conf: str
) -> None:
    name_server.address = None
    firewall(lab, "tcp dport 8081 drop\n tcp dport 8082 reject with icmpx admin-prohibited")
    nowhere = "10.99.0.1" if net.version == 4 else "fd99::1"
    ports = [
        f"80/tcp={net.at(net.remote, 8080)}",
        f"81/tcp={net.at(net.remote, 8081)}",
        f"82/tcp={net.at(net.remote, 8082)}",
        f"83/tcp={net.at(net.remote, 8083)}",
        f"84/tcp={net.at(nowhere, 8080)}",
        "85/tcp=dest.example:8080",
        f"53/udp={net.at(net.remote, 5353)}",
    ]
    router = pod.start(EGRESS_PORTS=",".join(ports), resolv_conf=resolv_conf, **PROBED).wait_ready()
    wait_until(lambda: bool(verdicts(pod)), 10.0, "verdicts", router)
    assert {port: entry["verdict"] for port, entry in verdicts(pod).items()} == {
        "80/tcp": "Open",
        "81/tcp": "Silent",
        "82/tcp": "Prohibited",
        "83/tcp": "Refused",
        "84/tcp": "NoRoute",
        "85/tcp": "NameUnknown",
    }
    assert verdicts(pod)["82/tcp"]["by"] == net.remote
    labels = f'destination="{net.at(net.remote, 8081)}",port="81/tcp",verdict="Silent"'
    assert pod.metric(f"egress_router_destination{{{labels}}}") == 1
    assert set(lab.application.peers) == {net.source}
    lab.assert_no_other_source()


@both_families
def test_a_verdict_changes_when_the_firewall_does(net: Net, lab: Lab, pod: Pod) -> None:
    firewall(lab, "tcp dport 8080 reject with icmpx admin-prohibited")
    router = pod.start(**PROBED).wait_ready()
    wait_until(lambda: verdicts(pod).get("80/tcp", {}).get("verdict") == "Prohibited", 10.0, "prohibited", router)
    run("ip", "netns", "exec", lab.remote, "nft", "flush", "chain", "inet", "wall", "in")
    wait_until(lambda: verdicts(pod)["80/tcp"]["verdict"] == "Open", 10.0, "open", router)


@both_families
def test_an_address_that_does_not_answer_is_left_for_one_that_does(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, resolv_conf: str
) -> None:
    """Of the two of one name, when the one in use dies, although the name server goes on to name both."""
    name_server.address = f"{net.remote} {net.second_remote}"
    ports = {"EGRESS_PORTS": "80/tcp=dest.example:8080", "EGRESS_DESTINATION": "dest.example"}
    router = pod.start(resolv_conf=resolv_conf, **ports, **PROBED).wait_ready()
    # The name server shuffles them.
    used = pod.ask().split()[1]
    (other,) = {net.remote, net.second_remote} - {used}
    ip = "ip" if net.version == 4 else "ip6"
    firewall(lab, f"{ip} daddr {used} drop")

    def is_changed() -> bool:
        try:
            return pod.ask(timeout=0.5) == f"{net.source} {other}"
        except OSError:
            return False

    wait_until(is_changed, 15.0, "the other address is used", router)
    router.wait_log(f"name dest.example changed from {used}, which does not answer, to {other}")
    lab.assert_no_other_source()


@both_families
def test_no_address_is_left_for_one_that_serves_no_more_of_the_names_ports(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, resolv_conf: str
) -> None:
    """One port is open at one address of the name alone, the other at the other: whichever is used, it stays."""
    name_server.address = f"{net.remote} {net.second_remote}"
    ip = "ip" if net.version == 4 else "ip6"
    closed = ((net.remote, 8081), (net.second_remote, 8080))
    firewall(
        lab, "\n ".join(f"{ip} daddr {address} tcp dport {port} reject with tcp reset" for address, port in closed)
    )
    with inside(lab.remote):
        listener = socket.create_server(("", 8081), family=net.family)
    with listener:
        listener.settimeout(20)
        ports = {"EGRESS_PORTS": "80/tcp=dest.example:8080,81/tcp=dest.example:8081"}
        router = pod.start(resolv_conf=resolv_conf, EGRESS_DESTINATION="dest.example", **ports, **PROBED).wait_ready()
        # Each round tries the other address, too.
        for _round in range(4):
            listener.accept()[0].close()
        told = verdicts(pod)
    assert sorted(entry["verdict"] for entry in told.values()) == ["Open", "Refused"]
    assert len({entry["address"] for entry in told.values()}) == 1
    assert "changed from" not in "\n".join(router.log)
