# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What of the objects of one kind has been told, so that nothing is told twice. Pure but for what it remembers."""

from __future__ import annotations

from typing import Iterable, Sequence

from .history import Event, History, end_of


def news(told: Event | None, events: Sequence[Event]) -> Sequence[Event]:
    """Those events of an object that come after the one that was told last; of an object that is new, the last one."""
    if told is None:
        return events[-1:]
    for index in reversed(range(len(events))):
        if events[index].is_same(told):
            return events[index + 1 :]
    return (*end_of(told), *events)  # it is not remembered any more


class Ledger:
    """Keeps one event for each object that is in a state, and nothing of others."""

    def __init__(self) -> None:
        self._told: dict[str, Event] = {}

    def __len__(self) -> int:
        return len(self._told)

    def seen(self, found: History) -> Sequence[Event]:
        """What is news of an object."""
        told = news(self._told.get(found.uid), found.events)
        if found.events:
            self._told[found.uid] = found.events[-1]
        else:
            self._told.pop(found.uid, None)
        return told

    def gone(self, found: History) -> Sequence[Event]:
        """What is news of an object that is gone, as it was last."""
        told = self.seen(found)
        return (*told, *end_of(self._told.pop(found.uid, None)))

    def listed(self, found: Iterable[History]) -> Iterable[Event]:
        """What is news where these are all objects there are."""
        there = set()
        for history in found:
            there.add(history.uid)
            yield from self.seen(history)
        for uid in self._told.keys() - there:
            yield from end_of(self._told.pop(uid))
