# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Start one program in its namespaces, and write down who it is before it runs.

Run as `python -S -m tests.cluster.launcher SPEC`; the standard library is all that it imports, so it starts quickly.
It ends as soon as the program is running, which by then is a child of the namespace's (or the machine's) init.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.cluster import syscalls
from tests.cluster.identity import ProcessIdentity


@dataclass(frozen=True)
class Launch:
    """What to start and where. `namespaces` pairs a namespace file with its CLONE_ flag, in the order to enter them."""

    argv: list[str]
    record: str
    log: str
    namespaces: list[tuple[str, int]]
    unshare: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"

    def dump(self) -> str:
        return json.dumps(asdict(self))


def main(text: str) -> None:
    launch = Launch(**json.loads(text))
    # All that is named by a path of this machine is opened before the mount namespace changes.
    proc = os.open("/proc", os.O_RDONLY)
    record_folder = os.open(Path(launch.record).parent, os.O_RDONLY)
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    doors = [(os.open(path, os.O_RDONLY), kind) for path, kind in launch.namespaces]
    for descriptor, kind in doors:
        syscalls.setns(descriptor, kind)
    if launch.unshare:
        syscalls.unshare(launch.unshare)
    recorded, announce = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(announce)
        # An empty read: the launcher died before it wrote the record, so nobody could ever end this process.
        if os.read(recorded, 1) == b"":
            os._exit(1)
        _become(launch, null, log)
    _record(proc, record_folder, Path(launch.record).name, child)
    os.write(announce, b"1")


def _record(proc: int, folder: int, name: str, pid: int) -> None:
    identity = ProcessIdentity.of(pid, proc)
    if identity is None:
        raise SystemExit(f"process {pid} ended before it began")
    draft = f".{name}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "w") as file:
        file.write(identity.dump())
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def _become(launch: Launch, null: int, log: int) -> None:
    os.setsid()
    os.chdir(launch.directory)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.execvpe(launch.argv[0], launch.argv, launch.environment)


if __name__ == "__main__":
    main(sys.argv[1])
