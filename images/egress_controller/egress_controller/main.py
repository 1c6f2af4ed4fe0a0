# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's process: puts the parts together, runs them, and ends them."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from typing import Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import API_GROUP, SERVICE_CIDR
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from egress_controller.cache import status_metrics
from egress_controller.cache.caches import Caches
from egress_controller.cache.context import Context
from egress_controller.cache.event_handlers import EventHandlers
from egress_controller.cache.listers import Listers
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.cache.shares import share_of
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
from egress_controller.runtime.decoder import FastDecoder
from egress_controller.runtime.event_recorder import WARNING, EventRecorder
from egress_controller.runtime.health import HealthServer
from egress_controller.runtime.keys import Key
from egress_controller.runtime.leader_election import LeaderElector
from egress_controller.runtime.line_watches import LineWatches
from egress_controller.runtime.logs import line
from egress_controller.runtime.metrics import Metrics
from egress_controller.runtime.outages import Outages
from egress_controller.runtime.work_queue import WorkQueue
from egress_controller.runtime.workers import Reconcilers, Workers
from egress_controller.settings import Settings, read_settings

FINISH_SECONDS = 1.0
"""How long the reconciliations that are under way at SIGTERM may take; all in all the process ends within 2 s."""
SYNC_CHECK_SECONDS = 0.05
NEW_OBJECTS = 500_000
"""How many there are before the interpreter looks for cycles among them: more than a start with 10,000 Services makes.
50,000 took a third of the processor time of the lists of 10,000 Services; those and a look at each left some
two hundred objects in cycles."""
COMPONENT = "avi-egress-controller"
METRICS_PREFIX = "avi_egress_controller"

_log = logging.getLogger(__name__)


class Controller:
    """One process: caches and queue from the start, workers once it leads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ended = threading.Event()
        self._exit_code = 0
        self._has_service_cidrs: bool | None = None
        connection = Connection(kubeconfig=settings.kubeconfig)
        self._client = KubeClient(connection, decoder=FastDecoder())
        outages = Outages(advice={API_GROUP: "its definitions are missing; run avi.egress.site"})
        self._metrics = Metrics(METRICS_PREFIX)
        self._queue: WorkQueue[Key] = WorkQueue(share_of=share_of)
        waiting, refused = WaitingServices(), RefusedServices()
        self._handlers = EventHandlers(self._queue, waiting, refused, settings.namespace)
        self._caches = Caches(self._client, outages, self._handlers)
        self._handlers.attach(self._caches)
        self._events = EventRecorder(self._client, COMPONENT, settings.identity)
        self._watches: LineWatches[Key] = LineWatches(self._queue.add)
        listers = Listers.of(self._caches)
        context = Context(
            client=self._client,
            caches=self._caches,
            listers=listers,
            queue=self._queue,
            events=self._events,
            watches=self._watches,
            namespace=settings.namespace,
            refused=refused,
        )
        reconcilers = reconcilers_of(context, settings, waiting)
        self._workers = Workers(self._queue, reconcilers, outages, self._metrics, self._emit_error)
        self._reachability = NodeReachability(self._client, self._caches)
        self._elector = LeaderElector(connection, settings.election, outages, self._lead, self._lost)

    def run(self) -> int:
        """Until SIGTERM, SIGINT or the loss of leadership; gives the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._ended.set())
        self._publish()
        _log.info(line("starting", identity=self._settings.identity, api=self._client.host))
        self._caches.start()
        self._elector.start()
        self._reachability.start()
        self._ended.wait()
        finished = self._workers.finish(FINISH_SECONDS)
        if finished:  # The next leader must not meet a reconciliation of this one.
            self._elector.resign()
        _log.info(line("ended", code=self._exit_code, finished=finished))
        return self._exit_code

    def _publish(self) -> None:
        metrics = self._metrics
        metrics.gauge("queue_depth", "Keys that wait to be worked on.", lambda: self._queue.depth)
        metrics.gauge("leader", "Whether this replica leads.", lambda: self._elector.leading)
        metrics.gauge(
            "api_requests", "Requests to the API server, the election's aside.", lambda: self._client.requests
        )
        metrics.gauge("api_writes", "Writes to the API server, the election's aside.", lambda: self._client.writes)
        lease_metrics.register(metrics, self._caches.leases.all, self._caches.addresses.all)
        status_metrics.register(metrics, self._caches.networks.all, self._caches.marked_services)
        HealthServer(
            self._settings.health_address,
            self._settings.health_port,
            healthy=lambda: self._workers.alive,
            ready=lambda: self._caches.synced and not self._elector.refused,
            metrics=metrics.text,
        ).start()

    def _lead(self) -> None:
        while not (self._caches.synced and self._follows_service_cidrs()):
            if self._ended.wait(SYNC_CHECK_SECONDS):
                return
        _log.info(line("working", workers=self._settings.workers, keys=self._queue.depth))
        self._handlers.begin()
        self._watches.start()
        self._workers.start(self._settings.workers)

    def _follows_service_cidrs(self) -> bool:
        """Whether they have been listed, where the platform has them (Kubernetes 1.33); it is asked once."""
        if self._has_service_cidrs is None:
            try:
                self._has_service_cidrs = self._client.serves(SERVICE_CIDR)
            except EgressError as error:
                _log.warning(line("service-cidrs", trouble=error))
                return False
            if self._has_service_cidrs:
                self._caches.watch_service_cidrs()
        return self._caches.synced

    def _lost(self) -> None:
        """Another may lead now. A fresh process is the simplest state to go on from."""
        if not self._ended.is_set():
            _log.error(line("leadership-lost", identity=self._settings.identity))
            self._exit_code = 1
            self._ended.set()

    def _emit_error(self, key: Key, message: str) -> None:
        service = self._caches.services.get(key.name, key.namespace) if key.kind == "service" else None
        if service:
            self._events.emit(service, WARNING, "ReconcileError", message)


def reconcilers_of(context: Context, settings: Settings, waiting: WaitingServices) -> Reconcilers:
    """The reconcilers, by the kind of key that each is for."""
    claims, accounts = Claims(context.client, context.caches), Accounts(context.client, context.caches)
    releases = Releases(context, claims, Brake(settings.release_grace))
    conflicts = Conflicts(context, releases, waiting)
    grace = settings.orphan_grace
    return {
        "service": ServiceReconciler(context, claims, releases, accounts, conflicts, waiting),
        "cloud": CloudReconciler(context, accounts),
        "network": NetworkReconciler(context, releases),
        "lease": LeaseReconciler(context, claims, Suspects(grace), Suspects(grace * UNFINISHED_GRACES)),
        "address": AddressReconciler(context, Suspects(grace)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 after SIGTERM, 1 after the loss of leadership, 2 when there is no way to start."""
    settings = read_settings(arguments)
    logs.configure(settings.log_level)
    gc.set_threshold(NEW_OBJECTS)
    try:
        return Controller(settings).run()
    except (EgressError, OSError) as error:
        _log.error(line("cannot-start", error=error))
        return 2
