# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Puts the parts together, runs them, and ends them."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from egress_controller.cache.caches import Caches
from egress_controller.cache.event_handlers import EventHandlers
from egress_controller.cache.listers import Listers
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.ipam import lease_metrics
from egress_controller.ipam.brake import Brake
from egress_controller.ipam.claims import Claims
from egress_controller.ipam.conflicts import Conflicts
from egress_controller.ipam.releases import Releases
from egress_controller.ipam.suspects import Suspects
from egress_controller.node_reachability import NodeReachability
from egress_controller.reconcilers.accounts import Accounts
from egress_controller.reconcilers.address import AddressReconciler
from egress_controller.reconcilers.cloud import CloudReconciler
from egress_controller.reconcilers.lease import UNFINISHED_GRACES, LeaseReconciler
from egress_controller.reconcilers.network import NetworkReconciler
from egress_controller.reconcilers.service import ServiceReconciler
from egress_controller.runtime import logs
from egress_controller.runtime.event_recorder import WARNING, EventRecorder
from egress_controller.runtime.health import HealthServer
from egress_controller.runtime.keys import Key
from egress_controller.runtime.leader_election import LeaderElector
from egress_controller.runtime.logs import line
from egress_controller.runtime.metrics import Metrics
from egress_controller.runtime.outages import Outages
from egress_controller.runtime.work_queue import WorkQueue
from egress_controller.runtime.workers import Reconcilers, Workers
from egress_controller.settings import Settings, read_settings

LAST_PASS_SECONDS = 1.0
"""How long the passes that are under way at SIGTERM may take; all in all the process ends within 2 s."""
SYNC_CHECK_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Controller:
    """One process: caches and queue from the start, passes once it leads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ended = threading.Event()
        self._exit_code = 0
        connection = Connection(kubeconfig=settings.kubeconfig)
        self._cluster = KubeClient(connection)
        self._outages = Outages()
        self._metrics = Metrics()
        self._queue: WorkQueue[Key] = WorkQueue()
        waiting = WaitingServices()
        triggers = EventHandlers(self._queue, waiting)
        self._caches = Caches(self._cluster, self._outages, triggers)
        triggers.attach(self._caches)
        self._events = EventRecorder(self._cluster, settings.identity)
        passes = self._passes(waiting)
        self._workers = Workers(self._queue, passes, self._outages, self._metrics, self._complain)
        self._reachability = NodeReachability(self._cluster, self._caches)
        self._election = LeaderElector(connection, settings, self._lead, self._lost)

    def run(self) -> int:
        """Until SIGTERM, SIGINT or the loss of leadership; gives the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._ended.set())
        self._publish()
        _log.info(line("starting", identity=self._settings.identity, api=self._cluster.host))
        self._caches.start()
        self._election.start()
        self._reachability.start()
        self._ended.wait()
        finished = self._workers.finish(LAST_PASS_SECONDS)
        if finished:  # Whoever leads next must not meet a pass of ours.
            self._election.resign()
        _log.info(line("ended", code=self._exit_code, finished=finished))
        return self._exit_code

    def _passes(self, waiting: WaitingServices) -> Reconcilers:
        cluster, caches, queue, events = self._cluster, self._caches, self._queue, self._events
        inventory = Listers.of(caches)
        claims, accounts = Claims(cluster, caches), Accounts(cluster, caches)
        brake = Brake(self._settings.release_grace)
        releases = Releases(caches, inventory.networks, claims, brake, events, queue)
        conflicts = Conflicts(cluster, caches, releases, events, queue, waiting)
        service = ServiceReconciler(
            cluster, caches, inventory, claims, releases, accounts, events, conflicts, queue, waiting
        )
        cloud = CloudReconciler(cluster, caches, inventory.clouds, accounts, events)
        network = NetworkReconciler(cluster, caches, inventory.networks, releases, events)
        grace = self._settings.orphan_grace
        unfinished = Suspects(grace * UNFINISHED_GRACES)
        lease = LeaseReconciler(cluster, caches, inventory.networks, claims, events, queue, Suspects(grace), unfinished)
        address = AddressReconciler(cluster, caches, inventory.networks, events, queue, Suspects(grace))
        return {
            "service": lambda key: service.run(key.namespace, key.name),
            "cloud": lambda key: cloud.run(key.name),
            "network": lambda key: network.run(key.name),
            "lease": lambda key: lease.run(key.name),
            "address": lambda key: address.run(key.name),
        }

    def _publish(self) -> None:
        metrics = self._metrics
        metrics.watch("queue_depth", "Keys that could be worked on now.", lambda: self._queue.depth)
        metrics.watch("leader", "Whether this replica leads.", lambda: self._election.leading)
        metrics.watch(
            "api_requests", "Requests to the API server, the election's aside.", lambda: self._cluster.requests
        )
        metrics.watch("api_writes", "Writes to the API server, the election's aside.", lambda: self._cluster.writes)
        lease_metrics.register(metrics, self._caches.leases.all, self._caches.addresses.all)
        HealthServer(
            self._settings.health_address,
            self._settings.health_port,
            healthy=lambda: self._workers.alive,
            ready=lambda: self._caches.synced,
            metrics=metrics.text,
        ).start()

    def _lead(self) -> None:
        while not self._caches.synced:
            if self._ended.wait(SYNC_CHECK_SECONDS):
                return
        _log.info(line("working", workers=self._settings.workers, keys=self._queue.depth))
        self._workers.start(self._settings.workers)

    def _lost(self) -> None:
        """Another may lead now. A fresh process is the simplest state to go on from."""
        if not self._ended.is_set():
            _log.error(line("leadership-lost", identity=self._settings.identity))
            self._exit_code = 1
            self._ended.set()

    def _complain(self, key: Key, words: str) -> None:
        service = self._caches.services.get(key.name, key.namespace) if key.kind == "service" else None
        if service:
            self._events.emit(service, WARNING, "ReconcileError", words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 after SIGTERM, 1 after the loss of leadership, 2 when there is no way to start."""
    settings = read_settings(arguments)
    logs.configure(settings.log_level)
    try:
        return Controller(settings).run()
    except (EgressError, OSError) as error:
        _log.error(line("cannot-start", error=error))
        return 2
