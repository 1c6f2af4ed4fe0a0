# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A running egress router."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.checkout import compiled
from tests.support.router_lab.net import Net
from tests.support.router_lab.wait import wait_until

ROUTER = Path(__file__).parents[3] / "images" / "egress_router"
HEALTH = 4


class Router:
    """One process of it, with all that it has logged."""

    def __init__(
        self,
        namespaces: tuple[str, str],
        net: Net,
        options: tuple[str, ...],
        env: dict[str, str],
        is_healthy: Callable[[], bool],
    ) -> None:
        """``namespaces``: the pod's and the node's. ``is_healthy``: whether it says that it serves."""
        pod, node = namespaces
        contract = {
            "EGRESS_SOURCE": net.source,
            "EGRESS_DESTINATION": net.remote,
            "EGRESS_PORTS": f"80/tcp={net.at(net.remote, 8080)},53/udp={net.at(net.remote, 5353)}",
            "BRIDGE_IP_ADDR": net.bridge,
            "BRIDGE_NETMASK": net.bridge_bits,
            "TCP_HM_PORT": str(HEALTH),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROUTER),
            **compiled(),
        }
        command = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", pod]
        command += [sys.executable, "-u", "-m", "egress_router", "--host-ns", f"/run/netns/{node}", *options]
        if "resolv_conf" in env:
            command += ["--resolv-conf", env.pop("resolv_conf")]
        self._is_healthy = is_healthy
        self.process = subprocess.Popen(
            command, env=contract | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.log: list[str] = []
        self._ready_at = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())

    def wait_ready(self, timeout: float = 60.0) -> Router:
        wait_until(lambda: self.process.poll() is not None or self._is_healthy(), timeout, "ready", self)
        assert self.process.poll() is None, self.log
        self._ready_at = len(self.log)
        return self

    def wait_not_ready(self, why: str) -> None:
        """Until it says that it serves no more, and why; what it said before it was ready doesn't count."""
        wait_until(lambda: any(f"not ready: {why}" in line for line in self.log[self._ready_at :]), 60.0, why, self)

    def wait_log(self, text: str, timeout: float = 60.0) -> None:
        wait_until(lambda: any(text in line for line in self.log), timeout, f"log has {text!r}", self)

    def megabytes(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kilobytes) / 1000

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        self._reader.join(2)
        return code
