# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Gives every namespace UIDs and an SELinux level of its own, without which SCC admission admits no pod there.

Run as `python -S -m tests.cluster.allocator ADDRESS PORT AUTHORITY CERTIFICATE KEY`. On OpenShift its
cluster-policy-controller does that, which can't be had as a Go module: this plays it.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

UID_RANGE = "openshift.io/sa.scc.uid-range"
GROUPS = "openshift.io/sa.scc.supplemental-groups"
LEVEL = "openshift.io/sa.scc.mcs"
_FIRST_UID, _UIDS = 1_000_000_000, 10_000
_PATH = "/api/v1/namespaces"
_WATCH_SECONDS = 300
_READ_SECONDS = 330
_PAUSE_SECONDS = 0.5


class Blocks:
    """Which block of UIDs each namespace has, by its number; once given, it is never another's."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def has(self, namespace: dict[str, Any]) -> bool:
        """Whether a namespace says which block it has, which is then known."""
        metadata = namespace["metadata"]
        held = (metadata.get("annotations") or {}).get(UID_RANGE)
        if held is None:
            return False
        self._numbers[metadata["uid"]] = (int(held.partition("/")[0]) - _FIRST_UID) // _UIDS
        return True

    def give(self, namespace: dict[str, Any]) -> dict[str, str]:
        """The annotations of a namespace's block: the one that it had before, or one that nobody had.

        An event may tell of a state before the annotations were written: no pod may see its UIDs change then.
        """
        number = self._numbers.setdefault(namespace["metadata"]["uid"], max(self._numbers.values(), default=-1) + 1)
        uids = f"{_FIRST_UID + number * _UIDS}/{_UIDS}"
        return {UID_RANGE: uids, GROUPS: uids, LEVEL: f"s0:c{number + 1},c0"}


@dataclass(frozen=True)
class Server:
    """The API server as the allocator asks it."""

    address: str
    port: int
    tls: ssl.SSLContext

    def namespaces(self) -> tuple[list[dict[str, Any]], str]:
        """All of them, and the version of the cluster from which on a watch tells more."""
        found = json.loads(self._ask("GET", _PATH))
        return found["items"], found["metadata"]["resourceVersion"]

    def changed(self, version: str) -> Iterator[dict[str, Any]]:
        """Each namespace that is made or changed, until the API server ends the watch."""
        connection = self._connection()
        query = f"watch=true&resourceVersion={version}&timeoutSeconds={_WATCH_SECONDS}"
        try:
            connection.request("GET", f"{_PATH}?{query}")
            for line in _accepted(connection.getresponse()):
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]
        finally:
            connection.close()

    def annotate(self, namespace: dict[str, Any], annotations: dict[str, str]) -> None:
        metadata = namespace["metadata"]
        # With its UID: a namespace of the same name that has come since has not been looked at.
        patch = {"metadata": {"uid": metadata["uid"], "annotations": annotations}}
        self._ask("PATCH", f"{_PATH}/{metadata['name']}", patch)

    def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        connection = self._connection()
        try:
            kind = {"Content-Type": "application/merge-patch+json"}
            connection.request(method, path, None if body is None else json.dumps(body), kind)
            response = connection.getresponse()
            # One that is gone meanwhile needs nothing.
            gone = response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
            return response.read() if gone else _accepted(response).read()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.address, self.port, timeout=_READ_SECONDS, context=self.tls)


def _accepted(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if response.status != HTTPStatus.OK:
        raise ConnectionError(f"the API server answers {response.status}")
    return response


def follow(server: Server) -> None:
    """All namespaces that are there, then each that comes; returns when the API server ends the watch."""
    blocks = Blocks()
    there, version = server.namespaces()
    without = [namespace for namespace in there if not blocks.has(namespace)]
    for namespace in without:
        server.annotate(namespace, blocks.give(namespace))
    for namespace in server.changed(version):
        if not blocks.has(namespace):
            server.annotate(namespace, blocks.give(namespace))


def main(address: str, port: str, authority: str, certificate: str, key: str) -> None:
    tls = ssl.create_default_context(cafile=authority)
    tls.load_cert_chain(certificate, key)
    server = Server(address, int(port), tls)
    while True:
        try:
            follow(server)
        except (OSError, http.client.HTTPException, ValueError) as failure:
            print(f"the watch broke off: {failure}", file=sys.stderr, flush=True)
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
