# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Connection tracking in the egress pod: what it forgets, refuses and leaves alone."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.capture import inside
from tests.support.router_lab.dns_server import DnsServer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.pod import Pod, talk
from tests.support.router_lab.router import HEALTH
from tests.support.router_lab.wait import wait_until

# linux/tcp.h
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
RECEIVED, SENT = 1, 2
REPAIR_ON, REPAIR_OFF_WITHOUT_PROBE = 1, -1
SYN, ACK = 0x02, 0x10
NEARLY_ALL_PORTS = 59_000


def tracked(pod: Pod, *options: str) -> list[str]:
    """The pod's entries, a line each."""
    family = "ipv4" if pod.net.version == 4 else "ipv6"
    return run("ip", "netns", "exec", pod.name, "conntrack", "-L", "-f", family, *options).splitlines()


def seconds_left(entry: str) -> int:
    """How long an entry lives on without a packet."""
    return int(entry.split()[2])


def sequence_numbers(connection: socket.socket) -> tuple[int, int]:
    """Of a client's connection: what it sends next, and what it expects next."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    numbers = []
    for queue in (SENT, RECEIVED):
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(connection.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_WITHOUT_PROBE)
    return numbers[0], numbers[1]


@dataclass(frozen=True)
class Segment:
    """A TCP segment without data, from a port of the client to one of the pod's."""

    client_port: int
    port: int
    sequence: int
    acknowledged: int
    flags: int

    def of(self, net: Net) -> bytes:
        sender, receiver = (socket.inet_pton(net.family, address) for address in (net.client, net.pod))
        numbers = (self.client_port, self.port, self.sequence, self.acknowledged, 5 << 4, self.flags, 512)
        segment = struct.pack("!HHIIBBHHH", *numbers, 0, 0)
        summed = sender + receiver + struct.pack("!II", len(segment), socket.IPPROTO_TCP) + segment
        total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
        return segment[:16] + struct.pack("!H", 0xFFFF - total % 0xFFFF) + segment[18:]


