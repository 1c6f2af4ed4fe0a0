# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Start, find and end the cluster's processes. Only what was written down, and still is who it was, is ever ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import syscalls
from tests.cluster.errors import ClusterError
from tests.cluster.identity import ProcessIdentity
from tests.cluster.launcher import Launch
from tests.cluster.layout import Layout
from tests.cluster.requirements import SEARCH_PATH

CHECKOUT = Path(__file__).resolve().parents[2]
_JOINED = (
    ("pid", syscalls.CLONE_NEWPID),
    ("net", syscalls.CLONE_NEWNET),
    ("uts", syscalls.CLONE_NEWUTS),
    ("ipc", syscalls.CLONE_NEWIPC),
    # Last: paths mean something else afterwards.
    ("mnt", syscalls.CLONE_NEWNS),
)
_KILL_SECONDS = 10
GOGC = "400"
"""How far Go's heaps grow before they are cleared up: an API server works a fifth less then, and kubectl a quarter."""


@dataclass(frozen=True)
class Component:
    """One process of the cluster.

    `role` names the network namespace (None: the machine's own), `node` the node in whose other namespaces it runs too,
    `unshare` the namespaces that it gets for itself.
    """

    name: str
    argv: tuple[str, ...]
    role: str | None
    node: str | None = None
    unshare: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of this package's own programs."""
    return (sys.executable, "-S", "-m", f"tests.cluster.{module}", *arguments)


def start(layout: Layout, component: Component) -> None:
    launch = Launch(
        argv=list(component.argv),
        record=str(_record(layout, component.name)),
        log=str(layout.logs / f"{component.name}.log"),
        namespaces=_doors(layout, component),
        unshare=component.unshare,
        environment={"PATH": SEARCH_PATH, "HOME": "/root", "LANG": "C.UTF-8", "GOGC": GOGC, **component.environment},
        # Python finds this package from here; in a node the checkout is where it is on the machine.
        directory=str(CHECKOUT),
    )
    done = subprocess.run(python("launcher", launch.dump()), cwd=CHECKOUT, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ClusterError(f"The process {component.name} could not be started: {reason[0]}.")


def _doors(layout: Layout, component: Component) -> list[tuple[str, int]]:
    if component.node is not None:
        init = identity(layout, component.node)
        if init is None:
            raise ClusterError(f"{component.node} is not running, so {component.name} cannot start: run `up` again.")
        return [(f"/proc/{init.pid}/ns/{name}", kind) for name, kind in _JOINED]
    if component.role is not None:
        return [(str(layout.namespace_path(component.role)), syscalls.CLONE_NEWNET)]
    return []


def identity(layout: Layout, name: str) -> ProcessIdentity | None:
    """The component's living process, or None."""
    known = ProcessIdentity.load(_record(layout, name))
    return known if known is not None and known.alive() else None


def recorded(layout: Layout) -> list[str]:
    """The names of all components that were ever started."""
    return sorted(path.stem for path in layout.pids.glob("*.json"))


def last_words(layout: Layout, name: str) -> str:
    """The last line of the component's log, for messages."""
    path = layout.logs / f"{name}.log"
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else "it left no message"


def end(layout: Layout, names: Iterable[str]) -> None:
    """Kill and wait until they are gone. A node's first process takes all that runs in the node with it."""
    doomed = [known for name in names if (known := identity(layout, name)) is not None]
    for known in doomed:
        _kill(known)
    deadline = time.monotonic() + _KILL_SECONDS
    for known in doomed:
        while known.alive():
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"Process {known.pid} does not end: look at /proc/{known.pid}/stack, then run `down`."
                )
            time.sleep(0.01)


def _kill(known: ProcessIdentity) -> None:
    try:
        # The descriptor pins the process: if it is still ours now, the signal cannot reach a successor.
        descriptor = os.pidfd_open(known.pid)
    except ProcessLookupError:
        return
    try:
        if known.alive():
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _record(layout: Layout, name: str) -> Path:
    return layout.pids / f"{name}.json"
