# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How the controller does with very many services of many projects, whose pods are there.

Against a real API server, with the controllers that make and schedule the pods; nodes and kubelets are played (see
``played_nodes``). The writes that it makes until all is settled are made once more by a bare client, on another API
server with the same Services, nodes and controllers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import urllib3
from rich.console import Console
from rich.table import Table

from tests.benchmarks import command, machine
from tests.benchmarks.bare_client import BareClient
from tests.benchmarks.egress_progress import REACHES, READY, WAITS
from tests.benchmarks.egress_site import EgressSite, egress_site
from tests.benchmarks.recording import Request
from tests.cluster.tools import KUBERNETES, KWOK, ensure
from tests.support.controller_process import ControllerProcess
from tests.support.waiting import wait_for

WORKERS = 4
"""Of the controller, as it is installed."""
AS_INSTALLED = ("--lease-duration=15", "--renew-deadline=10", "--retry-period=2", "--release-grace=3")
PROBES = 10
STEADY_SECONDS = 60.0
SECONDS_FOR_ALL = 7200.0
SAMPLE_SECONDS = 0.1
QUIET_SECONDS, QUIET_SHARE = 3.0, 0.05
"""A process that spends less than this share of a processor for so long has nothing to do."""


@dataclass(frozen=True)
class Convergence:
    """From the start of the process to the last service that is ready and reaches its destination."""

    seconds: float
    processor_seconds: float
    """Of the controller."""
    ended_at: datetime
    requests: dict[str, int]


@dataclass(frozen=True)
class Bare:
    """The same writes by a client that asks nothing."""

    seconds: float
    """Until all were made, and the last pod was ready."""
    writes: int
    writing_seconds: float
    refused: list[str]
    """The server's words about those that it did not take."""


@dataclass(frozen=True)
class NewService:
    """Seconds from its creation."""

    all_but_its_pod: float
    ready: float


@dataclass(frozen=True)
class Look:
    """A look at everything."""

    seconds: float
    requests: dict[str, int]


@dataclass(frozen=True)
class Memory:
    """Megabytes (2^20 bytes)."""

    peak: float
    settled: float


@dataclass(frozen=True)
class Figures:
    """Of the controller."""

    converged: Convergence
    converging: Memory
    restarted: Memory
    """Of a leader that found all of it there."""
    taken_over: Memory
    """Of a follower that came to lead."""
    steady: dict[str, int]
    """Requests in STEADY_SECONDS."""
    new_services: list[NewService]
    edited_cloud: Look
    restart: Look
    served_after_kill: float
    """Seconds from the leader's end until a service that was created then had all but its pod."""
    after_kill: Look


@dataclass(frozen=True)
class Results:
    services: int
    projects: int
    nodes: int
    cores: int
    figures: Figures
    bare: Bare


