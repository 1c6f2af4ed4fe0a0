# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How fast leases are claimed: ``python -m tests.benchmarks.leases [--quick] [--json FILE]``.

On an API server of its own, on loopback, which is gone afterwards with all that was in it. Beside each round of claims
stands one of as many bare creates, by the same clients over the same connections: their ratio says more than either,
for it depends less on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import urllib3
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    API_GROUP,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.lease_status import BOUND
from rich.console import Console
from rich.table import Table

from tests.benchmarks import command, knowing, machine
from tests.benchmarks.claimants import CLAIM, CREATE, MODULE_CLAIM, Claimants, Report, Sample, Task, network_of
from tests.cluster.tools import KUBERNETES, ensure
from tests.support.api_server import ADMIN_TOKEN, ApiServer
from tests.support.definitions import CRDS, define

SERVERS = ("kube-apiserver", "etcd", "kube-controller-manager")
CLIENTS, OTHERS = "clients", "others"
PROCESSES = 4
"""At most so many processes of clients; more than there are cores, so that no lock of Python's holds a core idle."""
KNOWN = 65_534
WORKERS = 4
"""The controller's default number of worker threads."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    """At most, if the machine is quick enough."""
    seconds: float
    """When these are over, a number of clients has no further round."""
    claims: dict[int, int]
    """By the number of clients, how many claims a round has."""
    full: str
    """The network that is filled."""
    module_claims: int


WHOLE = Plan(5, 45.0, {1: 150, 10: 500, 100: 1000}, "10.16.0.0/20", 20)
QUICK = Plan(2, 8.0, {1: 60, 10: 200, 100: 400}, "10.16.0.0/22", 10)


@dataclass(frozen=True)
class Side:
    """What rounds of one kind came to. Latencies in milliseconds, work in processor milliseconds for each success."""

    what: str
    clients: int
    processes: int
    done: int
    refused: int
    seconds: float
    rate: float
    p50: float
    p99: float
    requests: dict[str, float]
    """For each success, by verb and kind."""
    waited: dict[str, float]
    """Milliseconds that one request of a kind took, on average."""
    work: dict[str, float]
    """By program: SERVERS, CLIENTS, and OTHERS, who have nothing to do with it."""
    busy: float
    """How much of the machine was busy, by whomever; 1 is all of it."""


@dataclass(frozen=True)
class Comparison:
    claims: Side
    creates: Side
    ratio: float
    """Leases/s to creates/s."""
    ratios: tuple[float, ...]
    """The same, round by round."""
    work_ratio: float
    """Processor time of a create to that of a claim, servers and clients together: the ratio of the rates where
    nothing but processors holds them up, and free of what others do on the machine."""


@dataclass(frozen=True)
class Filling:
    """A network from its first address to its last."""

    comparison: Comparison
    size: int
    creates_per_lease: dict[str, float]
    """By how full the network was, in percent: creates of EgressAddresses for each lease."""


@dataclass(frozen=True)
class LastPercent:
    """The last free addresses of a network that is 99 % full, claimed by clients whose caches show what is taken."""

    clients: int
    claimed: int
    creates_per_lease: float
    p99: float


@dataclass(frozen=True)
class Results:
    cores: int
    comparisons: list[Comparison]
    filling: Filling
    last: list[LastPercent]
    module: Side
    module_addresses: int
    memory: knowing.Cost
    memory_empty: knowing.Cost
    seconds: float


@dataclass
class _Round:
    seconds: float
    """Until the last client had its last answer."""
    report: Report
    work: machine.Work
    span: float
    """The seconds in which the work was done: to the end of what follows from the answers in the clients' caches."""


