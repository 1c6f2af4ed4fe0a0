# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Round robin over shares: the order in which keys are handed out, so that many of one share delay no other's."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Callable, Generic, Hashable, TypeVar

K = TypeVar("K", bound=Hashable)


class FairOrder(Generic[K]):
    """Keys by share, first come first served within one; the shares that have any take turns.

    So a key waits for no more keys of another share than it has keys of its own before it, and one.
    """

    def __init__(self, share_of: Callable[[K], Hashable]) -> None:
        self._share_of = share_of
        self._waiting: OrderedDict[Hashable, deque[K]] = OrderedDict()
        """The shares in the order of their turns; none is empty."""

    def append(self, key: K) -> None:
        self._waiting.setdefault(self._share_of(key), deque()).append(key)

    def popleft(self) -> K:
        """The next key; KeyError if there is none."""
        share, keys = self._waiting.popitem(last=False)
        key = keys.popleft()
        if keys:
            self._waiting[share] = keys
        return key

    def remove(self, key: K) -> None:
        """Take a key that is there out of it."""
        share = self._share_of(key)
        self._waiting[share].remove(key)
        if not self._waiting[share]:
            del self._waiting[share]

    def __bool__(self) -> bool:
        return bool(self._waiting)
