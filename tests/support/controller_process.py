# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller as the image runs it, from the checkout: a process with flags, a health port and a log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.checkout import CHECKOUT
from tests.support.waiting import wait_for

PREFIX = "avi_egress_controller_"
"""Of its metrics."""
NAMESPACE_OF_CONTROLLER = "avi-egress"
LEASE_SECONDS = 3
"""Short, so that a take-over needs not be waited for long."""
LEADS_SECONDS = LEASE_SECONDS + 27
"""When a replica leads that may, on a busy machine too."""


class ControllerProcess:
    """One replica."""

    def __init__(self, kubeconfig: Path, log: Path, identity: str, *flags: str) -> None:
        self._kubeconfig = kubeconfig
        self._log = log
        self.identity = identity
        self._flags = flags
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> None:
        command = [
            "setpriv",  # It ends with this process, however that ends.
            "--pdeathsig=KILL",
            sys.executable,
            "-m",
            "egress_controller",
            f"--kubeconfig={self._kubeconfig}",
            f"--identity={self.identity}",
            "--health-address=127.0.0.1",
            f"--health-port={self._port}",
            f"--lease-duration={LEASE_SECONDS}",
            "--renew-deadline=2",
            "--retry-period=1",
            "--release-grace=0.2",
            *self._flags,
        ]
        path = os.pathsep.join([str(CHECKOUT / ".collections"), str(CHECKOUT / "images/egress_controller")])
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path, "POD_NAMESPACE": NAMESPACE_OF_CONTROLLER},
            )
        if ready:
            wait_for("the controller to be ready", lambda: self.probe("readyz") == 200)

    def probe(self, name: str) -> int:
        """The status code of a probe; 0 when nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{name}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    @property
    def address(self) -> str:
        """Host and port of its health port."""
        return f"127.0.0.1:{self._port}"

    def metric(self, name: str) -> float:
        return next(self._metrics(f"{name} "))

    def total(self, name: str) -> float:
        """The sum of a metric over its labels; the name may go on with the first of them: ``x_total{kind="a"``."""
        return sum(self._metrics(name))

    def _metrics(self, beginning: str) -> Iterator[float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return (float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{PREFIX}{beginning}"))

    def peak_megabytes(self) -> float:
        """The most memory that it has had at once."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) / 1024

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def leads(self) -> bool:
        return self.probe("healthz") == 200 and self.metric("leader") == 1.0

    def log(self) -> str:
        return self._log.read_text()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """The exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """As the kernel kills it: without a word."""
        self.signal(signal.SIGKILL)
        self.wait(5)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


def _free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_quiet(controller: ControllerProcess, seconds: float = 30) -> float:
    """How many requests it has made, once it makes none for a moment; AssertionError if it never stops."""

    def made() -> float | None:
        before = controller.metric("api_requests")
        time.sleep(1.5)
        return before if controller.metric("api_requests") == before else None

    found = wait_for("an end of its requests", made, seconds)
    assert found is not None
    return found


Replica = Callable[..., ControllerProcess]
"""Makes a replica with flags, not yet started."""


def assert_rests(controller: ControllerProcess, seconds: float = 2) -> float:
    """It comes to an end of its requests, and makes none for so long; gives how many it has made."""
    asked = wait_quiet(controller)
    time.sleep(seconds)
    assert controller.metric("api_requests") == asked, "it asks nothing until something changes"
    return asked
