# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How long playbooks take, beside kubernetes.core's that bring about the same objects.

The results are shown as Ansible does by default: a line for each task, not all that it returned. Each time is that of a
whole ``ansible-playbook``, less that of one with nothing to do. Contenders take turns in each round,
so that what else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE, SERVICE
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from rich.console import Console
from rich.table import Table

from tests.benchmarks import command
from tests.cluster.tools import KUBERNETES, ensure
from tests.faults import FaultProxy
from tests.faults.rules import Delay, Rule
from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.definitions import CRDS, define

IN_PROCESS, AS_MODULE, KUBERNETES_CORE = "avi.egress", "avi.egress, a process each", "kubernetes.core"
ANSIBLE_ALONE = "set_fact of the same list"
AWAY_SECONDS = 0.01
"""How far away the API server is in the last rows; it is on the same machine otherwise."""
NOTHING = {"ansible.builtin.debug": {"msg": ""}}
PROJECT = "green"

Task = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    rounds: int
    looped: int
    created: int
    listed: int


WHOLE = Plan(rounds=3, looped=50, created=500, listed=1000)
QUICK = Plan(rounds=1, looped=5, created=20, listed=50)


@dataclass(frozen=True)
class Row:
    """One contender's times for one thing to do, in seconds."""

    what: str
    contender: str
    items: int
    seconds: tuple[float, ...]
    """Of each round."""
    ratio: float | None
    """kubernetes.core's median to this one's; None where that does nothing of the kind."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def each(self) -> float:
        """Milliseconds."""
        return self.median / self.items * 1000


@dataclass(frozen=True)
class Results:
    """All that was measured; what the JSON file holds."""

    cores: int
    nothing: float
    """Seconds of a playbook with nothing to do."""
    rows: list[Row]


class Bench:
    """Playbooks against one API server, on which nothing else runs."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.cluster: KubeClient = server.cluster()
        self._folder = folder
        self._kubeconfig = server.kubeconfig
        self._ansible = Ansible(folder, server.kubeconfig)
        self._other_python = _other_python(folder)
        self._nothing = 0.0

    def install(self) -> None:
        define(self.cluster, CRDS)
        self.cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROJECT}})

    def measure_nothing(self, rounds: int) -> float:
        self._nothing = statistics.median(self._seconds(None) for _round in range(rounds))
        return self._nothing

    def loop(self, plan: Plan) -> list[Row]:
        """Services that are as they should be, one for each item of a loop."""
        names = _names("loop", plan.looped)
        ours, theirs = _loop(_service("{{ item }}"), names), _loop(_definitions("{{ item }}"), names)
        self._run(ours)
        contenders = {
            IN_PROCESS: partial(self._timed, ours, False),
            AS_MODULE: partial(self._timed, ours, False, self._other_python),
            KUBERNETES_CORE: partial(self._timed, theirs, False),
        }
        return _rows(f"{plan.looped} unchanged Services, looped", plan.looped, _rounds(contenders, plan.rounds))

    def create(self, plan: Plan) -> list[Row]:
        """New Services, in one task."""
        names = _names("new", plan.created)
        ours, theirs = _services(names), _definitions(*names)
        contenders = {
            IN_PROCESS: partial(self._made, ours, names),
            KUBERNETES_CORE: partial(self._made, theirs, names),
        }
        return _rows(f"{plan.created} new Services", plan.created, _rounds(contenders, plan.rounds))

    def create_far_away(self, plan: Plan) -> list[Row]:
        """New Services, in one task, of an API server to which each request takes its time."""
        names = _names("far", plan.created)
        with FaultProxy(self._kubeconfig, self._folder) as proxy:
            proxy.use(Rule(Delay(AWAY_SECONDS)))
            near, self._ansible = self._ansible, Ansible(self._folder, proxy.kubeconfig)
            contenders = {
                IN_PROCESS: partial(self._made, _services(names), names),
                KUBERNETES_CORE: partial(self._made, _definitions(*names), names),
            }
            what = f"{plan.created} new Services, {AWAY_SECONDS * 1000:.0f} ms away"
            rows = _rows(what, plan.created, _rounds(contenders, plan.rounds))
            self._ansible = near
        return rows

    def at_once(self, plan: Plan) -> list[Row]:
        """Services that are as they should be, in one task."""
        names = _names("list", plan.listed)
        ours, theirs = _services(names), _definitions(*names)
        self._run(ours)
        contenders = {
            ANSIBLE_ALONE: partial(self._timed, {"ansible.builtin.set_fact": _options(ours)}, False),
            IN_PROCESS: partial(self._timed, ours, False),
            AS_MODULE: partial(self._timed, ours, False, self._other_python),
            KUBERNETES_CORE: partial(self._timed, theirs, False),
        }
        return _rows(f"{plan.listed} unchanged Services, one task", plan.listed, _rounds(contenders, plan.rounds))

    def _made(self, task: Task, names: list[str]) -> float:
        seconds = self._timed(task, True)
        for name in names:
            self.cluster.delete_named(SERVICE, name, PROJECT)
        return seconds

    def _timed(self, task: Task, changed: bool, python: str | None = None) -> float:
        seconds = self._seconds(task, changed, python)
        return seconds - self._nothing

    def _seconds(self, task: Task | None, changed: bool = False, python: str | None = None) -> float:
        begin = time.monotonic()
        self._run(task, changed, python)
        return time.monotonic() - begin

    def _run(self, task: Task | None, changed: bool = True, python: str | None = None) -> None:
        variables = {"ansible_python_interpreter": python} if python else None
        settings = {"diff": False, "ignore_errors": False}
        recap = self._ansible.recap({**(task or NOTHING), **settings}, variables=variables)
        if (recap["ok"], recap["changed"], recap["failed"]) != (1, int(changed), 0):
            raise AssertionError(f"not as expected (changed: {changed}): {recap}")


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def _service(name: str) -> Task:
    ports = [{"name": "http", "port": 80}]
    options = {"name": name, "namespace": PROJECT, "destination_ip": "10.10.10.200", "ports": ports, "wait": False}
    return {"avi.egress.avi_egress_service": options}