class Bench:
    """An API server with this project's kinds, and the clients that come to it."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.connection = Connection(host=server.host, api_key=ADMIN_TOKEN, validate_certs=False)
        self.cluster = KubeClient(self.connection)
        self._networks = 0

    def install(self) -> None:
        """Have the lease kinds served."""
        define(self.cluster, CRDS)

    def new_network(self) -> str:
        self._networks += 1
        return f"network-{self._networks}"

    def clients(self, number: int, processes: int | None = None) -> Claimants:
        return Claimants(self.connection, number, processes or min(number, PROCESSES))

    def run(self, clients: Claimants, task: Task) -> _Round:
        before, begin = machine.work(*SERVERS), time.monotonic()
        start, report = clients.run(task)
        spent, span = machine.work(*SERVERS).since(before), time.monotonic() - begin
        return _Round(max(sample.end for sample in report.samples) - start, report, spent, span)

    def compare(self, clients: Claimants, plan: Plan) -> Comparison:
        """Claims in empty networks, each time followed by bare creates."""
        number, rounds = clients.number, dict[str, list[_Round]]({CLAIM: [], CREATE: []})
        for what in rounds:  # The first of each kind pays for what is loaded only once.
            self.run(clients, Task(what, self.new_network(), "10.0.0.0/16", number))
        deadline = time.monotonic() + plan.seconds
        while len(rounds[CREATE]) < plan.rounds and (time.monotonic() < deadline or not rounds[CREATE]):
            for what, done in rounds.items():
                done.append(self.run(clients, Task(what, self.new_network(), "10.0.0.0/16", plan.claims[number])))
        return _comparison(number, rounds[CLAIM], rounds[CREATE])

    def fill(self, clients: Claimants, cidr: str) -> tuple[Filling, list[LastPercent]]:
        """A network filled by clients. The bare creates beside it fill two others up to 99 %."""
        size = network_of("full", cidr).pool.size
        nearly = [self.new_network(), self.new_network()]
        name, almost = self.new_network(), math.floor(size * 0.99)
        before = self.run(clients, Task(CREATE, nearly[0], cidr, almost))
        full = self.run(clients, Task(CLAIM, name, cidr, None))
        after = self.run(clients, Task(CREATE, nearly[1], cidr, almost))
        last = [_last(clients.number, self.run(clients, Task(CLAIM, nearly[0], cidr, None)))]
        with self.clients(WORKERS, 1) as workers:
            last.append(_last(WORKERS, self.run(workers, Task(CLAIM, nearly[1], cidr, None))))
        for network in (name, *nearly):
            self._require_full(network, cidr)
        _require_each_once(full.report.samples, size)
        if any(item.claimed != size - almost for item in last):
            raise AssertionError(f"{size - almost} addresses were free, {[item.claimed for item in last]} were claimed")
        comparison = _comparison(clients.number, [full], [before, after])
        return Filling(comparison, size, _creates_by_fill(full.report.samples, size)), last

    def claim_as_module(self, count: int) -> tuple[int, Side]:
        """One client that lists the addresses for each claim; and how many there were."""
        known = len(self.cluster.list(EGRESS_ADDRESS))
        with self.clients(1) as clients:
            done = self.run(clients, Task(MODULE_CLAIM, self.new_network(), "10.0.0.0/16", count))
        return known, _side(MODULE_CLAIM, 1, [done])

    def _require_full(self, network: str, cidr: str) -> None:
        """Every address is locked on the server, and no two Bound leases have the same."""
        pool, labels = network_of(network, cidr).pool, f"{API_GROUP}/network={network}"
        locked = [item["spec"]["address"] for item in self.cluster.list(EGRESS_ADDRESS, labels=labels)]
        leases = [item.get("status") or {} for item in self.cluster.list(EGRESS_LEASE, labels=labels)]
        bound = [status["address"] for status in leases if status.get("phase") == BOUND]
        if len(locked) != pool.size or len(set(locked)) != pool.size or not all(item in pool for item in locked):
            raise AssertionError(f"{network}: {len(locked)} of {pool.size} addresses are locked")
        if len(set(bound)) != len(bound) or not set(bound) <= set(locked):
            raise AssertionError(f"{network}: an address is Bound twice, or without its lock")


def measure(plan: Plan) -> Results:
    """The whole run."""
    begin = time.monotonic()
    urllib3.disable_warnings()
    ensure(KUBERNETES, command.say)
    with tempfile.TemporaryDirectory(prefix="avi-egress-leases-") as folder:
        server = ApiServer(Path(folder))
        try:
            server.start()
            bench = Bench(server)
            bench.install()
            comparisons, *_few, most = [], *plan.claims
            for number, count in plan.claims.items():
                with bench.clients(number) as clients:
                    command.say(f"{number} clients, up to {plan.rounds} rounds of {count} claims and {count} creates")
                    comparisons.append(bench.compare(clients, plan))
                    if number == most:
                        command.say(f"filling {plan.full}")
                        filling, last = bench.fill(clients, plan.full)
            command.say("claiming as the module does")
            known, module = bench.claim_as_module(plan.module_claims)
            template = bench.cluster.list(EGRESS_ADDRESS, labels=f"{API_GROUP}/network=network-1")[0]
        finally:
            server.stop()
    command.say(f"knowing {KNOWN} addresses")
    memory, empty = knowing.measure(template, KNOWN), knowing.measure(template, 0)
    seconds = time.monotonic() - begin
    return Results(os.cpu_count() or 1, comparisons, filling, last, module, known, memory, empty, seconds)


def _comparison(number: int, claiming: list[_Round], creating: list[_Round]) -> Comparison:
    claims, creates = _side(CLAIM, number, claiming), _side(CREATE, number, creating)
    ratios = tuple(_rate([claim]) / _rate([create]) for claim, create in zip(claiming, creating))
    return Comparison(claims, creates, claims.rate / creates.rate, ratios, _own_work(creates) / _own_work(claims))


def _own_work(side: Side) -> float:
    return sum(spent for program, spent in side.work.items() if program != OTHERS)


def _side(what: str, clients: int, rounds: list[_Round]) -> Side:
    total, work = Report(), Counter[str]()
    for item in rounds:
        total.add(item.report)
        work.update(item.work.programs)
    done = _successes(rounds)
    seconds, machine_work = sum(item.seconds for item in rounds), sum(item.work.machine for item in rounds)
    others = max(0.0, machine_work - total.work - sum(work.values()))
    spent = {**work, CLIENTS: total.work, OTHERS: others}
    latencies = sorted((sample.end - sample.begin) * 1000 for sample in total.samples if sample.address)
    return Side(
        what=what,
        clients=clients,
        processes=min(clients, PROCESSES),
        done=done,
        refused=len(total.samples) - done,
        seconds=seconds,
        rate=done / seconds,
        p50=_percentile(latencies, 50),
        p99=_percentile(latencies, 99),
        requests={name: number / done for name, number in total.requests.most_common()},
        waited={name: waited / total.requests[name] * 1000 for name, waited in total.seconds.items()},
        work={name: seconds / done * 1000 for name, seconds in spent.items()},
        busy=machine_work / sum(item.span for item in rounds) / (os.cpu_count() or 1),
    )


def _successes(rounds: list[_Round]) -> int:
    return sum(sample.address is not None for item in rounds for sample in item.report.samples)


def _rate(rounds: list[_Round]) -> float:
    return _successes(rounds) / sum(item.seconds for item in rounds)


def _percentile(ascending: list[float], percent: int) -> float:
    """The nearest rank: the least value that so many percent do not exceed."""
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def _last(clients: int, done: _Round) -> LastPercent:
    samples = done.report.samples
    claimed = [sample for sample in samples if sample.address]
    creates = sum(len(sample.locks) for sample in samples)
    latencies = sorted((sample.end - sample.begin) * 1000 for sample in claimed)
    return LastPercent(clients, len(claimed), creates / len(claimed), _percentile(latencies, 99))


def _creates_by_fill(samples: list[Sample], size: int) -> dict[str, float]:
    """A claim's last create is the one that got the address; a vain one counts for the time of its answer."""
    got = sorted(sample.locks[-1] for sample in samples if sample.address)
    tried = sorted(moment for sample in samples for moment in sample.locks)
    found, begin = {}, -math.inf
    for low, high in ((0, 50), (50, 90), (90, 99), (99, 100)):
        end = math.inf if high == 100 else got[math.floor(size * high / 100) - 1]
        creates = sum(begin < moment <= end for moment in tried)
        found[f"{low} to {high}"] = creates / sum(begin < moment <= end for moment in got)
        begin = end
    return found


