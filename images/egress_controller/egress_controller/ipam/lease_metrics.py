# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Metrics of leases and of locked addresses, by network."""

from __future__ import annotations

from typing import Callable, Iterable

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import in_conflict

from egress_controller.runtime.metrics import Metrics

Objects = Callable[[], Iterable[KubeObject]]


def register(metrics: Metrics, leases: Objects, addresses: Objects) -> None:
    """Add the metrics, which read the caches whenever they are asked for."""
    metrics.tally(
        "leases",
        "Leases by network and phase.",
        ["network", "phase"],
        lambda: ((lease["spec"]["network"], (lease.get("status") or {}).get("phase", "Pending")) for lease in leases()),
    )
    metrics.tally(
        "conflicts",
        "Addresses that another host on the outside LAN answers for, by network.",
        ["network"],
        lambda: ((address["spec"]["network"],) for address in addresses() if in_conflict(address)),
    )
