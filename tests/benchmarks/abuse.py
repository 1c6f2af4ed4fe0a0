# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How soon a new service has its lease while another project does what it can to be in the way.

Against a real API server with the controller's process beside it; no kubelet, so what is timed is from the creation of
the Service to its condition that only a pod is missing: lease, ServiceAccount, policy and controller are there.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_POD_ANNOTATION, SERVICE
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from rich.console import Console
from rich.table import Table

from tests.benchmarks import command
from tests.cluster.tools import KUBERNETES, ensure
from tests.support.api_server import ADMIN_TOKEN, ApiServer
from tests.support.controller_process import LEADS_SECONDS, ControllerProcess, wait_quiet
from tests.support.definitions import CRDS, define
from tests.support.installed import install_account
from tests.support.waiting import wait_for
from tests.support.world import World

PROBES = 10
FLIPS_PER_SECOND = 100
STEADY_SECONDS = 10.0
CREATORS = 4
FILLING = "x" * 250_000
"""Of 256 KiB that all annotations of an object may have together."""


@dataclass(frozen=True)
class Phase:
    """What the other project did, and how soon each new service of this one had all but its pod."""

    what: str
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Results:
    services: int
    filled: int
    """Services with long annotations."""
    cores: int
    phases: list[Phase]
    requests_when_refused: float
    """In the steady state, in STEADY_SECONDS."""
    requests_when_stopped: float
    """The same while the brake holds a mass of releases."""
    filled_megabytes: float
    """Of the controller's process at its peak, once it leads and knows the services with long annotations."""
    memory_megabytes: float
    """The same in the end."""


class Abuse:
    """A project that asks for very much, and one that asks for little."""

    def __init__(self, world: World, controller: ControllerProcess, services: int) -> None:
        self._green = world.set_up(prefix=24)
        self._blue = world.of_project(f"{world.name}-blue")
        self._controller = controller
        self._names = [f"s{number}" for number in range(services)]
        self._probes = itertools.count()

    def probe(self, what: str) -> Phase:
        """New services, one after the other."""
        seconds = []
        for _probe in range(PROBES):
            name, started = f"probe{next(self._probes)}", time.monotonic()
            self._blue.serve(name)
            self._blue.wait_reason(name, "WaitingForPod", 600)
            seconds.append(time.monotonic() - started)
        return Phase(what, tuple(seconds))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """The project creates its services, and changes one of them all the time."""
        self._green.serve("flipped", "{")
        ended = threading.Event()
        with ThreadPoolExecutor(CREATORS + 1) as threads:
            created = [threads.submit(self._green.serve, name) for name in self._names]
            flipping = threads.submit(self._flip, ended)
            try:
                yield
            finally:
                for each in created:
                    each.result()
                ended.set()
                flipping.result()

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """The project deletes them all."""
        with ThreadPoolExecutor(CREATORS) as threads:
            deleted = [threads.submit(self._green.delete, name) for name in self._names]
            yield
            for each in deleted:
                each.result()

    def steady(self) -> float:
        """Requests in the steady state."""
        before = wait_quiet(self._controller, 900)
        time.sleep(STEADY_SECONDS)
        return self._controller.metric("api_requests") - before

    def _flip(self, ended: threading.Event) -> None:
        for number in itertools.count():
            if ended.wait(1 / FLIPS_PER_SECOND):
                return
            self._green.annotate("flipped", f'{{"destination_ip": "10.10.10.200", "hm_port": "never-{number}"}}')


def fill(cluster: KubeClient, count: int) -> None:
    """Services of a project that takes no part, with long annotations; half of them ask for egress nevertheless."""
    world = World(cluster)
    world.add_namespace(world.namespace)
    body = {"spec": {"ports": [{"port": 80}]}}

    def create(number: int) -> None:
        annotations = {"filling": FILLING} if number % 2 else {EGRESS_POD_ANNOTATION: FILLING}
        metadata = {"name": f"s{number}", "namespace": world.namespace, "annotations": annotations}
        cluster.create(SERVICE, {**body, "metadata": metadata})

    with ThreadPoolExecutor(CREATORS) as threads:
        list(threads.map(create, range(count)))


def measure(services: int, filled: int) -> Results:
    """The whole run."""
    urllib3.disable_warnings()
    ensure(KUBERNETES, command.say)
    with tempfile.TemporaryDirectory(prefix="avi-egress-abuse-") as folder:
        server = ApiServer(Path(folder))
        controller: ControllerProcess | None = None
        try:
            server.start()
            cluster = KubeClient(Connection(host=server.host, api_key=ADMIN_TOKEN, validate_certs=False))
            define(cluster, CRDS)
            command.say(f"{filled} services with long annotations")
            fill(cluster, filled)
            kubeconfig = install_account(server, cluster, Path(folder))
            controller = ControllerProcess(kubeconfig, Path(folder) / "controller.log", "measured", "--release-grace=3")
            controller.start()
            wait_for("it to lead", lambda: controller.leads, LEADS_SECONDS)
            known = controller.peak_megabytes()
            phases, refused, stopped = _phases(Abuse(World(cluster), controller, services), services)
            cores, peak = os.cpu_count() or 1, controller.peak_megabytes()
            return Results(services, filled, cores, phases, refused, stopped, known, peak)
        finally:
            if controller:
                controller.end()
            server.stop()


def _phases(abuse: Abuse, services: int) -> tuple[list[Phase], float, float]:
    """The phases, and how many requests there were with refused services and with stopped releases."""
    phases = [abuse.probe("nothing")]
    command.say(f"{services} services, and {FLIPS_PER_SECOND} changes a second of another")
    with abuse.asking():
        phases.append(abuse.probe(f"creates {services} services and changes another {FLIPS_PER_SECOND} times a second"))
    phases.append(abuse.probe("has what it asked for, or is being refused it"))
    refused = abuse.steady()
    command.say("deleting them")
    with abuse.deleting():
        phases.append(abuse.probe(f"deletes {services} services"))
    phases.append(abuse.probe("has its releases stopped"))
    return phases, refused, abuse.steady()


def show(results: Results, console: Console) -> None:
    table = Table(title=f"A new service while another project … ({results.cores} cores)", title_justify="left")
    for heading in ("what the other does", "median s", "worst s"):
        table.add_column(heading)
    for phase in results.phases:
        table.add_row(phase.what, f"{statistics.median(phase.seconds):.2f}", f"{max(phase.seconds):.2f}")
    console.print(table)
    console.print(
        f"requests in {STEADY_SECONDS:.0f} s: {results.requests_when_refused:.0f} with refused services, "
        f"{results.requests_when_stopped:.0f} with stopped releases; {results.memory_megabytes:.0f} MB at its peak, "
        f"{results.filled_megabytes:.0f} MB with {results.filled} services of long annotations and nothing else"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.abuse", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--services", type=int, default=2000, help="how many the project asks for (2000)")
    parser.add_argument("--filled", type=int, default=1000, help="how many another has filled with long text (1000)")
    return command.run(parser, lambda given: measure(given.services, given.filled), show)


if __name__ == "__main__":
    sys.exit(main())
