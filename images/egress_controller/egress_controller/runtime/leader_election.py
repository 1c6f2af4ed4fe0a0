# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leader election on a Lease: the official client's, with what it lacks around it.

The official one waits for an answer without end and lets a lost connection end its thread; here each request has a time
limit and every failure is one that it knows how to handle, and that is told: the official one logs none. A leader that
ends on purpose gives the Lease up.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from http.client import CONFLICT, INTERNAL_SERVER_ERROR, NOT_FOUND, TOO_MANY_REQUESTS
from typing import Any, Callable

from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict, EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import LEADER_LEASE
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection, ConnectionFailed
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient, refusal
from kubernetes.client import CoordinationV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from urllib3.exceptions import HTTPError

from egress_controller.runtime.logs import line
from egress_controller.runtime.outages import Outages

REQUEST_SECONDS = 4
"""Renew deadline + this stays below the lease's duration: a hanging request can't make two leaders."""

_USUAL = {"get": (NOT_FOUND,), "create": (CONFLICT,), "update": (CONFLICT, NOT_FOUND)}
"""The failures that belong to an election: there is no Lease (yet, or any more), or another was faster."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ElectionConfig:
    """The Lease, and client-go's times of it in seconds."""

    namespace: str
    lease_name: str
    identity: str
    lease_duration: int
    renew_deadline: int
    retry_period: int


class LeaderElector:
    """Runs for leader in a thread of its own."""

    def __init__(
        self,
        connection: Connection,
        config: ElectionConfig,
        outages: Outages,
        on_started: Callable[[], None],
        on_stopped: Callable[[], None],
    ) -> None:
        self._config = config
        self._started = on_started
        self._stopped = on_stopped
        self._leading = threading.Event()
        self._api = _Leases(CoordinationV1Api(connection.api_client()), outages)
        self._client = KubeClient(connection)

    @property
    def leading(self) -> bool:
        return self._leading.is_set()

    @property
    def refused(self) -> bool:
        """Whether the API server lets this replica neither lead nor follow: no right to the Lease, or no namespace."""
        return self._api.refused

    def start(self) -> None:
        threading.Thread(target=self._run, name="election", daemon=True).start()

    def resign(self) -> None:
        """Renew no more and, as the leader, clear the Lease's holder, so that another leads within its retry period."""
        self._api.close()
        if not self.leading:
            return
        try:
            for _attempt in range(2):
                try:
                    self._clear()
                    return
                except Conflict:
                    continue  # Our own last renewal arrived after the read.
        except EgressError as error:
            _log.warning(line("not-resigned", error=error))

    def _clear(self) -> None:
        lease = self._client.get(LEADER_LEASE, self._config.lease_name, self._config.namespace)
        if lease and lease["spec"].get("holderIdentity") == self._config.identity:
            spec = {key: value for key, value in lease["spec"].items() if key != "holderIdentity"}
            self._client.replace(LEADER_LEASE, {**lease, "spec": spec})

    def _run(self) -> None:
        config = self._config
        lock = LeaseLock(config.lease_name, config.namespace, config.identity)
        lock.api_instance = self._api
        try:
            LeaderElection(
                Config(
                    lock,
                    lease_duration=config.lease_duration,
                    renew_deadline=config.renew_deadline,
                    retry_period=config.retry_period,
                    onstarted_leading=self._on_started,
                    onstopped_leading=self._on_stopped,
                )
            ).run()
        except Exception:
            _log.exception(line("election-failed"))
            self._on_stopped()

    def _on_started(self) -> None:
        self._leading.set()
        _log.info(line("leading", identity=self._config.identity))
        self._started()

    def _on_stopped(self) -> None:
        self._leading.clear()
        self._stopped()


class _Leases:
    """The three requests of a LeaseLock, each with a time limit; a lost connection fails as any refusal does.

    Its failures are reported, but for those that belong to an election.
    """

    def __init__(self, api: Any, outages: Outages) -> None:
        self._api = api
        self._outages = outages
        self._closed = threading.Event()
        self._refused = ""
        """The verb of which the API server has said that this replica may not do it; empty if there is none."""

    @property
    def refused(self) -> bool:
        return bool(self._refused)

    def close(self) -> None:
        """From now on every request fails."""
        self._closed.set()

    def read_namespaced_lease(self, name: str, namespace: str) -> Any:
        return self._request("get", self._api.read_namespaced_lease, name=name, namespace=namespace)

    def create_namespaced_lease(self, namespace: str, body: Any) -> Any:
        return self._request("create", self._api.create_namespaced_lease, namespace=namespace, body=body)

    def replace_namespaced_lease(self, name: str, namespace: str, body: Any) -> Any:
        return self._request("update", self._api.replace_namespaced_lease, name=name, namespace=namespace, body=body)

    def _request(self, verb: str, send: Callable[..., Any], **arguments: Any) -> Any:
        if self._closed.is_set():
            raise ApiException(status=0, reason="the election is over")
        try:
            answer = send(**arguments, _request_timeout=REQUEST_SECONDS)
        except (HTTPError, OSError) as error:
            self._outages.report(ConnectionFailed(f"the election cannot reach the API server: {error}"))
            raise ApiException(status=0, reason=str(error)) from error
        except ApiException as error:
            if error.status not in _USUAL[verb]:
                self._outages.report(refusal(error.status, error.body or "", verb, LEADER_LEASE), LEADER_LEASE)
                # A server in trouble says nothing of this replica, and a follower would never hear that it is over.
                if error.status != TOO_MANY_REQUESTS and error.status < INTERNAL_SERVER_ERROR:
                    self._refused = verb
            raise
        # To read a Lease that is there says nothing of whether it may be renewed.
        if verb != "get" or self._refused != "update":
            self._refused = ""
            self._outages.over(LEADER_LEASE)
        return answer
