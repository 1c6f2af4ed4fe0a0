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
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Collection, Iterator

from pyroute2 import netns

_ETH_P_ALL, _ETH_P_IP, _ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
_IPV4_PAYLOAD, _IPV6_PAYLOAD = 34, 54
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
# Destination unreachable, redirect, time exceeded.
_ICMP_ERRORS = (b"\x03", b"\x05", b"\x0b")
# RFC 4443 2.1: types below 128 are errors; a redirect (RFC 4861) is one for IPv4 too.
_ICMPV6_INFORMATION, _ICMPV6_REDIRECT = 128, 137
# Which neighbour has which address, who is a router, who listens to which group (RFC 4861, 2710, 3810).
_ICMPV6_NEIGHBOURS = (130, 131, 132, 133, 134, 135, 136, 143)
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION_OPTIONS = 0, 43, 44, 60
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


@dataclass(frozen=True)
class Packet:
    """Whence and where to, as on the wire: 4 bytes of an IPv4 address, 16 of an IPv6 one."""

    source: bytes
    destination: bytes
    is_error: bool
    """Whether it is an ICMP error."""


def packet(frame: bytes) -> Packet | None:
    """The packet in an Ethernet frame; None for one of another protocol.

    IPv6's talk among neighbours is no packet here: for IPv4 the same is said by ARP, beside IP.
    """
    protocol = int.from_bytes(frame[12:14], "big")
    if protocol == _ETH_P_IP and len(frame) >= _IPV4_PAYLOAD:
        is_error = frame[23] == socket.IPPROTO_ICMP and frame[_IPV4_PAYLOAD : _IPV4_PAYLOAD + 1] in _ICMP_ERRORS
        return Packet(frame[26:30], frame[30:34], is_error)
    if protocol == _ETH_P_IPV6 and len(frame) >= _IPV6_PAYLOAD:
        kind = _icmpv6_type(frame)
        if kind in _ICMPV6_NEIGHBOURS:
            return None
        is_error = kind is not None and (kind < _ICMPV6_INFORMATION or kind == _ICMPV6_REDIRECT)
        return Packet(frame[22:38], frame[38:54], is_error)
    return None


def _icmpv6_type(frame: bytes) -> int | None:
    """The type of the ICMPv6 message behind the extension headers (RFC 8200 4); None where there is none to see."""
    header, offset = frame[20], _IPV6_PAYLOAD
    while offset + 8 <= len(frame):
        if header == socket.IPPROTO_ICMPV6:
            return frame[offset]
        if header == _FRAGMENT:
            if int.from_bytes(frame[offset + 2 : offset + 4], "big") >> 3:
                return None
            header, offset = frame[offset], offset + 8
        elif header in (_HOP_BY_HOP, _ROUTING, _DESTINATION_OPTIONS):
            header, offset = frame[offset], offset + 8 * (frame[offset + 1] + 1)
        else:
            return None
    return None


class Capture:
    """Source addresses of the packets that a namespace's interfaces see, with how often each was seen.

    Both families; what neighbours say among themselves (ARP and its likes in ICMPv6) does not count. With ``to``,
    only packets to those addresses count. ICMP errors are counted apart: when a router has gone, its node tells the
    remote application so with its own address.
    """

    def __init__(self, namespace: str, to: Collection[str] = ()) -> None:
        self.sources: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._to = frozenset(ip_address(address).packed for address in to)
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
            seen = packet(frame)
            if seen is None or (self._to and seen.destination not in self._to):
                continue
            family = socket.AF_INET if len(seen.source) == 4 else socket.AF_INET6
            (self.errors if seen.is_error else self.sources)[socket.inet_ntop(family, seen.source)] += 1