def _require_each_once(samples: list[Sample], size: int) -> None:
    got = Counter(sample.address for sample in samples if sample.address)
    if len(got) != size or max(got.values()) != 1:
        raise AssertionError(f"{len(got)} of {size} addresses were given, one of them {max(got.values())} times")


def show(results: Results, console: Console) -> None:
    """The tables; their figures are those of the JSON."""
    filled = results.filling.comparison
    console.print(_rates([*results.comparisons, filled]))
    console.print(_work([*results.comparisons, filled]))
    console.print(_requests(results.comparisons[0].claims, results.module, results.module_addresses))
    console.print(_filling(results))
    console.print(_memory(results))
    console.print(_aims(results))
    console.print(f"{results.cores} cores; {results.seconds:.0f} s in all")


def _rates(comparisons: list[Comparison]) -> Table:
    table = _table(
        "Claims beside bare creates; the last row fills a network",
        *(
            "clients",
            "leases",
            "leases/s",
            "p50 ms",
            "p99 ms",
            "creates/s",
            "p50 ms",
            "p99 ms",
            "ratio",
            "by round",
            "of work",
        ),
    )
    for item in comparisons:
        claims, creates = item.claims, item.creates
        table.add_row(
            *(f"{claims.clients}", f"{claims.done}", f"{claims.rate:.0f}", f"{claims.p50:.0f}", f"{claims.p99:.0f}"),
            *(f"{creates.rate:.0f}", f"{creates.p50:.0f}", f"{creates.p99:.0f}"),
            *(f"{item.ratio:.2f}", f"{min(item.ratios):.2f} to {max(item.ratios):.2f}", f"{item.work_ratio:.2f}"),
        )
    return table


