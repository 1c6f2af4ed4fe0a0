# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses on the wire: probe before use, announce after, and watch for another holder (RFC 5227).

The kernel's proxy ARP answers ordinary requests for EGRESS_SOURCE, but never RFC 5227's probes (their sender address is
zero, which it answers for local addresses only). So a claimer asks both ways, and a holder answers probes from here.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Final

_ETHERTYPE_ARP: Final = 0x0806
_SO_ATTACH_FILTER: Final = 26
_REQUEST: Final = 1
_REPLY: Final = 2
_BROADCAST: Final = b"\xff" * 6
_NOBODY: Final = b"\x00" * 6
_ANY: Final = IPv4Address(0)
# Ethernet destination, source, type; ARP hardware, protocol, their lengths, operation; sender's and target's addresses.
_FRAME: Final = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_SENDER_ADDRESS: Final = 28
_TARGET_ADDRESS: Final = 38


class Role(Enum):
    """What another station showed that it does with the address."""

    HOLDS = auto()
    PROBES = auto()


@dataclass(frozen=True)
class Sighting:
    """Another station that uses or wants the address; ``mac`` is its six bytes."""

    role: Role
    mac: bytes

    def __str__(self) -> str:
        return self.mac.hex(":")


class ArpSocket:
    """ARP about one address on one Ethernet interface; it must be made inside the interface's namespace."""

    def __init__(self, interface: str, index: int, mac: bytes, address: IPv4Address) -> None:
        """``mac``: the interface's own, by which this station's frames are told from others'; raise OSError."""
        self._index = index
        self._mac = mac
        self._address = address
        # Protocol 0 receives nothing until the filter is in place and bind() names the protocol.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        _attach_filter(self._socket, address)
        self._socket.bind((interface, _ETHERTYPE_ARP))
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

    def probe(self, asker: IPv4Address | None) -> None:
        """Ask who holds the address: RFC 5227 §2.1.1, and as ``asker``, so that a proxy answers too."""
        self._send(_BROADCAST, _REQUEST, _ANY, _NOBODY, self._address)
        if asker is not None:
            self._send(_BROADCAST, _REQUEST, asker, _NOBODY, self._address)

    def announce(self) -> None:
        """Tell all neighbours that the address is here now: RFC 5227 §2.3."""
        self._send(_BROADCAST, _REQUEST, self._address, _NOBODY, self._address)

    def answer(self, prober: Sighting) -> None:
        """Tell one that probes for the address that it is taken: RFC 5227 §2.1.1 as seen by the holder."""
        self._send(prober.mac, _REPLY, self._address, prober.mac, _ANY)

    def sightings(self) -> Iterator[Sighting]:
        """What has come in since the last call; never waits."""
        while True:
            try:
                frame = self._socket.recv(_FRAME.size + 64)
            except BlockingIOError:
                return
            seen = read(frame, self._mac, self._address)
            if seen is not None:
                yield seen

    def _send(self, to: bytes, operation: int, sender: IPv4Address, target_mac: bytes, target: IPv4Address) -> None:
        self._socket.send(
            _FRAME.pack(
                to,
                self._mac,
                _ETHERTYPE_ARP,
                1,
                0x0800,
                6,
                4,
                operation,
                self._mac,
                sender.packed,
                target_mac,
                target.packed,
            )
        )


def read(frame: bytes, own_mac: bytes, address: IPv4Address) -> Sighting | None:
    """What an Ethernet frame shows about ``address``; None for ordinary requests, own frames and foreign formats."""
    if len(frame) < _FRAME.size:
        return None
    _to, _from, _type, hardware, protocol, _hlen, _plen, _op, mac, sender, _target_mac, target = _FRAME.unpack_from(
        frame
    )
    if (hardware, protocol) != (1, 0x0800) or mac == own_mac:
        return None
    if sender == address.packed:
        return Sighting(Role.HOLDS, mac)
    if sender == _ANY.packed and target == address.packed:
        return Sighting(Role.PROBES, mac)
    return None


def _attach_filter(target: socket.socket, address: IPv4Address) -> None:
    """Let the kernel drop ARP about other addresses, so that a busy LAN doesn't wake the router (classic BPF)."""
    wanted = int(address)
    load_word, equal, give = 0x20, 0x15, 0x06
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (load_word, 0, 0, _SENDER_ADDRESS),
            (equal, 2, 0, wanted),
            (load_word, 0, 0, _TARGET_ADDRESS),
            (equal, 0, 1, wanted),
            (give, 0, 0, 0xFFFF),
            (give, 0, 0, 0),
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    target.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
    )