def _services(names: list[str]) -> Task:
    """Such as ``_service`` makes, in one task."""
    options = _service("")["avi.egress.avi_egress_service"]
    wait = {"wait": options.pop("wait")}
    return {"avi.egress.avi_egress_service": {"services": [{**options, "name": name} for name in names], **wait}}


def _options(task: Task) -> dict[str, Any]:
    """The list alone."""
    return {"services": task["avi.egress.avi_egress_service"]["services"]}


def _definitions(*names: str) -> Task:
    """The same Services by kubernetes.core."""
    bodies = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": PROJECT},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        }
        for name in names
    ]
    return {"kubernetes.core.k8s": {"state": "present", "definition": bodies}}


def _loop(task: Task, names: list[str]) -> Task:
    return {**task, "loop": names}


def _rounds(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, run in contenders.items():
            seconds[name].append(run())
            command.say(f"round {number + 1}, {name}: {seconds[name][-1]:.1f} s")
    return seconds


def _rows(what: str, items: int, seconds: dict[str, list[float]]) -> list[Row]:
    theirs = statistics.median(seconds[KUBERNETES_CORE])
    return [
        Row(what, name, items, tuple(times), None if name == KUBERNETES_CORE else theirs / statistics.median(times))
        for name, times in seconds.items()
    ]


def _other_python(folder: Path) -> str:
    """The same Python under another name, with which Ansible starts a process for each module."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def measure(plan: Plan) -> Results:
    """The whole run."""
    urllib3.disable_warnings()
    ensure(KUBERNETES, command.say)
    with tempfile.TemporaryDirectory(prefix="avi-egress-ansible-") as name:
        folder = Path(name)
        server = ApiServer(folder)
        try:
            server.start()
            bench = Bench(server, folder)
            bench.install()
            nothing = bench.measure_nothing(plan.rounds)
            rows = [*bench.loop(plan), *bench.create(plan), *bench.create_far_away(plan), *bench.at_once(plan)]
        finally:
            server.stop()
    return Results(os.cpu_count() or 1, nothing, rows)


def show(results: Results, console: Console) -> None:
    """The table; its figures are those of the JSON."""
    table = Table(title="Playbooks, beside kubernetes.core's", title_justify="left")
    for heading in ("what", "by", "seconds", "by round", "ms each", "times faster"):
        table.add_column(heading)
    for row in results.rows:
        spread = f"{min(row.seconds):.1f} to {max(row.seconds):.1f}"
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}"
        table.add_row(row.what, row.contender, f"{row.median:.1f}", spread, f"{row.each:.0f}", ratio)
    console.print(table)
    console.print(f"a playbook with nothing to do: {results.nothing:.1f} s, taken off; {results.cores} cores")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ansible", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few of each, once")
    return command.run(parser, lambda given: measure(QUICK if given.quick else WHOLE), show)


if __name__ == "__main__":
    sys.exit(main())
