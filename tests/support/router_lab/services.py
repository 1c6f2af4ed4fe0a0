# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""System services of a node, such as Open vSwitch or firewalld, as real as they come.

They run in mount and PID namespaces of their own, so that they find their usual folders empty and leave nothing behind:
when this process ends, in whatever way, the kernel ends them all, and their files are gone with the last.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Final

_READY: Final = "ready"
_SECONDS: Final = 30


class Services:
    """What a shell script has started in a node's network namespace."""

    def __init__(self, namespace: str, script: str) -> None:
        """Return when the script has come to its end; what it has started in the background runs on."""
        self._namespace = namespace
        apart = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", namespace]
        apart += ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        shell = ["sh", "-ec", f"exec 2>&1\n{script}\necho {_READY}\nexec sleep infinity"]
        self._process = subprocess.Popen(apart + shell, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self._wait()

    def run(self, *command: str, text: str = "") -> str:
        """The output of a command that finds the services, which reads ``text``."""
        there = ["nsenter", f"--target={self._process.pid}", "--mount", "--net", "--"]
        done = subprocess.run([*there, *command], input=text, check=False, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End all of them."""
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _wait(self) -> None:
        assert self._process.stdout is not None
        late = threading.Timer(_SECONDS, self._process.kill)
        late.start()
        said: list[str] = []
        for line in self._process.stdout:
            if line.strip() == _READY:
                late.cancel()
                return
            said.append(line)
        late.cancel()
        raise AssertionError(f"the services of {self._namespace} did not start: {''.join(said)}")
