# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Do something inside a network namespace without moving the caller into it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from tests.cluster import syscalls

Result = TypeVar("Result")


class _Visit(threading.Thread, Generic[Result]):
    """A network namespace belongs to a thread: one that ends takes the change with it."""

    def __init__(self, path: Path, action: Callable[[], Result]) -> None:
        super().__init__(name=f"inside {path.name}")
        self._path = path
        self._action = action
        self.result: list[Result] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                syscalls.setns(descriptor, syscalls.CLONE_NEWNET)
            finally:
                os.close(descriptor)
            self.result.append(self._action())
        except BaseException as failure:
            # The caller raises it in a thread of its own.
            self.failure = failure


def inside(path: Path, action: Callable[[], Result]) -> Result:
    """The action's result, run in the namespace at `path`; its sockets and child processes stay there.

    Raises what the action raises, and FileNotFoundError when there is no such namespace.
    """
    visit = _Visit(path, action)
    visit.start()
    visit.join()
    if visit.failure is not None:
        raise visit.failure
    return visit.result[0]
