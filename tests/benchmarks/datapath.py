# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How fast the egress router's data path is: ``python -m tests.benchmarks.datapath``.

Throughput both ways and connections a second, through one port and through the last of a thousand, beside the same path
without NAT (client, pod, node, LAN, all plainly routed) and the bare LAN (from the node). All paths are measured in
turn, round after round, and the medians told, so that what else the machine does falls on all alike. Also the memory of
each router, and the time from its start until it serves. In network namespaces of its own; needs root.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.support.capture import inside
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, sweep
from tests.support.router_lab.net import V4
from tests.support.router_lab.node import Node
from tests.support.router_lab.pod import Pod

ROUNDS = 5
SECONDS = 1.0
PORTS = 1000
FIRST_PORT = 2000
SERVER_PORT = 9000
CHUNK = 1 << 20


@dataclass
class Way:
    """One way to the remote application: from a namespace to an address and port; what was measured."""

    name: str
    namespace: str
    to: tuple[str, int]
    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Cost:
    """What one router takes: seconds until it serves, resident and private megabytes."""

    name: str
    start: float
    resident: float
    private: float


def serve(namespace: str, address: str, ready: Callable[[], None]) -> None:
    """The remote end: by a connection's first byte it takes, sends, or hangs up at once."""
    with inside(namespace):
        listener = socket.create_server((address, SERVER_PORT), backlog=1024)
    ready()
    buffer = bytearray(CHUNK)
    while True:
        connection, _peer = listener.accept()
        with connection, suppress(OSError):
            asked = connection.recv(1)
            if asked == b"u":
                while connection.recv_into(buffer):
                    pass
            elif asked == b"d":
                while True:
                    connection.sendall(buffer)


def gigabits(path: Way, direction: str) -> float:
    """Through one connection, for as long as SECONDS."""
    buffer = bytearray(CHUNK)
    with connected(path) as connection:
        connection.sendall(direction.encode())
        moved, start = 0, time.monotonic()
        while time.monotonic() - start < SECONDS:
            moved += connection.send(buffer) if direction == "u" else connection.recv_into(buffer)
        return moved * 8 / 1e9 / (time.monotonic() - start)


def connects(path: Way) -> float:
    """Connections a second, one after the other; each is reset, so that no port is kept."""
    done, start = 0, time.monotonic()
    with inside(path.namespace):
        while time.monotonic() - start < SECONDS:
            with socket.create_connection(path.to, 5) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            done += 1
    return done / (time.monotonic() - start)


def connected(path: Way) -> socket.socket:
    """A connection by that way."""
    with inside(path.namespace):
        return socket.create_connection(path.to, 5)


def started(name: str, pod: Pod, ports: int, source: str = V4.source) -> Cost:
    """A router of so many ports, and what it took until it served and after its metrics were read."""
    served = range(FIRST_PORT, FIRST_PORT + ports)
    wanted = ",".join(f"{port}/tcp={V4.at(V4.remote, SERVER_PORT)}" for port in served)
    start = time.monotonic()
    router = pod.start(EGRESS_PORTS=wanted, EGRESS_SOURCE=source).wait_ready(30)
    took = time.monotonic() - start
    pod.http("/metrics")
    lines = Path(f"/proc/{router.process.pid}/smaps_rollup").read_text().splitlines()
    sizes = [(line.partition(":")[0], int(line.split()[1])) for line in lines[1:]]
    resident = sum(size for key, size in sizes if key == "Rss")
    private = sum(size for key, size in sizes if key.startswith("Private_") and key != "Private_Hugetlb")
    return Cost(name, took, resident / 1024, private / 1024)


def routed(lab: Lab, node: Node, pod: Pod) -> None:
    """Let the pod's client reach the LAN by plain routing, the same way as by a router."""
    client, remote = f"{V4.client}/32", V4.remote
    run("ip", "-n", pod.name, "link", "add", "plain0", "type", "veth", "peer", "name", "plain1", "netns", node.name)
    for namespace, interface, address in ((pod.name, "plain0", "10.9.9.1/30"), (node.name, "plain1", "10.9.9.2/30")):
        run("ip", "-n", namespace, "address", "add", address, "dev", interface)
        run("ip", "-n", namespace, "link", "set", interface, "up")
        with inside(namespace):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    run("ip", "-n", pod.client, "route", "add", remote, "via", V4.pod)
    run("ip", "-n", pod.name, "route", "add", remote, "via", "10.9.9.2")
    run("ip", "-n", node.name, "route", "add", client, "via", "10.9.9.1")
    run("ip", "-n", lab.remote, "route", "add", client, "via", f"{V4.node}1")


def measure() -> tuple[list[Way], list[Cost]]:
    """All paths, round after round."""
    lab = Lab("datapath", V4)
    context = multiprocessing.get_context("fork")
    listening = context.Event()
    server = context.Process(target=serve, args=(lab.remote, V4.remote, listening.set), daemon=True)
    try:
        # What the tests look at would cost a copy of every packet here.
        lab.capture.close()
        server.start()
        listening.wait(10)
        node = lab.node()
        one, many, plain = (lab.pod(node, number) for number in (1, 2, 3))
        costs = [started("1 port", one, 1)]
        costs.append(started(f"{PORTS} ports", many, PORTS, V4.second_source))
        routed(lab, node, plain)
        paths = [
            Way("LAN", node.name, (V4.remote, SERVER_PORT)),
            Way("no NAT", plain.client, (V4.remote, SERVER_PORT)),
            Way("1 port", one.client, (V4.pod, FIRST_PORT)),
            Way(f"first of {PORTS} ports", many.client, (V4.pod, FIRST_PORT)),
            Way(f"last of {PORTS} ports", many.client, (V4.pod, FIRST_PORT + PORTS - 1)),
        ]
        for _round in range(ROUNDS):
            for path in paths:
                path.up.append(gigabits(path, "u"))
                path.down.append(gigabits(path, "d"))
                path.connects.append(connects(path))
        return paths, costs
    finally:
        server.kill()
        lab.close()


def main() -> int:
    """Print two tables."""
    if os.geteuid() != 0:
        print("this makes network namespaces: run it as root", file=sys.stderr)
        return 1
    sweep()
    paths, costs = measure()
    speed = Table("path", "Gbit/s up", "Gbit/s down", "connections/s", title=f"medians of {ROUNDS} rounds")
    for path in paths:
        up, down, connected_ones = (statistics.median(found) for found in (path.up, path.down, path.connects))
        speed.add_row(path.name, f"{up:.1f}", f"{down:.1f}", f"{connected_ones:,.0f}")
    cost = Table("router", "serves after, s", "resident, MB", "private, MB")
    for entry in costs:
        cost.add_row(entry.name, f"{entry.start:.2f}", f"{entry.resident:.1f}", f"{entry.private:.1f}")
    for table in (speed, cost):
        Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
