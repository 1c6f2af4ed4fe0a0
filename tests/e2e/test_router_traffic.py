# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The way there and back, and what the router tells of itself."""

from __future__ import annotations

import socket
import time

import pytest

from tests.support.capture import inside
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import REMOTE, Net, both_families
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.pod_network import capture_at
from tests.support.router_lab.process import cpu_seconds, resident_kilobytes
from tests.support.router_lab.router import HEALTH
from tests.support.router_lab.wait import wait_until


@both_families
def test_replies_leave_by_the_pods_own_interface(net: Net, pod: Pod) -> None:
    with capture_at(pod.client) as pod_network:
        pod.start().wait_ready()
        assert pod.ask() == f"{net.source} {net.remote}"
        wait_until(lambda: net.pod in pod_network.sources, 60.0, "a reply from the pod's address")
    assert set(pod_network.sources) == {net.pod, net.client}


@both_families
def test_udp_port(net: Net, lab: Lab, pod: Pod) -> None:
    pod.start().wait_ready()
    assert pod.udp().decode().split() == [net.source, net.remote]
    lab.assert_no_other_source()


@both_families
def test_path_mtu_errors_about_replies_reach_the_remote_with_the_source_address(net: Net, lab: Lab, pod: Pod) -> None:
    """RFC 1191: the pod's own "fragmentation needed" goes back by egress0, not into the pod network."""
    pod.start().wait_ready()
    for namespace in (pod.name, pod.client):
        run("ip", "-n", namespace, "link", "set", "eth0", "mtu", "1300")
    with capture_at(pod.client) as pod_network:
        with pytest.raises(TimeoutError):
            pod.udp(b"large")
        learnt = run("ip", "-n", lab.remote, "route", "get", net.source)
        assert "mtu 1300" in learnt
        assert len(pod.udp(b"large")) == 1400
    assert set(lab.capture.errors) == {net.source}
    assert net.remote not in pod_network.destinations
    lab.assert_no_other_source()


def test_health_and_metrics(pod: Pod) -> None:
    pod.start().wait_ready()
    assert pod.http("/readyz") == (200, "ok\n")
    assert pod.http("/nothing")[0] == 404
    pod.ask()
    labels = f'destination="{REMOTE}:8080",direction="request",port="80/tcp"'
    assert pod.metric(f"egress_router_packets_total{{{labels}}}") >= 4
    assert pod.metric(f"egress_router_bytes_total{{{labels}}}") > 200
    assert pod.metric("egress_router_ready") == 1
    assert pod.metric("egress_router_claims_total") == 1


@both_families
def test_the_lan_does_not_reach_the_pod(net: Net, lab: Lab, pod: Pod) -> None:
    """EGRESS_SOURCE is a source only: the health port is not for the outside."""
    pod.start().wait_ready()
    with inside(lab.remote):
        outsider = socket.socket(net.family)
    with outsider:
        outsider.settimeout(0.5)
        with pytest.raises(TimeoutError):
            outsider.connect((net.source, HEALTH))
    assert pod.metric('egress_router_dropped_packets_total{reason="input"}') >= 1


def test_a_still_router_is_cheap_even_while_another_waits(lab: Lab, pod: Pod) -> None:
    router = pod.start().wait_ready()
    lab.pod(lab.node(2), 2).start().wait_log("is held by")
    time.sleep(2.5)
    before = cpu_seconds(router.process.pid)
    time.sleep(3)
    assert cpu_seconds(router.process.pid) - before <= 0.05
    resident = resident_kilobytes(router.process.pid)
    assert resident < 25 * 1024, f"{resident} kB"
