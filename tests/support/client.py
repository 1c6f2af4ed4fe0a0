# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A project's client: a pod that calls the remote application and tells which address was seen there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .kubectl import Kubectl
from .outside import DemoError
from .resident import Ended, Resident

POD = "client"
CONNECT_TIMEOUT_SECONDS = 3
KEPT_RESIDENTS = 16
"""Pods in which a program stays; who needs more has those ended that weren't asked for longest."""

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""A container's security context as the strictest Pod Security level wants it, which is the local cluster's default.

It names no user: that is the image's own, or where OpenShift admits it one of its project's.
"""

# It stays in the pod, where to start Python takes a hundred times as long as to call; each call is a connection of its
# own, to what its host's name leads to then.
_CALLS = """
import json, sys, urllib.request
for line in sys.stdin:
    url, seconds = json.loads(line)
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            told = {"body": answer.read().decode()}
    except OSError as error:
        told = {"error": str(getattr(error, "reason", error))}
    print(json.dumps(told), flush=True)
"""


@dataclass(frozen=True)
class Answer:
    """What came back: the address that the remote application saw, or why nothing did."""

    seen: str | None
    error: str | None

    @property
    def refused(self) -> bool:
        """Whether the network said no; a name that does not resolve, for one, is no refusal."""
        return self.error is not None and any(
            word in self.error for word in ("refused", "timed out", "unreachable", "prohibited")
        )


def client_pod(namespace: str, image: str, node: str | None = None, name: str = POD) -> dict[str, Any]:
    """A pod that waits to be told what to fetch; it holds no privilege and no token.

    Its image has Python and a user that isn't root, as the controller's has.
    """
    container = {
        "name": "client",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [
            "python3",
            "-c",
            "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()",
        ],
        "securityContext": RESTRICTED,
    }
    spec: dict[str, Any] = {
        "containers": [container],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
    }
    if node:
        spec["nodeName"] = node
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def fetch(kubectl: Kubectl, namespace: str, host: str, port: int = 80, pod: str = POD) -> Answer:
    """Let a project's client call ``http://host:port/json``."""
    url = f"http://[{host}]:{port}/json" if ":" in host else f"http://{host}:{port}/json"
    told = _call(kubectl, namespace, pod, url, CONNECT_TIMEOUT_SECONDS)
    return Answer(json.loads(told["body"])["peer"] if "body" in told else None, told.get("error"))


def page(kubectl: Kubectl, namespace: str, pod: str, url: str, seconds: float) -> str:
    """What a project's client gets there; DemoError if it gets nothing within so many seconds."""
    told = _call(kubectl, namespace, pod, url, seconds)
    if "error" in told:
        raise DemoError(f"{url} from pod {namespace}/{pod}: {told['error']}")
    return told["body"]


def _call(kubectl: Kubectl, namespace: str, pod: str, url: str, seconds: float) -> dict[str, str]:
    try:
        told: dict[str, str] = _resident(kubectl, namespace, pod).ask([url, seconds])
    except Ended as error:
        raise DemoError(f"kubectl -n {namespace} exec {pod}: {error}") from error
    return told


@lru_cache(maxsize=KEPT_RESIDENTS)
def _resident(kubectl: Kubectl, namespace: str, pod: str) -> Resident:
    """What answers in a pod; in another one of the same name it is started anew, as it ends with its own."""
    return Resident(kubectl.command("-n", namespace, "exec", "-i", pod, "--", "python3", "-c", _CALLS))
