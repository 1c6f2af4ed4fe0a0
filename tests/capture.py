# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What really crosses a network: the source addresses of all packets that one namespace's interfaces see."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Collection, Iterator

from pyroute2 import netns

_ETH_P_ALL, _ETH_P_IP = 0x0003, 0x0800
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
# Destination unreachable, redirect, time exceeded.
_ICMP_ERRORS = (3, 5, 11)
_SETTLE_SECONDS = 0.3


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """The calling thread is in the namespace; sockets opened meanwhile stay there."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    wanted = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        netns.setns(wanted)
        try:
            yield
        finally:
            netns.setns(before)
    finally:
        os.close(wanted)
        os.close(before)


class Capture:
    """Source addresses of the IPv4 packets that a namespace's interfaces see, with how often each was seen.

    With ``to``, only packets to those addresses count. ICMP errors are counted apart: when a router has gone, its
    node tells the remote application so with its own address.
    """

    def __init__(self, namespace: str, to: Collection[str] = ()) -> None:
        self.sources: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._to = frozenset(socket.inet_aton(address) for address in to)
        with inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.settimeout(0.2)
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()

    def lost(self) -> int:
        """Frames that the kernel could not hand over: a verdict needs zero."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("II", statistics)[1])

    def settled(self) -> Counter[str]:
        """The sources after what is still under way has been counted; AssertionError if a frame was lost."""
        time.sleep(_SETTLE_SECONDS)
        assert self.lost() == 0, "the capture is incomplete"
        return self.sources

    def _run(self) -> None:
        while self._open:
            try:
                frame = self._socket.recv(2048)
            except TimeoutError:
                continue
            if int.from_bytes(frame[12:14], "big") != _ETH_P_IP or (self._to and frame[30:34] not in self._to):
                continue
            is_error = frame[23] == socket.IPPROTO_ICMP and frame[34] in _ICMP_ERRORS
            (self.errors if is_error else self.sources)[socket.inet_ntoa(frame[26:30])] += 1
