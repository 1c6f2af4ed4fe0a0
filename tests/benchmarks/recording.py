# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What one account asks of an API server, by the server's own audit log: counted, and its writes kept whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject

WRITES = ("create", "update", "patch", "delete")
ELECTION = "coordination.k8s.io"
"""A leader renews its Lease all the time."""
NEVER_ROTATED = 10**6
"""Megabytes: by default the API server goes on in another file after 100."""


class Recording:
    """The log of one API server."""

    def __init__(self, folder: Path, user: str) -> None:
        self.log, self._policy = folder / "audit.log", folder / "audit.yaml"
        users = {"users": [user]}
        leases = [{"group": "egress.avi.dev", "resources": ["egressleases"]}]
        rules = [
            {"level": "None", **users, "resources": [{"group": ELECTION}]},
            # Of a lease that is made the UID is needed, which other writes carry.
            {"level": "RequestResponse", **users, "verbs": ["create"], "resources": leases},
            {"level": "Request", **users, "verbs": list(WRITES)},
            {"level": "Metadata", **users},
            {"level": "None"},
        ]
        stages = ["RequestReceived", "ResponseStarted"]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": stages, "rules": rules}
        self._policy.write_text(yaml.safe_dump({**policy, "omitManagedFields": True}))

    @property
    def flags(self) -> tuple[str, ...]:
        """Of the API server."""
        return (
            f"--audit-policy-file={self._policy}",
            f"--audit-log-path={self.log}",
            "--audit-log-mode=blocking",
            f"--audit-log-maxsize={NEVER_ROTATED}",
        )

    def asked(self, since: datetime, until: datetime | None = None) -> list[Request]:
        """In a stretch of time, but for watches: the server ends each after some minutes, and it is opened again."""
        found = (request for request in requests(self.log) if request.verb != "watch")
        return [request for request in found if since <= request.at and (until is None or request.at < until)]


@dataclass(frozen=True)
class Request:
    """One that has been answered."""

    at: datetime
    verb: str
    uri: str
    code: int
    about: dict[str, str]
    """The object: resource, namespace, name, subresource, as far as they are told."""
    body: Any
    made: KubeObject | None
    """The stored object, where that is kept."""

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES

    @property
    def kind(self) -> str:
        """What it was, such as ``patch services/status``."""
        return "/".join([f"{self.verb} {self.about.get('resource')}", *filter(None, [self.about.get("subresource")])])


def requests(log: Path) -> Iterator[Request]:
    with log.open() as lines:
        for line in lines:
            event = json.loads(line)
            yield Request(
                datetime.fromisoformat(event["requestReceivedTimestamp"]),
                event["verb"],
                event["requestURI"],
                event["responseStatus"]["code"],
                event.get("objectRef") or {},
                event.get("requestObject"),
                event.get("responseObject"),
            )
