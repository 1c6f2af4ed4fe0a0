# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the stations of the uplink's LAN tell each other about EGRESS_SOURCE, whichever protocol they speak.

ARP for IPv4 (``arp``), neighbour discovery for IPv6 (``ndp``): who has the address, who wants it, that it is here now.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Generic, TypeVar

_SO_ATTACH_FILTER: Final = 26
# More than any frame that shows something; the rest of a longer one is not looked at.
_LONGEST_FRAME: Final = 256

AnAddress = TypeVar("AnAddress", IPv4Address, IPv6Address)
# Classic BPF (linux/filter.h): operation, jump if true, jump if false, operand.
Instruction = tuple[int, int, int, int]


class Role(Enum):
    """What another station showed that it does with the address."""

    HOLDS = auto()
    PROBES = auto()


@dataclass(frozen=True)
class Sighting:
    """Another station that uses or wants the address; ``mac`` is its six bytes.

    ``is_answer``: whether it told who has the address, and did not only ask for another as the one that has it.
    """

    role: Role
    mac: bytes
    is_answer: bool = False

    def __str__(self) -> str:
        return self.mac.hex(":")


class Neighbours(ABC, Generic[AnAddress]):
    """The LAN's talk about one address on one Ethernet interface, heard and spoken by a packet socket."""

    def __init__(
        self,
        interface: str,
        index: int,
        mac: bytes,
        address: AnAddress,
        ethertype: int,
        program: Sequence[Instruction],
    ) -> None:
        """Must be made inside the interface's namespace; raise OSError.

        ``mac``: the interface's own, by which this station's frames are told from others'. ``program``: lets the kernel
        drop what is not about the address, so that a busy LAN doesn't wake the router.
        """
        self._index = index
        self._mac = mac
        self._address: AnAddress = address
        # Protocol 0 receives nothing until the filter is in place and bind() names the protocol.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        attach_filter(self._socket, program)
        self._socket.bind((interface, ethertype))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def is_on(self, index: int, mac: bytes) -> bool:
        """Whether this is still that interface: one of the same name may have taken its place."""
        return (self._index, self._mac) == (index, mac)

    def close(self) -> None:
        """Stop watching."""
        self._socket.close()

    def sightings(self) -> Iterator[Sighting]:
        """What has come in since the last call; never waits."""
        while True:
            try:
                frame = self._socket.recv(_LONGEST_FRAME)
            except BlockingIOError:
                return
            seen = self._read(frame)
            if seen is not None:
                yield seen

    def probe(self, asker: AnAddress | None) -> None:
        """Ask who holds the address, as nobody, and as ``asker``, an own address, so that every proxy answers too."""
        self.ask(None)
        if asker is not None:
            self.ask(asker)

    @abstractmethod
    def ask(self, asker: AnAddress | None, to: bytes | None = None) -> None:
        """Ask all who holds the address, as the station that has ``asker``, or as one that has no address yet.

        ``to``: only the station with that MAC address, whether it still does.
        """

    @abstractmethod
    def announce(self) -> None:
        """Tell all neighbours that the address is here now."""

    @abstractmethod
    def _read(self, frame: bytes) -> Sighting | None:
        """What an Ethernet frame shows about the address, if anything."""


def attach_filter(target: socket.socket, program: Sequence[Instruction]) -> None:
    """Let the kernel drop what ``program`` gives no byte of (socket(7), SO_ATTACH_FILTER); raise OSError."""
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    target.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(buffer)))
