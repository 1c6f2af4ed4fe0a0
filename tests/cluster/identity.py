# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who a process is: its number alone may belong to a stranger by the time one looks again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """`started` is the start time in clock ticks since boot, `boot` the boot that it counts from."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int, proc: int | None = None) -> ProcessIdentity | None:
        """The living process with this number, or None; `proc` is an open /proc of the namespace that counts it."""
        try:
            descriptor = os.open(f"{pid}/stat" if proc is not None else f"/proc/{pid}/stat", os.O_RDONLY, dir_fd=proc)
            with os.fdopen(descriptor) as file:
                # The second field is the program's name in brackets and may hold anything, brackets too.
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, started = fields[0], int(fields[19])
        if state in ("Z", "X"):
            return None
        return cls(pid=pid, started=started, boot=_BOOT.read_text().strip())

    @classmethod
    def load(cls, path: Path) -> ProcessIdentity | None:
        """What was written down, or None where nothing readable was."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def dump(self) -> str:
        return json.dumps(asdict(self))

    def alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self
