# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How fast the egress router's data path is: ``python -m tests.benchmarks.datapath [--rounds N] [--seconds S]``.

Throughput both ways, connections a second and the round trip through a router with one port, with a thousand, and on a
node with twenty routers, in both families; beside them the same path without NAT (client, pod, node, LAN, all plainly
routed), and the bare LAN from the node. All paths of a family are measured in turn, round after round. Also the time
from a router's start until it serves, and its memory. In network namespaces of its own; needs root.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from tests.benchmarks.data_path_figures import Cost, Row, Sample, markdown, rows
from tests.benchmarks.traffic import PORT, Path, connections, gigabits_down, gigabits_up, remote_application, round_trip
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, sweep
from tests.support.router_lab.net import V4, V6, Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.process import resident_kilobytes
from tests.support.router_lab.router import Router

PORTS, ROUTERS = 1000, 20
FIRST_PORT = 2000
LAST_PORT = FIRST_PORT + PORTS - 1
READY_SECONDS = 60

LAN, PLAIN = "LAN, from the node", "client, pod, node, LAN without NAT"
ONE, FIRST, LAST = (
    "router with 1 port",
    f"router with {PORTS:,} ports, the first",
    f"router with {PORTS:,} ports, the last",
)
CROWDED_LAN, CROWDED = f"LAN, from a node with {ROUTERS} routers", f"the last of {ROUTERS} routers on a node"
BESIDE = {ONE: PLAIN, FIRST: PLAIN, LAST: PLAIN, CROWDED: PLAIN, PLAIN: LAN, CROWDED_LAN: LAN}
"""With which path of the same family and round each is compared."""


@dataclass
class Scene:
    """A lab with all paths, and what its routers take."""

    lab: Lab
    paths: dict[str, Path] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)

    @property
    def net(self) -> Net:
        return self.lab.net

    def build(self) -> None:
        """Two nodes: one with a router for each number of ports and a pod that routes plainly, one full of routers."""
        few, crowded = self.lab.node(1), self.lab.node(2)
        one, many, plain = (self.lab.pod(few, number) for number in (1, 2, 3))
        self.costs[ONE] = self._serve(one, 0, 1)
        self.costs[FIRST] = self.costs[LAST] = self._serve(many, 1, PORTS)
        pods = [self.lab.pod(crowded, number) for number in range(4, 4 + ROUTERS)]
        for number, pod in enumerate(pods[:-1], start=2):
            self._started(pod, number, 1).wait_ready(READY_SECONDS)
        self.costs[CROWDED] = self._serve(pods[-1], ROUTERS + 1, 1)
        self._route(few, plain)
        pod_address = self.net.pod
        self.paths = {
            LAN: Path(few.name, self.net.remote),
            PLAIN: Path(plain.client, self.net.remote),
            ONE: Path(one.client, pod_address, FIRST_PORT),
            FIRST: Path(many.client, pod_address, FIRST_PORT),
            LAST: Path(many.client, pod_address, LAST_PORT),
            CROWDED_LAN: Path(crowded.name, self.net.remote),
            CROWDED: Path(pods[-1].client, pod_address, FIRST_PORT),
        }

    def _started(self, pod: Pod, number: int, ports: int) -> Router:
        """A router with a source of its own."""
        to = self.net.at(self.net.remote, PORT)
        wanted = ",".join(f"{port}/tcp={to}" for port in range(FIRST_PORT, FIRST_PORT + ports))
        return pod.start(EGRESS_PORTS=wanted, EGRESS_SOURCE=str(ip_address(self.net.source) + number))

    def _serve(self, pod: Pod, number: int, ports: int) -> Cost:
        """The same, and what it took until it served, and takes when its metrics were read."""
        start = time.monotonic()
        router = self._started(pod, number, ports).wait_ready(READY_SECONDS)
        taken = time.monotonic() - start
        pod.http("/metrics")
        return Cost(taken, resident_kilobytes(router.process.pid) / 1024)

    def _route(self, node: Node, pod: Pod) -> None:
        """Let the pod's client reach the LAN by plain routing, the same way as by a router."""
        lab, net = self.lab, self.net
        ends = {pod.name: ("plain0", f"{net.elsewhere}1"), node.name: ("plain1", f"{net.elsewhere}2")}
        run("ip", "-n", pod.name, "link", "add", "plain0", "type", "veth", "peer", "name", "plain1", "netns", node.name)
        for namespace, (interface, address) in ends.items():
            lab.give(namespace, f"{address}/{net.lan}", interface)
            run("ip", "-n", namespace, "link", "set", interface, "up")
            lab.forward(namespace)
        for namespace, to, gateway in (
            (pod.client, net.remote, net.pod),
            (pod.name, net.remote, f"{net.elsewhere}2"),
            (node.name, net.client, f"{net.elsewhere}1"),
            (lab.remote, net.client, f"{net.node}1"),
        ):
            run("ip", "-n", namespace, "route", "add", f"{to}/{net.bits}", "via", gateway)


@contextmanager
def scene(net: Net) -> Iterator[Scene]:
    """All that one family's measuring takes, for as long as it lasts."""
    with closing(Lab(f"datapath{net.version}", net)) as lab:
        # What the tests look at would cost a copy of every packet here.
        lab.capture.close()
        with remote_application(lab.remote, net.remote):
            found = Scene(lab)
            found.build()
            yield found


def sample(path: Path, seconds: float) -> Sample:
    """One path in one round; each of the four figures takes ``seconds``."""
    return Sample(
        up=gigabits_up(path, seconds),
        down=gigabits_down(path, seconds),
        connections=connections(path, seconds),
        round_trip=round_trip(path, seconds),
    )


def measure(net: Net, rounds: int, seconds: float) -> list[Row]:
    """All paths of a family, round after round."""
    tell(f"{net}: starting {ROUTERS + 2} routers")
    with scene(net) as found:
        samples: dict[str, list[Sample]] = {name: [] for name in found.paths}
        for number in range(1, rounds + 1):
            tell(f"{net}: round {number} of {rounds}")
            for name, path in found.paths.items():
                samples[name].append(sample(path, seconds))
        return rows(str(net), samples, found.costs, BESIDE)


def tell(progress: str) -> None:
    """A line beside the result."""
    print(f"{time.strftime('%H:%M:%S')} {progress}", file=sys.stderr, flush=True)


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="of each family (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure (%(default)s)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("this makes network namespaces: run it as root", file=sys.stderr)
        return 1
    sweep()
    found = [row for net in (V4, V6) for row in measure(net, options.rounds, options.seconds)]
    print(markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
