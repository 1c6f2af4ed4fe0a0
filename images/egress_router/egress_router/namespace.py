# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Network namespaces: the pod's own and the node's.

A socket belongs for ever to the namespace in which it was opened, so the thread enters the node's only to open one
there or to touch a sysctl, and is back before anything else happens.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from egress_router.rtnetlink import RouteNetlink

# /proc/self is the process; other threads' namespaces must not be mistaken for this thread's.
_THIS_THREAD = "/proc/thread-self/ns/net"
_SYSCTL = Path("/proc/sys/net")
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One network namespace, held open."""

    def __init__(self, path: str | Path) -> None:
        """Open the namespace file ``path``, or ``net`` in it if it is a directory as /proc/1/ns is; raise OSError."""
        file = Path(path)
        self.fd = os.open(file / "net" if file.is_dir() else file, os.O_RDONLY | os.O_CLOEXEC)

    @classmethod
    def own(cls) -> Namespace:
        """The namespace of the calling thread."""
        return cls(_THIS_THREAD)

    def is_same_as(self, other: Namespace) -> bool:
        """Whether both are the same."""
        return os.path.sameopenfile(self.fd, other.fd)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is in this namespace while the block runs."""
        before = os.open(_THIS_THREAD, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self.fd)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def netlink(self) -> RouteNetlink:
        """A route netlink connection into this namespace."""
        with self.entered():
            return RouteNetlink()

    def read_sysctl(self, name: str) -> str:
        """Value of ``net/<name>``, for example ``ipv4/conf/eth0/forwarding``; raise OSError."""
        with self.entered():
            return (_SYSCTL / name).read_text(encoding="ascii").strip()

    def write_sysctl(self, name: str, value: str) -> None:
        """Set ``net/<name>``; raise OSError."""
        with self.entered():
            (_SYSCTL / name).write_text(value, encoding="ascii")


def _enter(descriptor: int) -> None:
    """As ``os.setns``, which is younger than Python 3.11; raise OSError."""
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter a network namespace: {os.strerror(number)}")
