# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What Prometheus may ask."""

from __future__ import annotations

from collections import Counter as Tally
from typing import Callable, Iterable, Iterator

from ansible_collections.avi.egress.plugins.module_utils.resources import KubeObject
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

PREFIX = "avi_egress_controller"


class Metrics:
    """The controller's figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._passes = Counter(
            f"{PREFIX}_reconciles", "Passes by kind of key and result.", ["kind", "result"], registry=self._registry
        )
        self._seconds = Histogram(
            f"{PREFIX}_reconcile_seconds", "How long a pass took.", ["kind"], registry=self._registry
        )

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        self._passes.labels(kind, result).inc()
        self._seconds.labels(kind).observe(seconds)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A figure that is read whenever it is asked for."""
        Gauge(f"{PREFIX}_{name}", description, registry=self._registry).set_function(read)

    def watch_leases(self, leases: Callable[[], Iterable[KubeObject]]) -> None:
        self._registry.register(_Leases(leases))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Leases:
    """Leases by network and phase, counted in the cache when they are asked for."""

    def __init__(self, leases: Callable[[], Iterable[KubeObject]]) -> None:
        self._leases = leases

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(f"{PREFIX}_leases", "Leases by network and phase.", labels=["network", "phase"])
        tally = Tally(
            (lease["spec"]["network"], (lease.get("status") or {}).get("phase", "Pending")) for lease in self._leases()
        )
        for labels, number in sorted(tally.items()):
            family.add_metric(labels, number)
        yield family