def send_segments(pod: Pod, segments: Iterable[Segment]) -> None:
    """Past the client's own TCP."""
    with inside(pod.client):
        raw = socket.socket(pod.net.family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    with raw:
        if pod.net.version == 6:
            raw.bind((pod.net.client, 0))
        for segment in segments:
            raw.sendto(segment.of(pod.net), (pod.net.pod, 0))


@both_families
def test_a_segment_outside_the_window_ends_no_connection(net: Net, lab: Lab, pod: Pod) -> None:
    """NAT leaves it alone, so without a rule the pod itself would answer it with a reset."""
    pod.start().wait_ready()
    with pod.connect() as connection:
        assert talk(connection).split()[0] == net.source
        sends, expects = sequence_numbers(connection)
        outside = Segment(connection.getsockname()[1], 80, sends + (1 << 30) & 0xFFFFFFFF, expects, ACK)
        send_segments(pod, [outside])
        wait_until(
            lambda: pod.metric('egress_router_dropped_packets_total{reason="invalid"}') == 1, 2.0, "it is counted"
        )
        assert talk(connection).split()[0] == net.source
    lab.assert_no_other_source()


@both_families
def test_a_half_closed_connection_may_be_silent_for_an_hour(net: Net, pod: Pod) -> None:
    pod.start().wait_ready()
    with pod.connect() as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while connection.recv(1024):
            pass
        wait_until(
            lambda: bool(tracked(pod, "-p", "tcp", "--state", "CLOSE_WAIT")),
            2.0,
            "the remote application has closed its half",
        )
        (entry,) = tracked(pod, "-p", "tcp", "--state", "CLOSE_WAIT")
        assert seconds_left(entry) > 3500, entry


@both_families
def test_a_datagrams_answer_may_take_two_minutes(net: Net, pod: Pod) -> None:
    """RFC 4787 §4.3: a mapping must not expire in less."""
    pod.start().wait_ready()
    assert pod.udp().decode().split()[0] == net.source
    (entry,) = tracked(pod, "-p", "udp", "--dport", "53")
    assert seconds_left(entry) > 110, entry


@both_families
def test_source_ports_are_chosen_at_random(net: Net, pod: Pod) -> None:
    """RFC 6056: who knows a client's port doesn't know the one that the remote application sees."""
    pod.start().wait_ready()
    with ExitStack() as stack:
        for _number in range(4):
            stack.enter_context(pod.connect())
        ports = [re.findall(r"[sd]port=(\d+)", entry) for entry in tracked(pod, "-p", "tcp", "--dport", "80")]
    assert len(ports) == 4
    assert not any(original == translated for original, _to, _from, translated in ports), ports


@both_families
def test_the_health_port_needs_no_connection_tracking(net: Net, pod: Pod) -> None:
    """So a full table neither shuts it nor has the kubelet restart the container."""
    pod.start().wait_ready()
    assert pod.http("/readyz")[0] == 200
    assert not tracked(pod, "-p", "tcp", "--dport", str(HEALTH))


def test_a_crowd_at_the_health_port_keeps_no_probe_from_its_answer(pod: Pod) -> None:
    """Pods of a project whose policy lets them to that port, and more of them than the router listens to at once."""
    pod.start().wait_ready()
    with ExitStack() as stack:
        for _number in range(300):
            stack.enter_context(pod.connect(HEALTH))
        assert pod.is_healthy()
        assert pod.http("/readyz") == (200, "ok\n")


@pytest.fixture
def name_server(pod: Pod) -> Iterator[DnsServer]:
    server = DnsServer(pod.client, pod.net)
    yield server
    server.close()


@both_families
def test_a_sender_of_datagrams_follows_a_name_that_gets_its_address_later(
    net: Net, pod: Pod, name_server: DnsServer, tmp_path: Path
) -> None:
    """It never pauses, so an entry made while there was no address would never end."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {net.client}\n", encoding="ascii")
    name_server.address = None
    ports = f"80/tcp={net.at(net.remote, 8080)},53/udp=dest.example:5353"
    pod.start(EGRESS_PORTS=ports, resolv_conf=str(file)).wait_ready()
    with inside(pod.client):
        sender = socket.socket(net.family, socket.SOCK_DGRAM)
    with sender:
        sender.settimeout(0.1)
        sender.connect((net.pod, 53))

        def is_answered() -> bool:
            with suppress(OSError):
                sender.send(b"?")
                return sender.recv(100).decode().split() == [net.source, net.remote]
            return False

        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            assert not is_answered()
        name_server.address = net.remote
        wait_until(is_answered, 10.0, "the datagrams of the same sender are answered")


def has_metric(pod: Pod, line: str) -> bool:
    return line in pod.http("/metrics")[1].splitlines()


@both_families
def test_source_ports_that_run_out_are_told_before_the_first_failure(net: Net, pod: Pod) -> None:
    pod.start().wait_ready()
    labels = f'address="{net.remote}",port="5353/udp"'
    assert pod.udp().decode().split()[0] == net.source
    wait_until(lambda: has_metric(pod, f"egress_router_source_ports{{{labels}}} 1.0"), 20.0, "it is counted")
    assert pod.metric("egress_router_connections") >= 1
    assert pod.metric("egress_router_source_ports_limit") == 64512
    assert pod.metric("egress_router_connections_limit") > 1
    with inside(pod.client):
        for port in range(2000, 2000 + NEARLY_ALL_PORTS):
            with socket.socket(net.family, socket.SOCK_DGRAM) as sender:
                sender.bind((net.client, port))
                sender.sendto(b"?", (net.pod, 53))
    wait_until(lambda: pod.http("/readyz")[1] != "ok\n", 20.0, "it is told")
    assert pod.http("/readyz") == (
        200,
        f"PortsExhausted: more than 90% of the 64512 source ports of {net.source} are in use for"
        f" {net.remote} port 5353/udp; reuse connections, or spread them over more services\n",
    )
    assert pod.udp().decode().split()[0] == net.source, "there are some left"


def test_source_ports_that_run_out_are_the_verdict_on_their_destination(net: Net, lab: Lab, pod: Pod) -> None:
    """Whatever the last connection to it came to."""
    drop = "table inet wall { chain in { type filter hook input priority 0; tcp dport 8081 drop; }; }"
    run("ip", "netns", "exec", lab.remote, "nft", drop)
    ports = f"80/tcp={net.at(net.remote, 8080)},81/tcp={net.at(net.remote, 8081)}"
    router = pod.start(EGRESS_PORTS=ports, EGRESS_PROBE="1/1").wait_ready()

    def verdicts() -> dict[str, str]:
        return {entry["port"]: entry["verdict"] for entry in json.loads(pod.http("/destinations")[1])}

    wait_until(lambda: verdicts() == {"80/tcp": "Open", "81/tcp": "Silent"}, 20.0, "the verdicts", router)
    send_segments(pod, (Segment(2000 + number, 81, 1, 0, SYN) for number in range(NEARLY_ALL_PORTS)))
    wait_until(lambda: verdicts() == {"80/tcp": "Open", "81/tcp": "PortsExhausted"}, 20.0, "it is told", router)
