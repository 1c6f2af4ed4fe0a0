# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The figures of the data path's benchmark, and the table of them. Pure.

Figures of one round stand side by side; a ratio is taken in each round, and the median told, so that what else the
machine does falls on both of its sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

HEAD: Final = ("path", "Gbit/s up", "Gbit/s down", "connections/s", "round trip, µs", "serves after, s", "memory, MB")


@dataclass(frozen=True)
class Sample:
    """One path in one round: gigabits a second, connections a second, microseconds."""

    up: float
    down: float
    connections: float
    round_trip: float


@dataclass(frozen=True)
class Cost:
    """What one router takes: seconds from its start until it serves, and resident megabytes after that."""

    start: float
    resident: float


@dataclass(frozen=True)
class Row:
    """A path's samples by round, those of the path that it is compared with, and what its router takes."""

    name: str
    samples: Sequence[Sample]
    beside: Sequence[Sample] | None = None
    cost: Cost | None = None

    def cells(self) -> tuple[str, ...]:
        """As in HEAD: the medians, each with its ratio to the other path's."""
        forms = {"up": ".1f", "down": ".1f", "connections": ",.0f", "round_trip": ".1f"}
        figures = (self._cell(figure, form) for figure, form in forms.items())
        cost = ("", "") if self.cost is None else (f"{self.cost.start:.2f}", f"{self.cost.resident:.1f}")
        return (self.name, *figures, *cost)

    def _cell(self, figure: str, form: str) -> str:
        mine = [float(getattr(sample, figure)) for sample in self.samples]
        text = format(statistics.median(mine), form)
        if self.beside is None:
            return text
        others = [float(getattr(sample, figure)) for sample in self.beside]
        return f"{text} ({ratio(mine, others):.2f})"


def ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios round by round."""
    return statistics.median(one / other for one, other in zip(mine, others, strict=True))


def rows(
    family: str, samples: Mapping[str, Sequence[Sample]], costs: Mapping[str, Cost], beside: Mapping[str, str]
) -> list[Row]:
    """One for each path, in the order of ``samples``; ``beside``: with which path each is compared."""
    return [
        Row(f"{family}: {name}", found, samples[beside[name]] if name in beside else None, costs.get(name))
        for name, found in samples.items()
    ]


def markdown(found: Sequence[Row]) -> str:
    """The table as docs/performance.md has it."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in found)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
