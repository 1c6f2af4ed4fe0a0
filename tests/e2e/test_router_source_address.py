# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nothing ever leaves the egress pod with another source address."""

from __future__ import annotations

import signal
import socket
import struct
import time

import pytest

from tests.support.capture import inside
from tests.support.router_lab.hammer import Hammer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import mac_of, run, tables
from tests.support.router_lab.neighbour_talk import answer
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.pod import Pod, talk
from tests.support.router_lab.pod_network import capture_at
from tests.support.router_lab.wait import wait_until


@both_families
def test_remote_sees_only_the_source_from_the_first_packet_on(net: Net, lab: Lab, pod: Pod) -> None:
    """Clients hammer before there is a router, while it starts and while it serves."""
    with Hammer(pod) as hammer:
        time.sleep(0.2)
        pod.start().wait_ready()
        hammer.wait_more(100)
    assert set(hammer.answers) == {net.source}
    assert set(lab.application.peers) == {net.source}
    lab.assert_no_other_source()
    assert lab.capture.sources[net.source] > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@both_families
def test_restart_in_the_same_pod_under_load(net: Net, lab: Lab, pod: Pod, number: int) -> None:
    """After a kill the kernel serves on, and the next router takes the standing data path over.

    One that is asked to end resets what is left: its pod most probably goes.
    """
    pod.start().wait_ready()
    with Hammer(pod) as hammer:
        hammer.wait_more()
        with pod.connect() as established:
            assert talk(established).split()[0] == net.source
            for _round in range(2):
                pod.routers[-1].end(number)
                if number == signal.SIGKILL:
                    hammer.wait_more()
                    assert not pod.is_healthy()
                pod.start().wait_ready()
                hammer.wait_more()
            if number == signal.SIGKILL:
                assert talk(established).split()[0] == net.source
            else:
                with pytest.raises(ConnectionResetError):
                    talk(established)
    assert set(hammer.answers) == {net.source}
    assert pod.metric("egress_router_claims_total") == (0 if number == signal.SIGKILL else 1)
    lab.assert_no_other_source()


@both_families
def test_sigterm_gives_the_address_up_at_once(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    pod.start().wait_ready()
    with Hammer(pod) as hammer:
        hammer.wait_more()
        assert pod.routers[0].end() == 0
        assert (veths(node), tables(node.name)) == (set(), set())
        assert answer(lab.remote, net, net.remote) is None
        time.sleep(0.3)
    lab.assert_no_other_source()


@both_families
def test_egress_interface_deleted_under_load(net: Net, lab: Lab, pod: Pod) -> None:
    """The health port closes, nothing leaves by the pod's own interface, and the router puts all back."""
    router = pod.start().wait_ready()
    with Hammer(pod) as hammer, capture_at(pod.client) as pod_network:
        hammer.wait_more()
        run("ip", "-n", pod.name, "link", "del", "egress0")
        wait_until(lambda: not pod.is_healthy(), 60.0, "health port closed", router)
        wait_until(pod.is_healthy, 60.0, "health port open again", router)
        hammer.wait_more()
    lab.assert_no_other_source()
    assert net.remote not in pod_network.destinations, "DNATed packets left by the pod's own interface"
    assert net.source not in pod_network.sources
    assert pod.metric('egress_router_dropped_packets_total{reason="source"}') == 0
    assert pod.metric('egress_router_dropped_packets_total{reason="leak"}') == 0


@both_families
def test_forwarding_without_redirection_is_dropped(net: Net, lab: Lab, pod: Pod) -> None:
    """A client that uses the pod as a plain gateway reaches nothing, by whatever port."""
    pod.start().wait_ready()
    run("ip", "-n", pod.client, "route", "add", net.remote, "via", net.pod)
    before = pod.metric('egress_router_dropped_packets_total{reason="forward"}')
    for port in (8080, 80):
        with pytest.raises(TimeoutError):
            pod.connect(port, 0.4, net.remote)
    assert pod.metric('egress_router_dropped_packets_total{reason="forward"}') > before
    assert not lab.application.peers
    lab.assert_no_other_source()


@both_families
def test_guard_drops_a_wrong_source_on_the_egress_interface(net: Net, lab: Lab, pod: Pod) -> None:
    """An ICMP answer to nothing is no connection, so SNAT leaves it alone; the last chain doesn't."""
    pod.start().wait_ready()
    with inside(pod.name):
        raw = socket.socket(net.family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sender, receiver = (socket.inet_pton(net.family, address) for address in (net.pod, net.remote))
    with raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"egress0")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x4156)
        icmp = bytes([0, 0, 0xFF, 0xFD, 0, 1, 0, 1])
        if net.version == 4:
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, sender, receiver)
        else:
            icmp = bytes([129]) + icmp[1:]
            header = struct.pack("!IHBB16s16s", 6 << 28, len(icmp), 58, 64, sender, receiver)
        with pytest.raises(PermissionError):
            raw.sendto(header + icmp, (net.remote, 0))
    assert pod.metric('egress_router_dropped_packets_total{reason="source"}') == 1
    lab.assert_no_other_source()


@both_families
def test_node_takes_only_the_source_from_the_pod(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Should the pod's own table ever be gone, the node's still stands."""
    router = pod.start().wait_ready()
    router.process.send_signal(signal.SIGSTOP)
    run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
    run("ip", "-n", pod.name, "route", "add", net.remote, "dev", "egress0")
    station = mac_of(lab.remote)
    run("ip", "-n", pod.name, "neigh", "replace", net.remote, "lladdr", station, "dev", "egress0", "nud", "permanent")
    with inside(pod.name):
        datagram = socket.socket(net.family, socket.SOCK_DGRAM)
    with datagram:
        datagram.bind((net.pod, 0))
        datagram.sendto(b"?", (net.remote, 5353))
    time.sleep(0.2)
    assert not lab.application.peers
    router.process.send_signal(signal.SIGCONT)
    lab.assert_no_other_source()
