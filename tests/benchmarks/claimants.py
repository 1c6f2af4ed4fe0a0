# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Clients that claim leases, or create bare EgressAddresses, all at once.

A client is a thread with a connection of its own. Python runs one thread of a process at a time, so they are spread
over several processes, and each process has the controller's own caches: what a client knows of others it knows by
watch.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any

import netaddr
import urllib3
from ansible_collections.avi.egress.plugins.module_utils.api.addresses import IPV4
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict, PoolExhausted
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    KubeObject,
    Resource,
    address_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam import leases, locks
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network
from ansible_collections.avi.egress.plugins.module_utils.module.lease.snapshot_store import SnapshotStore
from ansible_collections.avi.egress.plugins.module_utils.module.lease.view import LeasingView
from egress_controller.cache.caches import Caches
from egress_controller.ipam.claims import Claims
from egress_controller.runtime.outages import Outages

CLAIM = "claim"
"""As the controller claims: what is taken comes from its caches."""
MODULE_CLAIM = "module claim"
"""As avi_ipam_lease claims in a task of its own: what is taken is listed each time."""
CREATE = "create"
"""The least that a lease could cost: one EgressAddress."""
CATCH_UP_SECONDS = 120.0
LOCK = f"POST {EGRESS_ADDRESS.kind}"


@dataclass(frozen=True)
class Task:
    """What every client is to do, in one round."""

    what: str
    network: str
    cidr: str
    count: int | None
    """How many all clients together do; None: claim until there is no address left."""


@dataclass(frozen=True)
class Sample:
    """One claim or create; moments are of the machine's monotonic clock."""

    begin: float
    end: float
    address: str | None
    """None: PoolExhausted."""
    locks: tuple[float, ...]
    """When each create of an EgressAddress had its answer, the vain ones too."""


@dataclass
class Report:
    """What a round came to, of one process or of all."""

    samples: list[Sample] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    """By verb and kind."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Spent waiting for the answers to them."""
    work: float = 0.0
    """Processor seconds of the clients, their caches included."""

    def add(self, other: Report) -> None:
        self.samples += other.samples
        self.requests += other.requests
        for name, seconds in other.seconds.items():
            self.seconds[name] += seconds
        self.work += other.work


