# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Metrics of what the statuses of networks and services say, so that every replica tells the same as the API server."""

from __future__ import annotations

from functools import partial
from typing import Callable, Iterable, Iterator

from ansible_collections.avi.egress.plugins.module_utils.api import conditions
from ansible_collections.avi.egress.plugins.module_utils.api.resources import READY_CONDITION, KubeObject

from egress_controller.runtime.metrics import Labels, Metrics

Objects = Callable[[], Iterable[KubeObject]]

FIGURES = {
    "capacity": "Addresses that a network has, the reserved ones among them.",
    "available": "Addresses that are free to be leased, by network.",
}
NOT_SEEN = "NotSeen"
"""The reason of a service without a condition, as in the audit."""


def register(metrics: Metrics, networks: Objects, services: Objects) -> None:
    """Add the metrics, which read the caches whenever they are asked for.

    ``networks``: EgressNetworks; ``services``: the Services that ask for egress.
    """
    for figure, description in FIGURES.items():
        metrics.figures(f"network_{figure}", description, ["network"], partial(_figures, networks, figure))
    metrics.tally(
        "network_conditions",
        "1 for each condition of a network; where all is well, the reason is the type's own word.",
        ["network", "type", "reason"],
        lambda: (labels for network in networks() for labels in _conditions(network)),
    )
    metrics.tally(
        "services",
        "Secure egress services by project, whether they are ready, and the reason that they give.",
        ["project", "ready", "reason"],
        lambda: map(_readiness, services()),
    )


def _figures(networks: Objects, name: str) -> Iterator[tuple[Labels, float]]:
    """None of a network that has not been reconciled yet, or can't be read."""
    for network in networks():
        figure = (network.get("status") or {}).get(name)
        if figure is not None:
            yield (network["metadata"]["name"],), figure


def _conditions(network: KubeObject) -> Iterator[Labels]:
    for condition in (network.get("status") or {}).get("conditions") or ():
        yield network["metadata"]["name"], condition["type"], condition["reason"]


def _readiness(service: KubeObject) -> Labels:
    found = conditions.find(service, READY_CONDITION) or {"status": "False", "reason": NOT_SEEN}
    return service["metadata"]["namespace"], str(found["status"] == "True").lower(), found["reason"]
