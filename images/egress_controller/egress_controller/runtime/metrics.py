# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Metrics, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter as Tally
from typing import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

Labels = tuple[str, ...]


class Metrics:
    """Figures of a program, in a registry of their own."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._registry = CollectorRegistry()
        self._results = Counter(
            f"{prefix}_reconciles",
            "Reconciliations by kind of key and result.",
            ["kind", "result"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{prefix}_reconcile_seconds", "How long a reconciliation took.", ["kind"], registry=self._registry
        )

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        self._results.labels(kind, result).inc()
        self._seconds.labels(kind).observe(seconds)

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A figure that is read whenever it is asked for."""
        Gauge(f"{self._prefix}_{name}", description, registry=self._registry).set_function(read)

    def tally(self, name: str, description: str, labels: Sequence[str], read: Callable[[], Iterable[Labels]]) -> None:
        """How many there are of each combination of labels, counted whenever it is asked for."""
        self.figures(name, description, labels, lambda: Tally(read()).items())

    def figures(
        self, name: str, description: str, labels: Sequence[str], read: Callable[[], Iterable[tuple[Labels, float]]]
    ) -> None:
        """One figure for each combination of labels, read whenever it is asked for."""
        self._registry.register(_Figures(f"{self._prefix}_{name}", description, labels, read))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Figures:
    """Figures by their labels, read when they are asked for."""

    def __init__(
        self, name: str, description: str, labels: Sequence[str], read: Callable[[], Iterable[tuple[Labels, float]]]
    ) -> None:
        self._name = name
        self._description = description
        self._labels = labels
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._description, labels=self._labels)
        for values, number in sorted(self._read()):
            family.add_metric(values, number)
        yield family