class CountingCluster(KubeClient):
    """Keeps count of its requests by kind, and of the time they took. For one thread."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.report = Report()
        self.locks: list[float] = []

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        with self._counted("GET", resource):
            return super().get(resource, name, namespace)

    def list_with_version(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        keep: Callable[[KubeObject], Any] = lambda obj: obj,
    ) -> tuple[list[Any], str]:
        with self._counted("LIST", resource):
            return super().list_with_version(resource, namespace, labels=labels, fields=fields, keep=keep)

    def create(self, resource: Resource, body: KubeObject, *, dry_run: bool = False) -> KubeObject:
        try:
            with self._counted("POST", resource):
                return super().create(resource, body, dry_run=dry_run)
        finally:
            if resource is EGRESS_ADDRESS:
                self.locks.append(time.monotonic())

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        with self._counted("PUT", resource, subresource):
            return super().replace(resource, body, subresource)

    @contextlib.contextmanager
    def _counted(self, verb: str, resource: Resource, subresource: str | None = None) -> Iterator[None]:
        name = f"{verb} {resource.kind}" + (f"/{subresource}" if subresource else "")
        begin = time.monotonic()
        try:
            yield
        finally:
            self.report.requests[name] += 1
            self.report.seconds[name] += time.monotonic() - begin


class _Nobody:
    def changed(self, resource: Resource, event: str, obj: KubeObject) -> None:
        """Nothing follows from it here."""


class _Client:
    def __init__(self, number: int, of: int, connection: Connection, caches: Caches) -> None:
        self._number, self._of = number, of
        self._cluster = CountingCluster(connection)
        self._caches = caches
        self._claims = Claims(self._cluster, caches)

    def connect(self) -> None:
        """Open the connection, and forget what it cost."""
        self._cluster.get(EGRESS_LEASE, "none")
        self._cluster.report = Report()
        self._cluster.locks.clear()

    def run(self, task: Task, start: float) -> Report:
        network = network_of(task.network, task.cidr)
        steps = self._steps(task, network)
        time.sleep(max(0.0, start - time.monotonic()))
        report = self._cluster.report
        for step in steps:
            begin, known = time.monotonic(), len(self._cluster.locks)
            address = step()
            locks = tuple(self._cluster.locks[known:])
            report.samples.append(Sample(begin, time.monotonic(), address, locks))
            if address is None:
                break
        return report

    def _steps(self, task: Task, network: EgressNetwork) -> Iterator[Callable[[], str | None]]:
        if task.what == CREATE:
            assert task.count is not None
            addresses = some_addresses(task.network, task.cidr, task.count)[self._number :: self._of]
            return (partial(self._create, task.network, address) for address in addresses)
        claim = self._claim if task.what == CLAIM else self._claim_as_module
        numbers = count(self._number, self._of) if task.count is None else range(self._number, task.count, self._of)
        slots = (Slot(task.network, f"project-{self._number}", f"service-{number}", 0) for number in numbers)
        return (partial(claim, network, slot) for slot in slots)

    def _create(self, network: str, address: str) -> str:
        holder = {"metadata": {"name": f"{network}.bare-{self._number}.service-0.0", "uid": str(uuid.uuid4())}}
        self._cluster.create(EGRESS_ADDRESS, locks.address_object(network, address, holder))
        return address

    def _claim(self, network: EgressNetwork, slot: Slot) -> str | None:
        return _until_settled(lambda: self._claims.claim(network, slot, IPV4))

    def _claim_as_module(self, network: EgressNetwork, slot: Slot) -> str | None:
        def claim() -> KubeObject:
            snapshot = LeasingView(self._cluster, {slot.namespace}).snapshot()
            draw = leases.at_random(snapshot.taken(network.name))
            store = SnapshotStore(self._cluster, snapshot)
            return leases.claim(store, network, leases.Claim(slot), draw, datetime.now(UTC))

        return _until_settled(claim)


def _until_settled(claim: Callable[[], KubeObject]) -> str | None:
    while True:
        try:
            return str(claim()["status"]["address"])
        except PoolExhausted:
            return None
        except Conflict:
            continue


class Claimants:
    """``clients`` clients in ``processes`` processes, ready when entered; each round is one Task."""

    def __init__(self, connection: Connection, clients: int, processes: int) -> None:
        self.number = clients
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Pipe] = []
        self._far: list[Pipe] = []
        self._processes = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            numbers = range(number, clients, processes)
            process = context.Process(target=_serve, args=(theirs, connection, numbers, clients), daemon=True)
            self._processes.append(process)
            self._pipes.append(ours)
            self._far.append(theirs)

    def __enter__(self) -> Claimants:
        for process, far in zip(self._processes, self._far):
            process.start()
            far.close()  # Now only the process has it, and its end is noticed.
        for pipe in self._pipes:
            pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()

    def run(self, task: Task) -> tuple[float, Report]:
        """When they all began, and what came of it. An error in a client ends in EOFError here."""
        for pipe in self._pipes:
            pipe.send(task)
        for pipe in self._pipes:
            pipe.recv()
        start = time.monotonic() + 0.1
        for pipe in self._pipes:
            pipe.send(start)
        total = Report()
        for pipe in self._pipes:
            total.add(pipe.recv())
        return start, total


def network_of(name: str, cidr: str) -> EgressNetwork:
    return read_network({"metadata": {"name": name}, "spec": {"subnets": [{"cidr": cidr}]}})


def some_addresses(network: str, cidr: str, count: int) -> list[str]:
    """Leasable addresses of a network in random order; the same ones for all who ask."""
    block = netaddr.IPNetwork(cidr)
    offsets = random.Random(network).sample(range(1, block.size - 1), count)
    return [str(block[offset]) for offset in offsets]


def _serve(pipe: Pipe, connection: Connection, numbers: range, of: int) -> None:
    """A process of clients: what it is told by the pipe, until that is None."""
    urllib3.disable_warnings()
    caches = Caches(KubeClient(connection), Outages(), _Nobody())
    for informer in (caches.leases, caches.addresses):
        informer.start()
    _wait(lambda: caches.leases.synced and caches.addresses.synced)
    clients = [_Client(number, of, connection, caches) for number in numbers]
    with ThreadPoolExecutor(len(clients)) as threads:
        pipe.send("here")
        while (task := pipe.recv()) is not None:
            pipe.send(_round(pipe, task, clients, caches, threads))


def _round(pipe: Pipe, task: Task, clients: list[_Client], caches: Caches, threads: ThreadPoolExecutor) -> Report:
    list(threads.map(_Client.connect, clients))
    pipe.send("ready")
    start = pipe.recv()
    before = time.process_time()
    total = Report()
    for report in threads.map(lambda client: client.run(task, start), clients):
        total.add(report)
    locked = [sample for sample in total.samples if sample.address]
    last = max(locked, key=lambda sample: sample.end, default=None)
    if last and last.address:
        name = address_name(task.network, last.address)
        _wait(lambda: caches.addresses.get(name) is not None)
    total.work = time.process_time() - before
    return total


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the caches do not catch up with the API server")
        time.sleep(0.01)
