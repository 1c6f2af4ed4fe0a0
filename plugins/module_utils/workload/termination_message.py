# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The router's termination message: another host has the egress pod's address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from ..api.resources import KubeObject
from .manifests import CONTAINER_NAME, environment_of

_MESSAGE = re.compile(r"conflict address=([0-9a-f.:]{2,39}) held-by=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})")


@dataclass(frozen=True)
class ConflictReport:
    """A router's report, while it waits for its address, of the host that has it."""

    pod: KubeObject
    mac: str
    first_run: bool
    """Whether the pod's container had never run before, and so never had the address."""


def report_of(pod: KubeObject) -> ConflictReport | None:
    """The router's last report that another host has the pod's address, if nothing has changed since.

    The message comes from a container, so it must be exactly what our router writes, and of the pod's own address.
    """
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] != CONTAINER_NAME or container.get("started"):
            continue  # Started: since then the router has had its address.
        ended = (container.get("state") or {}).get("terminated")
        runs_before = container.get("restartCount", 0) - (0 if ended else 1)
        ended = ended or (container.get("lastState") or {}).get("terminated") or {}
        found = _MESSAGE.fullmatch(str(ended.get("message", "")))
        if found and _is_same_address(found[1], source_of(pod)):
            return ConflictReport(pod, found[2], first_run=runs_before == 0)
    return None


def source_of(pod: KubeObject) -> str | None:
    """The address that the pod's router takes: the only one of EGRESS_SOURCE, else that of the pod's ordinal."""
    sources = str(environment_of(pod["spec"]).get("EGRESS_SOURCE") or "").split(",")
    ordinal = pod["metadata"]["name"].rpartition("-")[2] if len(sources) > 1 else "0"
    return dict(enumerate(sources)).get(int(ordinal)) if ordinal.isdecimal() else None


def _is_same_address(text: str, source: str | None) -> bool:
    try:
        return source is not None and ip_address(text) == ip_address(source)
    except ValueError:
        return False
