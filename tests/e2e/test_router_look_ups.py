# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the router makes of the answers of name servers, with real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.router_lab.dns_server import DnsServer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.router import Router


@pytest.fixture
def name_server(pod: Pod) -> Iterator[DnsServer]:
    server = DnsServer(pod.client, pod.net)
    yield server
    server.close()


def start(pod: Pod, folder: Path, ports: str, **env: str) -> Router:
    """A router that asks the lab's name server."""
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {pod.net.client}\nsearch green.svc.cluster.local\noptions ndots:5\n", encoding="ascii")
    return pod.start(EGRESS_PORTS=ports, resolv_conf=str(file), **env)


@both_families
def test_a_name_that_leads_into_the_cluster_is_refused_and_told(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, tmp_path: Path
) -> None:
    name_server.address = net.second_remote
    network = f"{net.second_remote}/{net.bits}"
    ports = f"80/tcp={net.at(net.remote, 8080)},81/tcp=dest.example:8080"
    start(pod, tmp_path, ports, EGRESS_REFUSED=network).wait_ready()
    status, text = pod.http("/readyz")
    assert status == 200
    assert text.startswith(
        f"NameUnknown: no address known for dest.example (dest.example: {net.second_remote} is in {network},"
        " where the cluster's nodes, pods or Services are); "
    )
    with pytest.raises(ConnectionRefusedError):
        pod.connect(81)
    assert pod.ask(80) == f"{net.source} {net.remote}"
    lab.assert_no_other_source(net.source)


@both_families
def test_names_without_an_answer_delay_no_other(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, tmp_path: Path
) -> None:
    """Twenty of them, and the router is ready after the time that one takes."""
    name_server.silent_for = "dead"
    dead = ",".join(f"{1000 + number}/tcp=dead{number}.example:80" for number in range(20))
    router = start(pod, tmp_path, f"80/tcp=dest.example:8080,{dead}").wait_ready(15)
    assert pod.ask(80) == f"{net.source} {net.remote}"
    assert sum("was not resolved" in line for line in router.log) == 20
    asked = [name for name in name_server.names if name.startswith("dead")]
    assert len(set(asked[:20])) == 20, "each was asked for before any was again"
