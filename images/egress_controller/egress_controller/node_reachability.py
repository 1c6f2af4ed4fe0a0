# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Reachability of nodes: egress pods on a silent node are taken out of service, long before the cluster would do it.

Kubernetes waits most of a minute before it believes that a node is lost, and as long it sends every second
connection of a service under ``ha`` into the void. Here each node that carries such a pod is called twice a second
at its kubelet's port. One that doesn't answer is called again at once; after three calls without an answer its pods
lose their Ready condition, and with it their place among the Service's endpoints, provided that another pod of the
service stands on a node that does answer. It is what the cluster's node controller does, sooner. A node that comes back
sets its pods Ready by itself: kubelet corrects a pod status that is not its own. So a false alarm costs little: for a
moment the other pod has all new connections.

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
from typing import Callable, Collection, Iterable

from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict, EgressError, NotFound
from ansible_collections.avi.egress.plugins.module_utils.api.resources import POD, STATEFUL_SET, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.workload.placement import NAME_LABEL
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import is_ready, made_by

from egress_controller.cache.caches import Caches
from egress_controller.runtime.logs import line

ROUND_SECONDS = 0.5
ANSWER_SECONDS = 0.25
"""A kernel answers within a millisecond, and a call that is lost is not repeated within the second."""
CALLS = 3
KUBELET_PORT = 10250
REASON = "NodeSilent"

_log = logging.getLogger(__name__)


class NodeReachability:
    """The rounds, in a thread of their own."""

    def __init__(
        self, client: KubeClient, caches: Caches, call: Callable[[Collection[str]], set[str]] | None = None
    ) -> None:
        """``call``: which of some nodes' addresses answer; by default their kubelets are called."""
        self._client = client
        self._caches = caches
        self._call = call or answering

    def start(self) -> None:
        threading.Thread(target=self._run, name="reachability", daemon=True).start()

    def _run(self) -> None:
        while True:
            begin = time.monotonic()
            try:
                self.look()
            except EgressError as error:
                _log.warning(line("reachability", trouble=error))
            time.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - begin)))

    def look(self) -> None:
        """One round; raises ``EgressError`` where the API server doesn't answer."""
        services = by_service(self._caches.pods_of_stateful_sets())
        called = {str(pod["status"]["hostIP"]) for pods in services for pod in pods}
        answered = self._call(called)
        for _again in range(CALLS - 2):
            answered |= self._call(called - answered)
        suspects = [pod for pods in services for pod in lost(pods, called - answered, answered)]
        for pod in self._still_silent(suspects):
            self._take_out(pod)

    def _still_silent(self, suspects: Iterable[KubeObject]) -> list[KubeObject]:
        """Those that are still ready on nodes that don't answer the last call, made after the API server has answered.

        A replica that was cut off itself has missed nodes that were well. It cannot do harm while it is cut off, nor by
        this order at the moment that it comes back.
        """
        found = (self._client.get(POD, pod["metadata"]["name"], pod["metadata"]["namespace"]) for pod in suspects)
        live = [pod for pod in found if pod is not None and is_ready(pod)]
        answered = self._call({str(pod["status"]["hostIP"]) for pod in live})
        return [pod for pod in live if pod["status"]["hostIP"] not in answered]

    def _take_out(self, pod: KubeObject) -> None:
        metadata = pod["metadata"]
        patch = not_ready_patch(pod, timestamp(utc_now()))
        try:
            self._client.patch(POD, metadata["name"], patch, metadata["namespace"], subresource="status")
        except (Conflict, NotFound):
            # Most likely another replica was first. If not, the next round sees it.
            return
        name = f"{metadata['namespace']}/{metadata['name']}"
        _log.warning(line("pod-taken-out", pod=name, node=pod["spec"]["nodeName"], calls=CALLS))


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
    """Those of some addresses that answer within the time, all called at once; a refusal is an answer too.

    What came in time counts, however late this thread has a processor to see it.
    """
    found: set[str] = set()
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for node in nodes:
            _call(selector, node, port)
        while selector.get_map() and (events := selector.select(max(0.0, deadline - time.monotonic()))):
            for key, _mask in events:
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
