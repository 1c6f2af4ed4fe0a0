# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cgroup below which a node keeps its pods, in every hierarchy of the machine."""

from __future__ import annotations

import time
from pathlib import Path

from tests.cluster.errors import ClusterError

_ROOT = Path("/sys/fs/cgroup")
_REMOVE_SECONDS = 5


def _hierarchies() -> list[Path]:
    """The unified hierarchy alone, or each of version 1."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    # Links such as cpu -> cpu,cpuacct name the same hierarchy twice.
    return sorted({path.resolve() for path in _ROOT.iterdir() if path.is_dir() and (path / "cgroup.procs").exists()})


def create(name: str) -> None:
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        # A new cpuset is empty, and no process may enter it before it is filled.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists() and (hierarchy / "cpuset.sched_load_balance").exists():
                (group / file).write_text((hierarchy / file).read_text())


def remove(name: str) -> None:
    """Remove the cgroup and all below it; its processes have ended, the kernel may still count them out."""
    deadline = time.monotonic() + _REMOVE_SECONDS
    for hierarchy in _hierarchies():
        group = hierarchy / name
        while group.exists():
            try:
                for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                    folder.rmdir()
                group.rmdir()
            except FileNotFoundError:
                continue
            except OSError as failure:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"The cgroup {group} is still in use: end the processes in its cgroup.procs, then run `down`."
                    ) from failure
                time.sleep(0.05)
