# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Clients that connect without pause."""

from __future__ import annotations

import threading
import time
from collections import Counter

from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until


class Hammer:
    """What the remote application told them, and how many connections failed."""

    def __init__(self, pod: Pod, clients: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self.failed = 0
        self._pod = pod
        self._open = True
        self._threads = [threading.Thread(target=self._run, daemon=True) for _client in range(clients)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Hammer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()

    def wait_more(self, count: int = 20, timeout: float = 60.0) -> None:
        """Wait for so many answers from now on."""
        goal = self.answers.total() + count
        wait_until(lambda: self.answers.total() >= goal, timeout, f"{count} more answers, has {self.answers}")

    def _run(self) -> None:
        while self._open:
            try:
                self.answers[self._pod.ask(timeout=0.5).split()[0]] += 1
            except (OSError, IndexError):
                self.failed += 1
                time.sleep(0.002)
