# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Netlink (RFC 3549): requests to the kernel and its answers, as bytes."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from itertools import count
from typing import Final

NETFILTER: Final = 12

REQUEST: Final = 0x1
ACK: Final = 0x4
DUMP: Final = 0x300

_ERROR: Final = 2
_DONE: Final = 3
_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
# The two highest bits of an attribute's type say that it is nested and in network byte order.
_TYPE: Final = 0x3FFF
_BUFFER: Final = 1 << 16


class NetlinkError(OSError):
    """The kernel refused a request."""

    @property
    def code(self) -> int:
        """Its error number."""
        return self.errno or 0


class NetlinkSocket:
    """A connection into the network namespace in which it was made; for one thread at a time."""

    def __init__(self, protocol: int) -> None:
        """Raise OSError."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._sequence = count(1)

    def set_option(self, level: int, option: int, value: int) -> None:
        """As ``socket.setsockopt``; raise OSError."""
        self._socket.setsockopt(level, option, value)

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def ask(self, kind: int, body: bytes, flags: int) -> Iterator[memoryview]:
        """The bodies of the answers to one request; raise ``NetlinkError``.

        ``flags``: DUMP for all that there is, ACK for a request that is answered by its success alone.
        """
        number = next(self._sequence)
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, number, 0) + body)
        while True:
            datagram = memoryview(self._socket.recv(_BUFFER))
            at = 0
            while at < len(datagram):
                length, answered, _flags, sequence, _port = _HEADER.unpack_from(datagram, at)
                content = datagram[at + _HEADER.size : at + length]
                at += aligned(length)
                if sequence != number:
                    # What is left of a dump that nobody read to its end.
                    continue
                if answered in (_ERROR, _DONE):
                    _raise(content)
                    return
                yield content
                if not flags & (DUMP | ACK):
                    return


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(aligned(length) - length)


def attributes(data: memoryview) -> dict[int, memoryview]:
    """Values by type; those of nested attributes can be read the same way."""
    found: dict[int, memoryview] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE] = data[at + _ATTRIBUTE.size : at + length]
        at += aligned(length)
    return found


def aligned(length: int) -> int:
    """A length with its padding."""
    return (length + 3) & ~3


def _raise(content: memoryview) -> None:
    (code,) = struct.unpack_from("=i", content) if len(content) >= 4 else (0,)
    if code < 0:
        raise NetlinkError(-code, os.strerror(-code))
