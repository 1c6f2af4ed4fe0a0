# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Reachability of nodes: egress pods on a silent node are taken out of service, long before the cluster would do it.

Kubernetes waits most of a minute before it believes that a node is lost, and as long it sends every second
connection of a service under ``ha`` into the void. Here each node that carries such a pod is called once a second
at its kubelet's port; after three calls without an answer its pods lose their Ready condition, and with it their
place among the Service's endpoints, provided that another pod of the service stands on a node that does answer. It is
what the cluster's node controller does, sooner. A node that comes back sets its pods Ready by itself: kubelet
corrects a pod status that is not its own.

No watch shows silence, so this one thing is polled, and only while there are services under ``ha``. Every
replica does it, leader or not, for the leader may be on the node that is lost.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from typing import Collection, Iterable

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import POD, STATEFUL_SET, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import is_ready, made_by

from egress_controller.cache.caches import NAME_LABEL, Caches
from egress_controller.runtime.logs import line

ROUND_SECONDS = 1.0
ANSWER_SECONDS = 0.9
MISSES = 3
KUBELET_PORT = 10250
REASON = "NodeSilent"

_log = logging.getLogger(__name__)


class NodeReachability:
    """The rounds, in a thread of their own."""

    def __init__(self, client: KubeClient, caches: Caches) -> None:
        self._client = client
        self._caches = caches
        self._missed: dict[str, int] = {}
        """Calls in a row without an answer, by node address."""

    def start(self) -> None:
        threading.Thread(target=self._run, name="reachability", daemon=True).start()

    def _run(self) -> None:
        while True:
            begin = time.monotonic()
            try:
                self._round()
            except EgressError as error:
                _log.warning(line("reachability", trouble=error))
            time.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - begin)))

    def _round(self) -> None:
        services = by_service(self._caches.all_pods())
        called = {str(pod["status"]["hostIP"]) for pods in services for pod in pods}
        answered = answering(called)
        self._missed = {node: self._missed.get(node, 0) + 1 for node in called - answered}
        silent = {node for node, misses in self._missed.items() if misses >= MISSES}
        for pods in services:
            for pod in lost(pods, silent, answered):
                if self._is_still_silent(pod):
                    self._take_out(pod)

    def _is_still_silent(self, pod: KubeObject) -> bool:
        """Called once more after the API server has answered us.

        A replica that was cut off itself has counted misses of nodes that were well. It cannot do harm while it is cut
        off, nor by this order at the moment that it comes back.
        """
        metadata = pod["metadata"]
        live = self._client.get(POD, metadata["name"], metadata["namespace"])
        return live is not None and is_ready(live) and not answering({pod["status"]["hostIP"]})

    def _take_out(self, pod: KubeObject) -> None:
        metadata = pod["metadata"]
        patch = not_ready_patch(pod, timestamp(utc_now()))
        self._client.patch(POD, metadata["name"], patch, metadata["namespace"], subresource="status")
        name = f"{metadata['namespace']}/{metadata['name']}"
        _log.warning(line("pod-taken-out", pod=name, node=pod["spec"]["nodeName"], misses=MISSES))


def by_service(pods: Iterable[KubeObject]) -> list[list[KubeObject]]:
    """The ready pods of each service that has several: those of a StatefulSet, grouped by the service's label."""
    groups: dict[tuple[str, str], list[KubeObject]] = {}
    for pod in pods:
        if made_by(pod) == STATEFUL_SET.kind and is_ready(pod) and pod["status"].get("hostIP"):
            metadata = pod["metadata"]
            groups.setdefault((metadata["namespace"], metadata["labels"].get(NAME_LABEL, "")), []).append(pod)
    return [group for group in groups.values() if len(group) > 1]


def lost(pods: Iterable[KubeObject], silent: Collection[str], answered: Collection[str]) -> list[KubeObject]:
    """One service's pods on silent nodes; none if no other pod of it stands on a node that answers.

    Where all are silent it may well be the caller who is cut off.
    """
    pods = list(pods)
    if not any(pod["status"]["hostIP"] in answered for pod in pods):
        return []
    return [pod for pod in pods if pod["status"]["hostIP"] in silent]


def not_ready_patch(pod: KubeObject, now: str) -> KubeObject:
    """The merge patch of the pod's status that takes its readiness away, for exactly the version that was seen."""
    unready = {"status": "False", "reason": REASON, "message": "the node does not answer", "lastTransitionTime": now}
    conditions = [
        {**item, **unready} if item["type"] in ("Ready", "ContainersReady") else item
        for item in pod["status"]["conditions"]
    ]
    return {
        "metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]},
        "status": {"conditions": conditions},
    }


def answering(nodes: Collection[str], port: int = KUBELET_PORT, seconds: float = ANSWER_SECONDS) -> set[str]:
    """Those of some addresses that answer within the time, all called at once; a refusal is an answer too."""
    found: set[str] = set()
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for node in nodes:
            _call(selector, node, port)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _events in selector.select(left):
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNREFUSED):  # type: ignore[union-attr]
                    found.add(key.data)
                _hang_up(selector, key)
        for key in list(selector.get_map().values()):
            _hang_up(selector, key)
    return found


def _call(selector: selectors.BaseSelector, node: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in node else socket.AF_INET
    call = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    call.connect_ex((node, port))
    selector.register(call, selectors.EVENT_WRITE, node)


def _hang_up(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    selector.unregister(key.fileobj)
    key.fileobj.close()  # type: ignore[union-attr]
