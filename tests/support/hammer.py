# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Clients of a project that connect without pause, and what the remote application saw of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.kubectl import Kubectl
from tests.support.project import NODES, Project

RECOVERY_SECONDS = 40

# Four threads that connect as fast as they can; a line with the address seen for each success.
_HAMMER = """
import json, sys, threading, urllib.request
def work():
    while True:
        try:
            with urllib.request.urlopen("http://%s/json" % sys.argv[1], timeout=1) as answer:
                # One write a line: threads must not mix theirs.
                sys.stdout.write(json.load(answer)["peer"] + "\\n")
                sys.stdout.flush()
        except OSError:
            pass
threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
[thread.start() for thread in threads]
sys.stdin.read()
"""


class Hammer:
    """Clients of the project on both nodes that call an address without pause."""

    def __init__(self, kubectl: Kubectl, project: Project, host: str) -> None:
        self._processes = [
            subprocess.Popen(
                kubectl.command(
                    *("-n", project.name, "exec", "-i", f"client-{node}", "--", "python3", "-c", _HAMMER, host)
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for node in NODES
        ]
        for process in self._processes:
            assert process.stdout
            os.set_blocking(process.stdout.fileno(), False)

    def seen(self) -> list[str]:
        """The addresses that the remote application has seen since the last call, in order."""
        parts = [process.stdout.read() or b"" for process in self._processes if process.stdout]
        return b"".join(parts).decode().split()

    def wait_for_answers(self, count: int = 20) -> None:
        """Wait until the service answers, again."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        answered = 0
        while answered < count:
            answered += len(self.seen())
            assert time.monotonic() < deadline, f"only {answered} answers within {RECOVERY_SECONDS} s"
            time.sleep(0.1)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def hammering(kubectl: Kubectl, project: Project, host: str) -> Iterator[Hammer]:
    hammer = Hammer(kubectl, project, host)
    try:
        yield hammer
    finally:
        hammer.close()