class Replicas:
    """Controllers of a site, as they are installed."""

    def __init__(self, site: EgressSite, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._all: list[ControllerProcess] = []

    def start(self) -> ControllerProcess:
        """A new one; it need not lead yet."""
        name = f"controller-{len(self._all)}"
        made = ControllerProcess(self._site.kubeconfig, self._folder / f"{name}.log", name, *AS_INSTALLED)
        self._all.append(made)
        made.start(ready=False)
        return made

    def end(self) -> None:
        for each in self._all:
            each.end()


@contextmanager
def replicas(site: EgressSite, folder: Path) -> Iterator[Replicas]:
    made = Replicas(site, folder)
    try:
        yield made
    finally:
        made.end()


class _Scale:
    """The figures of a leader, one after the other, on a site where nothing is served yet."""

    def __init__(self, site: EgressSite, controllers: Replicas) -> None:
        self._site = site
        self._controllers = controllers
        self._leader = controllers.start()
        self._began, self._began_at = time.monotonic(), _now()

    def converge(self) -> Convergence:
        site = self._site
        reached = site.progress.wait(REACHES, site.services, SECONDS_FOR_ALL)
        seconds = max(reached, site.wait_pods()) - self._began
        self._until_quiet()
        ended_at = _now()
        spent = machine.processor_seconds(self._leader.pid)
        return Convergence(seconds, spent, ended_at, _requests(site.recording.asked(self._began_at, ended_at)))

    def memory(self) -> Memory:
        peak, settled = (machine.resident_megabytes(field, self._leader.pid) for field in ("VmHWM", "VmRSS"))
        return Memory(peak, settled)

    def steady(self) -> dict[str, int]:
        """What is asked in a minute without a change, by kind."""
        since = _now()
        time.sleep(STEADY_SECONDS)
        return _requests(self._site.recording.asked(since))

    def new_services(self) -> list[NewService]:
        found = []
        for number in range(PROBES):
            name, began = f"new-{number}", time.monotonic()
            project = self._site.serve(number % len(self._site.projects), name).namespace
            ready = self._site.progress.moment(READY, project, name)
            found.append(NewService(self._site.progress.moment(WAITS, project, name) - began, ready - began))
        self._until_quiet()
        return found

    def edit_cloud(self) -> Look:
        return self._look(self._site.edit_cloud)

    def restart(self) -> Look:
        self._leader.end()

        def start() -> None:
            self._leader = self._controllers.start()
            self._wait_leads()

        return self._look(start)

    def kill(self) -> tuple[float, Look]:
        """The leader dies while another stands by: seconds until that has served a new service, and looked at all."""
        follower = self._controllers.start()
        wait_for("the follower to be ready", lambda: follower.probe("readyz") == 200, SECONDS_FOR_ALL)
        _quiet_since(follower.pid)  # Its queue is full until it leads.
        former, self._leader = self._leader, follower
        served = 0.0

        def die() -> None:
            nonlocal served
            began = time.monotonic()
            former.kill()
            project = self._site.serve(0, "after-kill").namespace
            served = self._site.progress.moment(WAITS, project, "after-kill") - began

        look = self._look(die)
        return served, look

    def _look(self, begin: Callable[[], object]) -> Look:
        began, since = time.monotonic(), _now()
        begin()
        ended = self._until_quiet()
        return Look(ended - began, _requests(self._site.recording.asked(since)))

    def _wait_leads(self) -> None:
        wait_for("it to lead", lambda: "event=working" in self._leader.log(), SECONDS_FOR_ALL)

    def _until_quiet(self) -> float:
        """Until the leader has nothing to do; gives the moment since which it has not."""
        while True:
            quiet = _quiet_since(self._leader.pid)
            if not self._leader.metric("queue_depth"):
                return quiet


def _quiet_since(process: int) -> float:
    """The moment from which on a process spent next to nothing, once that has lasted."""
    samples: deque[tuple[float, float]] = deque()
    while True:
        samples.append((time.monotonic(), machine.processor_seconds(process)))
        (first, spent_then), (last, spent) = samples[0], samples[-1]
        if last - first >= QUIET_SECONDS:
            if spent - spent_then < QUIET_SHARE * QUIET_SECONDS:
                return first
            samples.popleft()
        time.sleep(SAMPLE_SECONDS)


def _requests(found: Iterable[Request]) -> dict[str, int]:
    """How many, by kind."""
    return dict(Counter(request.kind for request in found).most_common())


def _now() -> datetime:
    return datetime.now(UTC)


def measure(services: int, projects: int) -> Results:
    """The whole run."""
    urllib3.disable_warnings()
    for tool in (KUBERNETES, KWOK):
        ensure(tool, command.say)
    with tempfile.TemporaryDirectory(prefix="avi-egress-scale-") as name:
        folder = Path(name)
        command.say(f"{services} services of {projects} projects")
        with egress_site(folder / "controller", services, projects) as site, replicas(site, folder) as controllers:
            figures = _with_controller(_Scale(site, controllers))
            log, nodes = site.recording.log, site.nodes
        command.say("the same writes by a bare client")
        with egress_site(folder / "bare", services, projects) as site:
            bare = _with_bare_client(site, log, figures.converged.ended_at)
    return Results(services, projects, nodes, os.cpu_count() or 1, figures, bare)


def _with_controller(scale: _Scale) -> Figures:
    converged = scale.converge()
    command.say(f"converged in {converged.seconds:.0f} s: {converged.requests}")
    converging = scale.memory()
    command.say(f"{converging}; a steady minute")
    steady = scale.steady()
    command.say(f"{steady}; new services")
    new_services = scale.new_services()
    command.say(f"{new_services}; an edited cloud")
    edited = scale.edit_cloud()
    command.say(f"{edited}; a restart")
    restart = scale.restart()
    restarted = scale.memory()
    command.say(f"{restart} {restarted}; a killed leader")
    served, after_kill = scale.kill()
    command.say(f"{served} {after_kill}")
    return Figures(
        converged, converging, restarted, scale.memory(), steady, new_services, edited, restart, served, after_kill
    )


def _with_bare_client(site: EgressSite, log: Path, until: datetime) -> Bare:
    client = BareClient(site.kubeconfig, log, until, WORKERS)
    began = time.monotonic()
    client.start()
    replayed = client.result()
    return Bare(site.wait_pods() - began, replayed.writes, replayed.seconds, replayed.refused)


def show(results: Results, console: Console) -> None:
    figures, bare = results.figures, results.bare
    converged, new = figures.converged, figures.new_services
    title = f"{results.services} services of {results.projects} projects, {results.nodes} nodes ({results.cores} cores)"
    table = Table(title=title, title_justify="left")
    for heading in ("what", "measured", "aim"):
        table.add_column(heading)
    ratio = converged.seconds / bare.seconds
    table.add_row("until all services are ready", f"{converged.seconds:.0f} s", "")
    table.add_row("  of a processor, for the controller", f"{converged.processor_seconds:.0f} s", "")
    table.add_row("a bare client's same writes, and the pods", f"{bare.seconds:.0f} s", "")
    table.add_row("  the writes alone", f"{bare.writing_seconds:.0f} s, {bare.writes} writes", "")
    table.add_row("  ratio", f"{ratio:.2f}", "1.3")
    for what, memory in (
        ("a leader that served them all", figures.converging),
        ("a leader that found them served", figures.restarted),
        ("a follower that has come to lead", figures.taken_over),
    ):
        table.add_row(f"memory of {what}", f"{memory.settled:.0f} MB, {memory.peak:.0f} MB at its peak", "300 MB")
    table.add_row("requests in a steady minute", str(sum(figures.steady.values())), "0")
    for what, seconds in (
        ("a new service, but for its pod", [item.all_but_its_pod for item in new]),
        ("a new service, until it is ready", [item.ready for item in new]),
    ):
        table.add_row(what, f"{statistics.median(seconds):.2f} s, {max(seconds):.2f} s at worst", "0.5 s")
    for what, look, aim in (
        ("an edited cloud that changes nothing", figures.edited_cloud, "10 s"),
        ("a restart, to the last look", figures.restart, "15 s"),
        ("a killed leader, to the last look of the next", figures.after_kill, ""),
    ):
        table.add_row(what, f"{look.seconds:.1f} s, {sum(look.requests.values())} requests", aim)
    table.add_row("  until that serves a new service", f"{figures.served_after_kill:.1f} s", "")
    console.print(table)
    for what, requests in (
        ("until all were ready", converged.requests),
        ("in a steady minute", figures.steady),
        ("after the edit of the cloud", figures.edited_cloud.requests),
        ("after the restart", figures.restart.requests),
        ("after the leader's end", figures.after_kill.requests),
    ):
        console.print(f"requests {what}: {_listed(requests)}")
    if bare.refused:
        console.print(f"{len(bare.refused)} writes of the bare client were refused, the first: {bare.refused[0]}")


def _listed(requests: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in requests.items()) or "none"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--services", type=int, default=10_000, help="how many there are in all (10000)")
    parser.add_argument("--projects", type=int, default=200, help="of how many projects (200)")
    return command.run(parser, lambda given: measure(given.services, given.projects), show)


if __name__ == "__main__":
    sys.exit(main())
