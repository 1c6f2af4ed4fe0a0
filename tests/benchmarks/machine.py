# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whose work it was: processor time and memory of processes, from /proc (see proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Work:
    """Processor seconds, or the seconds between two readings."""

    programs: dict[str, float]
    """Of each of our own child processes, by program."""
    machine: float
    """Of everything that runs on the machine."""

    def since(self, former: Work) -> Work:
        spent = {name: seconds - former.programs.get(name, 0.0) for name, seconds in self.programs.items()}
        return Work(spent, self.machine - former.machine)


def work(*programs: str) -> Work:
    """The processor seconds spent so far by those of our children that run one of ``programs``, and by all."""
    spent = dict.fromkeys(programs, 0.0)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, parent, seconds = _process(path)
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The kernel keeps 15 characters of a program's name.
        known = next((program for program in programs if program[:15] == name), None)
        if known and parent == os.getpid():
            spent[known] += seconds
    return Work(spent, _busy())


def processor_seconds(process: int) -> float:
    """What a process has spent so far."""
    return _process(Path(f"/proc/{process}/stat"))[2]


def resident_megabytes(field: str = "VmRSS", process: int | str = "self") -> float:
    """What a process, this one for example, occupies now; by ``VmHWM`` the most that it ever did."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def _process(path: Path) -> tuple[str, int, float]:
    head, _bracket, tail = path.read_text().rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS


def _busy() -> float:
    user, nice, system, _idle, _waiting, irq, softirq, *_rest = Path("/proc/stat").read_text().split()[1:11]
    return sum(map(int, (user, nice, system, irq, softirq))) / _TICKS
