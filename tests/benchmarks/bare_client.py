# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A client that makes the writes of a recording again, on a fresh API server, and asks nothing.

It has as many connections as the controller has workers. The writes of one service are made one after the other, in
their order; what the server gives out anew, UIDs and versions, is put in the place of what it gave out then.
"""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import SERVICE, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import MERGE_PATCH, KubeClient

from tests.benchmarks.recording import Request, requests

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
_SUFFIX = "-avi-egress-pod"
_OTHERS = ("", "")
"""Where writes go that are about no one service, such as accounts and the figures of a network."""


@dataclass(frozen=True)
class Replayed:
    """What it came to."""

    writes: int
    refused: list[str]
    """The server's words about those that it did not take."""
    seconds: float


@dataclass(frozen=True)
class _Part:
    log: Path
    until: datetime


class BareClient:
    """In a process of its own, with everything read and ready before it starts."""

    def __init__(self, kubeconfig: Path, log: Path, until: datetime, connections: int) -> None:
        """Makes the writes of a log up to a moment."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, daemon=True, args=(theirs, str(kubeconfig), _Part(log, until), connections)
        )
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def start(self) -> None:
        self._pipe.send(None)

    def result(self) -> Replayed:
        """Once its last write is answered."""
        found: Replayed = self._pipe.recv()
        self._process.join()
        return found


def _work(pipe: Pipe, kubeconfig: str, part: _Part, connections: int) -> None:
    urllib3.disable_warnings()
    client = KubeClient(Connection(kubeconfig=kubeconfig))
    services = (service["metadata"] for service in client.list(SERVICE))
    known = {SERVICE.path(metadata["namespace"], metadata["name"]): metadata for metadata in services}
    replay = _Replay(client, _by_service(part), known)
    pipe.send(None)
    pipe.recv()
    began = time.monotonic()
    threads = [threading.Thread(target=replay.run) for _connection in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(Replayed(replay.made, replay.refused, time.monotonic() - began))


class _Replay:
    """Hands out services to threads, and makes their writes."""

    def __init__(self, client: KubeClient, tasks: Sequence[Sequence[Request]], known: dict[str, KubeObject]) -> None:
        """``known``: the metadata of the Services that are there, by path."""
        self._client = client
        self._tasks = iter(tasks)
        self._known = known
        self._lock = threading.Lock()
        self.made = 0
        self.refused: list[str] = []

    def run(self) -> None:
        while True:
            with self._lock:
                task = next(self._tasks, None)
            if task is None:
                return
            refused = self._make(task)
            with self._lock:
                self.made += len(task) - len(refused)
                self.refused += refused

    def _make(self, task: Sequence[Request]) -> list[str]:
        """The writes of one service; gives the server's words about those that it refused."""
        uids: dict[str, str] = {}
        refused = []
        for write in task:
            path, body = urlsplit(write.uri).path, write.body
            thing = path.removesuffix("/status")
            for owner in (body or {}).get("metadata", {}).get("ownerReferences") or ():
                if owner["kind"] == SERVICE.kind:
                    service = SERVICE.path(write.about["namespace"], owner["name"])
                    uids[owner["uid"]] = self._known[service]["uid"]
            if "resourceVersion" in (body or {}).get("metadata", {}):
                body["metadata"]["resourceVersion"] = self._known[thing]["resourceVersion"]
            text = json.dumps(body)
            for then, now in uids.items():
                text = text.replace(then, now)
            try:
                stored = self._send(write.verb, path, json.loads(text))
            except ApiError as error:
                refused.append(f"{write.kind}: {error}")
                continue
            name = stored.get("metadata", {}).get("name")
            self._known[f"{path}/{name}" if write.verb == "create" else thing] = stored.get("metadata", {})
            if write.made:
                uids[write.made["metadata"]["uid"]] = stored["metadata"]["uid"]
        return refused

    def _send(self, verb: str, path: str, body: Any) -> KubeObject:
        content_type = MERGE_PATCH if verb == "patch" else None
        return self._client._request(_METHODS[verb], path, SERVICE, None, body, content_type)


def _by_service(part: _Part) -> list[list[Request]]:
    """The successful writes, in the order in which the services were first met; those about none go first."""
    found: dict[tuple[str, str], list[Request]] = {_OTHERS: []}
    for request in requests(part.log):
        if request.is_write and request.code < 300 and request.at < part.until:
            found.setdefault(_service_of(request), []).append(request)
    return list(found.values())


def _service_of(request: Request) -> tuple[str, str]:
    """Namespace and name of the Service that a write was for."""
    about, body = request.about, request.body or {}
    resource, namespace, name = (about.get(key, "") for key in ("resource", "namespace", "name"))
    if resource in ("egressleases", "egressaddresses"):
        lease = body.get("spec", {}).get("lease") or body.get("metadata", {}).get("name") or name
        _network, namespace, name, _slot = str(lease).split(".")
        return namespace, name
    if resource == "events":
        subject = body.get("involvedObject") or {}
        return (subject["namespace"], subject["name"]) if subject.get("kind") == SERVICE.kind else _OTHERS
    if resource in ("services", "replicationcontrollers", "networkpolicies"):
        name = name or body["metadata"]["name"]
        return namespace, name.removesuffix(_SUFFIX)
    return _OTHERS
