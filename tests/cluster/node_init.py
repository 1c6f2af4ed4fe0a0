# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Process 1 of a node: it makes the node's own view of the machine, then collects orphans until it is ended.

Run by the launcher in fresh mount, PID, UTS and IPC namespaces: `python -S -m tests.cluster.node_init SPEC`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.syscalls import MS_BIND, MS_MOVE, MS_PRIVATE, MS_REC, MS_SHARED, mount

_NODE_FOLDERS = ("cni", "containerd", "kubelet")
_SHADOWED = ("/run", "/var/lib", "/var/log")
# kubelet writes these for the whole machine, unless they read so already. In the node they do.
_KUBELET_SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


@dataclass(frozen=True)
class NodeInit:
    """`state` holds what the node keeps; `keep` are folders of the machine that stay visible under their own path."""

    hostname: str
    state: str
    keep: list[str]

    def dump(self) -> str:
        return json.dumps(asdict(self))


def booted(state: Path) -> Path:
    """The file that says: the node's view stands."""
    return state / "booted"


def main(text: str) -> None:
    spec = NodeInit(**json.loads(text))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    socket.sethostname(spec.hostname)
    _mount_view(spec)
    booted(Path(spec.state)).touch()
    while True:
        signal.sigwait({signal.SIGCHLD})
        _collect()


def _mount_view(spec: NodeInit) -> None:
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    folders = [Path(folder) for folder in (spec.state, *spec.keep) if folder.startswith(_SHADOWED)]
    for shadowed in _SHADOWED[1:]:
        _replace(shadowed, [folder for folder in folders if folder.is_relative_to(shadowed)], Path(spec.state))
    kept_in_run = [folder for folder in folders if folder.is_relative_to("/run")]
    _replace("/run", kept_in_run, Path(spec.state))
    for folder in ("/run/netns", "/run/lock", "/run/containerd"):
        os.makedirs(folder, exist_ok=True)
    for name, value in _KUBELET_SYSCTLS.items():
        file = Path("/run/sysctl", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
        mount(str(file), f"/proc/sys/{name}", flags=MS_BIND)
    # A new peer group: what pods mount for others spreads within the node and no further.
    mount("none", "/", flags=MS_REC | MS_SHARED)


def _replace(target: str, keep: list[Path], state: Path) -> None:
    """A fresh file system on `target` that shows the node's own folders and those to keep."""
    draft = str(state / "view")
    os.makedirs(draft, exist_ok=True)
    mount("tmpfs", draft, "tmpfs", data="mode=755")
    for folder in keep:
        inner = draft / folder.relative_to(target)
        inner.mkdir(parents=True, exist_ok=True)
        # Not with what is mounted below: the draft itself may be.
        mount(str(folder), str(inner), flags=MS_BIND)
    own = {"/var/lib": _NODE_FOLDERS, "/var/log": ("pods", "containers")}.get(target, ())
    for name in own:
        source = state / name
        source.mkdir(exist_ok=True)
        inner = Path(draft, name)
        inner.mkdir()
        mount(str(source), str(inner), flags=MS_BIND)
    mount(draft, target, flags=MS_MOVE)


def _collect() -> None:
    """Orphans of the node are this process's children; unread ends would stay as zombies."""
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


if __name__ == "__main__":
    main(sys.argv[1])
