# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The router's termination message: what keeps it from serving, as it told the kubelet before it ended.

The words come from a container, so they count only if they are exactly what our router writes, about the pod's own
address, and if nothing has changed since (docs/explanation/data-path.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from ..api.reasons import Reason
from ..api.resources import KubeObject
from .manifests import CONTAINER_NAME, environment_of

FAULTS = (
    Reason.NODE_FIREWALL,
    Reason.NODE_MASQUERADES,
    Reason.WRONG_ROUTE,
    Reason.GATEWAY_SILENT,
    Reason.LAN_PROXY,
    Reason.NODE_KERNEL,
    Reason.NAME_UNKNOWN,
    Reason.UPLINK_UNUSABLE,
    Reason.NO_CARRIER,
    Reason.FAILED,
)
"""What can keep an egress pod from its destinations."""

_CONFLICT = re.compile(r"conflict address=([0-9a-f.:]{2,39}) held-by=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})")
_FAULT = re.compile(rf"fault reason=({'|'.join(FAULTS)}) address=([0-9a-f.:]{{2,39}}) message=([ -~]{{1,1000}})")


@dataclass(frozen=True)
class ConflictReport:
    """A router's report, while it waits for its address, of the host that has it."""

    pod: KubeObject
    mac: str
    first_run: bool
    """Whether the pod's container had never run before, and so never had the address."""


@dataclass(frozen=True)
class FaultReport:
    """A router's report of what is wrong between it and its LAN: one sentence with the remedy."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class _LastWords:
    text: str
    first_run: bool


def report_of(pod: KubeObject) -> ConflictReport | None:
    """The router's last report that another host has the pod's address, if nothing has changed since."""
    words = _last_words(pod)
    found = words and _CONFLICT.fullmatch(words.text)
    if words and found and _is_same_address(found[1], source_of(pod)):
        return ConflictReport(pod, found[2], words.first_run)
    return None


def fault_of(pod: KubeObject) -> FaultReport | None:
    """The router's last report of a fault between the pod's address and its LAN, if nothing has changed since."""
    words = _last_words(pod)
    found = words and _FAULT.fullmatch(words.text)
    if found and _is_same_address(found[2], source_of(pod)):
        return FaultReport(Reason(found[1]), found[3])
    return None


def _last_words(pod: KubeObject) -> _LastWords | None:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container.get("name") != CONTAINER_NAME or container.get("started"):
            continue  # Started: since then the router has served.
        ended = (container.get("state") or {}).get("terminated")
        runs_before = container.get("restartCount", 0) - (0 if ended else 1)
        ended = ended or (container.get("lastState") or {}).get("terminated") or {}
        return _LastWords(str(ended.get("message", "")), first_run=runs_before == 0)
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
