# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses on an IPv4 LAN: probe before use, announce after, and watch for another holder (RFC 5227).

Questions and probes for EGRESS_SOURCE are answered by the pod's kernel. A station that answers by proxy ARP answers
ordinary requests only, never RFC 5227's probes, whose sender address is zero. So a claimer asks both ways.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Final

from egress_router.neighbours import Instruction, Neighbours, Role, Sighting

_ETHERTYPE_ARP: Final = 0x0806
_REQUEST, _REPLY = 1, 2
_BROADCAST: Final = b"\xff" * 6
_NOBODY: Final = b"\x00" * 6
_ANY: Final = IPv4Address(0)
# Ethernet destination, source, type; ARP hardware, protocol, their lengths, operation; sender's and target's addresses.
_FRAME: Final = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_SENDER_ADDRESS: Final = 28
_TARGET_ADDRESS: Final = 38


class Arp(Neighbours[IPv4Address]):
    """ARP about one address."""

    def __init__(self, interface: str, index: int, mac: bytes, address: IPv4Address) -> None:
        super().__init__(interface, index, mac, address, _ETHERTYPE_ARP, frame_filter(address))

    def ask(self, asker: IPv4Address | None, to: bytes | None = None) -> None:
        """RFC 826, or as nobody RFC 5227 §2.1.1; of one station RFC 1122 §2.3.2.1."""
        self._send(to or _BROADCAST, _REQUEST, _ANY if asker is None else asker, _NOBODY, self._address)

    def announce(self) -> None:
        """RFC 5227 §2.3."""
        self._send(_BROADCAST, _REQUEST, self._address, _NOBODY, self._address)

    def _read(self, frame: bytes) -> Sighting | None:
        return read(frame, self._mac, self._address)

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
    _to, _from, _type, hardware, protocol, _hlen, _plen, op, mac, sender, _target_mac, target = _FRAME.unpack_from(
        frame
    )
    if (hardware, protocol) != (1, 0x0800) or mac == own_mac:
        return None
    if sender == address.packed:
        return Sighting(Role.HOLDS, mac, is_answer=op == _REPLY)
    if sender == _ANY.packed and target == address.packed:
        return Sighting(Role.PROBES, mac)
    return None


def frame_filter(address: IPv4Address) -> tuple[Instruction, ...]:
    """Only ARP in which the address is the sender's or the target's."""
    wanted = int(address)
    load_word, equal, give = 0x20, 0x15, 0x06
    return (
        (load_word, 0, 0, _SENDER_ADDRESS),
        (equal, 2, 0, wanted),
        (load_word, 0, 0, _TARGET_ADDRESS),
        (equal, 0, 1, wanted),
        (give, 0, 0, 0xFFFF),
        (give, 0, 0, 0),
    )