def _work(comparisons: list[Comparison]) -> Table:
    programs = (*SERVERS, CLIENTS, OTHERS)
    table = _table("Processor time for each, milliseconds", "clients", "what", *programs, "machine busy")
    for item in comparisons:
        for side in (item.claims, item.creates):
            spent = (f"{side.work[program]:.2f}" for program in programs)
            table.add_row(f"{side.clients}", side.what, *spent, f"{side.busy:.0%}")
    return table


def _requests(controller: Side, module: Side, known: int) -> Table:
    table = _table("Requests of a claim, one client", "claims as", "request", "for each claim", "ms each")
    for name, side in (("controller", controller), (f"module, {known} addresses in the cluster", module)):
        for request, number in side.requests.items():
            table.add_row(name, request, f"{number:.2f}", f"{side.waited[request]:.1f}")
    return table


def _filling(results: Results) -> Table:
    filling = results.filling
    table = _table("Creates of EgressAddress for each lease", "clients", "percent full", "leases", "creates a lease")
    for percent, creates in filling.creates_per_lease.items():
        table.add_row(f"{filling.comparison.claims.clients}, filling {filling.size}", percent, "", f"{creates:.2f}")
    for last in results.last:
        table.add_row(f"{last.clients}", "99 to 100", f"{last.claimed}", f"{last.creates_per_lease:.2f}")
    return table


def _memory(results: Results) -> Table:
    table = _table(
        "A controller that knows addresses as taken",
        *(
            "addresses",
            "MB before",
            "MB grown",
            "after a second list",
            "MB at its peak",
            "JSON bytes each",
            "load s",
            "own part of a claim ms",
        ),
    )
    for cost in (results.memory_empty, results.memory):
        memory = (
            f"{cost.empty:.0f}",
            f"{cost.grown:.0f}",
            f"{cost.relisted:.0f}",
            f"{cost.peak:.0f}",
            f"{cost.json_bytes}",
        )
        table.add_row(f"{cost.addresses}", *memory, f"{cost.load_seconds:.1f}", f"{cost.claim_milliseconds:.2f}")
    return table


def _aims(results: Results) -> Table:
    many, last = results.comparisons[-1], results.last
    aims = [
        (f"{many.claims.clients} clients: leases/s to creates/s", 0.40, many.ratio, many.ratio >= 0.40),
        (f"{many.claims.clients} clients: p99 of a claim, s", 2.0, many.claims.p99 / 1000, many.claims.p99 < 2000),
    ]
    for item in last:
        creates = item.creates_per_lease
        aims.append((f"{item.clients} clients, 99 % full: creates a lease", 2.0, creates, creates <= 2.0))
    grown = results.memory.grown
    aims.append((f"{results.memory.addresses} addresses: MB grown", 60.0, grown, grown <= 60.0))
    table = _table("Aims", "what", "aim", "measured", "met")
    for what, aim, measured, met in aims:
        table.add_row(what, f"{aim:.2f}", f"{measured:.2f}", "yes" if met else "no")
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.leases", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and a smaller network: under a minute")
    return command.run(parser, lambda given: measure(QUICK if given.quick else WHOLE), show)


if __name__ == "__main__":
    sys.exit(main())
