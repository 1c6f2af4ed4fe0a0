# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A project's client: a pod that calls the remote application and tells which address was seen there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .kubectl import Kubectl

POD = "client"
CONNECT_TIMEOUT_SECONDS = 3

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""A container's security context as the strictest Pod Security level wants it, which is the local cluster's default.

It names no user: that is the image's own, or where OpenShift admits it one of its project's.
"""

_FETCH = f"""
import json, sys, urllib.request, urllib.error
for url in sys.argv[1:]:
    try:
        with urllib.request.urlopen(url + "/json", timeout={CONNECT_TIMEOUT_SECONDS}) as answer:
            print(json.dumps({{"seen": json.load(answer)["peer"]}}))
    except (OSError, urllib.error.URLError) as error:
        print(json.dumps({{"error": str(getattr(error, "reason", error))}}))
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
    (answer,) = fetch_each(kubectl, namespace, [host], port, pod)
    return answer


def fetch_each(kubectl: Kubectl, namespace: str, hosts: Sequence[str], port: int, pod: str) -> list[Answer]:
    """The same of several hosts, one after the other, by one program: to start it takes longer than to call."""
    urls = [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts]
    printed = kubectl.run("-n", namespace, "exec", pod, "--", "python3", "-c", _FETCH, *urls)
    answers = [json.loads(line) for line in printed.strip().splitlines()[-len(urls) :]]
    return [Answer(answer.get("seen"), answer.get("error")) for answer in answers]
