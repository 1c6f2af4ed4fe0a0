# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What wakes the router: signals, changes in the kernel's tables, the neighbours' talk, news from the resolver.

Netlink messages serve as a bell only: what they say is not read, the state is looked at instead. So a lost message
(ENOBUFS) costs nothing, and there is one way of finding out what is wrong, not two.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Final, Protocol

from egress_router.family import Family
from egress_router.namespace import Namespace

_NETLINK_ROUTE: Final = 0
_NETLINK_NETFILTER: Final = 12
# linux/rtnetlink.h: RTNLGRP_LINK as a bit mask.
_LINKS: Final = 0x1
# linux/netfilter/nfnetlink.h: NFNLGRP_NFTABLES is the seventh group.
_NFTABLES_GROUP: Final = 1 << 6
# Seconds: a burst of changes, such as a pod starting on the node, is looked at once.
_SETTLE: Final = 0.05


class HasFileno(Protocol):
    """What can be waited for."""

    def fileno(self) -> int:
        """The descriptor."""


class Events:
    """One place to wait. To be made and used by the main thread, as signals reach no other."""

    def __init__(self, pod: Namespace, node: Namespace, family: Family) -> None:
        """Watch both namespaces and SIGTERM, SIGINT; raise OSError."""
        self.stopping = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._bells: list[socket.socket] = [
            _bell(pod, _NETLINK_ROUTE, _LINKS | family.route_groups),
            _bell(pod, _NETLINK_NETFILTER, _NFTABLES_GROUP),
            _bell(node, _NETLINK_ROUTE, _LINKS | family.route_groups),
        ]
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def go_on(self) -> None:
        """The signal is heard, and there is something left to do; another one says that there is no time for it."""
        self.stopping = False

    def wake(self) -> None:
        """Make ``wait`` return soon; any thread may call this."""
        # A full pipe holds wake-ups enough.
        with suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def wait(self, seconds: float, *, bells: bool, neighbours: HasFileno | None) -> bool:
        """Return on a signal or ``wake``, at the latest after ``seconds``; on changes and neighbours' talk if asked to.

        Whether nothing but that talk or the time ended the wait.

        A router that keeps failing must not be woken by its own attempts, nor one that waits by the holder's answers.
        """
        if not bells:
            self._drain()
        sources: list[HasFileno] = [*self._bells] if bells else []
        if neighbours is not None:
            sources.append(neighbours)
        woken = self._select(sources, seconds)
        if woken <= ({neighbours.fileno()} if neighbours is not None else set()):
            return True
        if not self.stopping:
            time.sleep(_SETTLE)
            self._drain()
        return False

    def wait_for_neighbours(self, seconds: float, neighbours: HasFileno) -> bool:
        """Whether a neighbour was heard within ``seconds``; a signal ends the wait early."""
        deadline = time.monotonic() + seconds
        while not self.stopping and (left := deadline - time.monotonic()) > 0:
            if neighbours.fileno() in self._select([neighbours], left):
                return True
            self._drain_pipe()
        return False

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _select(self, sources: Iterable[HasFileno], seconds: float) -> set[int]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._read, selectors.EVENT_READ)
            for source in sources:
                selector.register(source, selectors.EVENT_READ)
            return {key.fd for key, _mask in selector.select(max(0.0, seconds))}

    def _drain(self) -> None:
        self._drain_pipe()
        for bell in self._bells:
            # BlockingIOError: empty. ENOBUFS: messages were lost, which rings as well.
            with suppress(OSError):
                while bell.recv(65536):
                    pass

    def _drain_pipe(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass


def _bell(namespace: Namespace, protocol: int, groups: int) -> socket.socket:
    with namespace.entered():
        bell = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    bell.bind((0, groups))
    return bell
