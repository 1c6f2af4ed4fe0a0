# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Independent requests made several at a time, with one outcome whatever their order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Callable, Generic, Sequence, TypeVar

from ..api.errors import EgressError

AT_A_TIME = 8
"""Enough to hide the way to the API server, and few beside what it serves at a time (some hundreds)."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Outcomes(Generic[R]):
    """What became of each item, by its place in the list; what is in neither was not begun."""

    done: dict[int, R] = field(default_factory=dict)
    failed: dict[int, EgressError] = field(default_factory=dict)

    @property
    def first_error(self) -> EgressError | None:
        """The one of the first item in the list, not the first in time."""
        return next((self.failed[place] for place in sorted(self.failed)), None)


def fan_out(work: Callable[[T], R], items: Sequence[T]) -> Outcomes[R]:
    """Do some work for each item, up to the first that fails.

    All before it are dealt with, so that it is the same one in every run; of those behind it a few may have been begun.
    """
    outcomes: Outcomes[R] = Outcomes()
    end = len(items)
    lock = Lock()

    def deal_with(place: int) -> None:
        nonlocal end
        if place > end:
            return
        try:
            outcomes.done[place] = work(items[place])
        except BaseException as error:
            with lock:
                end = min(end, place)
            if not isinstance(error, EgressError):
                raise
            outcomes.failed[place] = error

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(deal_with, range(len(items))))
    return outcomes


def each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The result for each item, in order; raises the error of the first that has one."""
    outcomes = fan_out(work, items)
    if error := outcomes.first_error:
        raise error
    return [outcomes.done[place] for place in range(len(items))]
