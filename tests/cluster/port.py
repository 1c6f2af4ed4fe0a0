# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whether the API port is free, and if not, who has it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout

_LISTEN = "0A"


def require_free(layout: Layout) -> None:
    """Raise a ClusterError that names the port, its holder and the option to take another."""
    try:
        with socket.create_server(("127.0.0.1", layout.api_port)):
            return
    except OSError as error:
        holder = _holder(layout.api_port)
        raise ClusterError(
            f"Port {layout.api_port} of 127.0.0.1, which the API server needs, is in use by {holder}: "
            "end it, or choose another port with --api-port or EGRESS_CLUSTER_API_PORT."
        ) from error


def _holder(port: int) -> str:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and _has_open(process, inodes):
            return f"process {process.name} ({_command(process)})"
    return "a process that cannot be seen from here"


def _command(process: Path) -> str:
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return " ".join(words[:4]).strip()


def _has_open(process: Path, targets: set[str]) -> bool:
    try:
        return any(os.readlink(file) in targets for file in (process / "fd").iterdir())
    except OSError:
        # It ended meanwhile.
        return False
