# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The routing daemons of FRR in a machine's namespace, with files of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.support.router_lab.wait import wait_until

DAEMONS: Final = Path("/usr/lib/frr")
# Where Debian's FRR would leave files of its own: a place that only the daemon sees, and that ends with it.
ALONE: Final = 'mount -t tmpfs tmpfs /var/tmp; exec "$@"'
# Seconds: no daemon outlives a test by more, even if the test was killed.
LONGEST: Final = "120"


class Frr:
    """zebra and bgpd; ``config`` as in frr.conf, of which each takes what it knows."""

    def __init__(self, namespace: str, folder: Path, config: str) -> None:
        """``folder``: for sockets and logs, to be made."""
        assert DAEMONS.is_dir(), "these tests need FRR: install the package frr"
        folder.mkdir()
        self._folder = folder
        (folder / "frr.conf").write_text(config, encoding="utf-8")
        self._processes: list[subprocess.Popen[bytes]] = []
        for daemon in ("zebra", "bgpd"):
            self._start(namespace, daemon)

    def __enter__(self) -> Frr:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End both."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(10)

    def _start(self, namespace: str, daemon: str) -> None:
        place = str(self._folder)
        command = ["ip", "netns", "exec", namespace, "sh", "-c", ALONE, "sh", "timeout", LONGEST, str(DAEMONS / daemon)]
        command += ["-f", f"{place}/frr.conf", "-i", f"{place}/{daemon}.pid", "-z", f"{place}/zebra.api", "-P", "0"]
        command += ["--vty_socket", place, "--log", f"file:{place}/{daemon}.log", "-u", "root", "-g", "frrvty"]
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until((self._folder / f"{daemon}.vty").exists, 30.0, f"{daemon} runs in {namespace}")
