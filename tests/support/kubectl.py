# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""kubectl as the demonstration and the end-to-end tests use it: an observer other than the code under test.

What it only reads takes no process of kubectl, which would need thirty times as much of a processor for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tests.cluster import ClusterError
from tests.cluster.processes import GOGC
from tests.cluster.tools import program

from .api_reader import ApiReader
from .outside import DemoError
from .query import Query


@dataclass(frozen=True)
class Kubectl:
    """One cluster, through kubectl."""

    kubeconfig: Path

    @property
    def program(self) -> str:
        """The one that was built for the local cluster, whose version is known; else the user's own."""
        return _program()

    def command(self, *arguments: str) -> list[str]:
        """What a process is made of that has this cluster's kubectl do something."""
        return [self.program, f"--kubeconfig={self.kubeconfig}", *arguments]

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 120, check: bool = True) -> str:
        """What the command prints; DemoError with its error text when it fails."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "GOGC": GOGC},
        )
        if check and done.returncode:
            raise DemoError(f"kubectl {' '.join(arguments[:6])}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """What ``kubectl get`` with these arguments and ``-o json`` prints; most are looks of those that wait."""
        return self._reader.get(Query.of(arguments))

    @cached_property
    def _reader(self) -> ApiReader:
        return ApiReader(self.kubeconfig)

    def apply(self, *objects: dict[str, Any]) -> None:
        self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def wait(self, namespace: str, condition: str, *names: str, timeout: int = 120) -> None:
        """Wait for a condition of some objects, such as ``Ready`` of ``pod/client``."""
        self.run("-n", namespace, "wait", f"--for={condition}", *names, f"--timeout={timeout}s", timeout=timeout + 10)


@cache
def _program() -> str:
    found = shutil.which("kubectl")
    try:
        built = program("kubectl")
    except ClusterError:  # no Go here, so nothing was built
        built = Path("kubectl")
    if built.exists() or not found:
        return str(built)
    return found
