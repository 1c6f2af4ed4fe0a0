# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses on an IPv6 LAN: duplicate address detection (RFC 4862 §5.4), announcements and conflicts (RFC 4861).

Solicitations for EGRESS_SOURCE are answered by the pod's kernel.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from egress_router.neighbours import Instruction, Neighbours, Role, Sighting

_ETHERTYPE_IPV6: Final = 0x86DD
_ICMPV6: Final = 58
_SOLICITATION: Final = 135
_ADVERTISEMENT: Final = 136
_OVERRIDE: Final = 0x20000000
_SOURCE_LINK_LAYER: Final = 1
_TARGET_LINK_LAYER: Final = 2
# RFC 4861 §7.1: a packet that came by a router has less.
_HOP_LIMIT: Final = 255
_ANY: Final = IPv6Address(0)
_ALL_NODES: Final = IPv6Address("ff02::1")
_SOLICITED_NODE: Final = IPv6Address("ff02::1:ff00:0")
_ETHERNET: Final = struct.Struct("!6s6sH")
# RFC 8200 §3: version, class and flow; payload's length, next header, hop limit; addresses.
_IP: Final = struct.Struct("!IHBB16s16s")
# RFC 4861 §4.3, §4.4: type, code, checksum; flags; target.
_MESSAGE: Final = struct.Struct("!BBHI16s")
_START_OF_MESSAGE: Final = _ETHERNET.size + _IP.size
_START_OF_OPTIONS: Final = _START_OF_MESSAGE + _MESSAGE.size
_NEXT_HEADER, _SENDER, _TYPE, _TARGET = 20, 22, _START_OF_MESSAGE, _START_OF_MESSAGE + 8


class Ndp(Neighbours[IPv6Address]):
    """Neighbour discovery about one address."""

    def __init__(self, interface: str, index: int, mac: bytes, address: IPv6Address) -> None:
        super().__init__(interface, index, mac, address, _ETHERTYPE_IPV6, frame_filter(address))
        # RFC 4862 §5.4.2: without the membership neither the network card nor a switch that listens to multicast
        # reports lets another's probe through. It ends with the socket.
        self._membership = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        group = solicited_node(address).packed + struct.pack("=I", index)
        self._membership.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)

    def close(self) -> None:
        """Stop watching, and leave the group."""
        super().close()
        self._membership.close()

    def ask(self, asker: IPv6Address | None, to: bytes | None = None) -> None:
        """RFC 4861 §7.2.2, or as nobody RFC 4862 §5.4.2; of one station RFC 4861 §7.3.3."""
        sender, option = (_ANY, None) if asker is None else (asker, _SOURCE_LINK_LAYER)
        message = Message(_SOLICITATION, 0, self._address, option)
        receiver = solicited_node(self._address) if to is None else self._address
        self._socket.send(frame_of(self._mac, receiver, sender, message, to))

    def announce(self) -> None:
        """RFC 4861 §7.2.6, with the override flag: neighbours replace what they knew."""
        message = Message(_ADVERTISEMENT, _OVERRIDE, self._address, _TARGET_LINK_LAYER)
        self._socket.send(frame_of(self._mac, _ALL_NODES, self._address, message))

    def _read(self, frame: bytes) -> Sighting | None:
        return read(frame, self._mac, self._address)


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The multicast group in which a holder of ``address`` is asked for it (RFC 4291 §2.7.1)."""
    return IPv6Address(int(_SOLICITED_NODE) | int(address) & 0xFFFFFF)


@dataclass(frozen=True)
class Message:
    """A solicitation or advertisement (RFC 4861 §4.3, §4.4)."""

    kind: int
    flags: int
    target: IPv6Address
    option: int | None
    """The type of the option that carries the sender's MAC address; None for none."""


def frame_of(mac: bytes, to: IPv6Address, sender: IPv6Address, message: Message, to_mac: bytes | None = None) -> bytes:
    """The Ethernet frame of one message to a multicast group, or to the station with that MAC address."""
    options = b"" if message.option is None else struct.pack("!BB6s", message.option, 1, mac)
    length = _MESSAGE.size + len(options)
    target = message.target.packed
    unsummed = _MESSAGE.pack(message.kind, 0, 0, message.flags, target) + options
    total = checksum(sender, to, unsummed)
    # RFC 2464 §7: the group's last four bytes make the Ethernet address.
    ethernet = _ETHERNET.pack(to_mac or b"\x33\x33" + to.packed[-4:], mac, _ETHERTYPE_IPV6)
    ip = _IP.pack(6 << 28, length, _ICMPV6, _HOP_LIMIT, sender.packed, to.packed)
    return ethernet + ip + _MESSAGE.pack(message.kind, 0, total, message.flags, target) + options


def checksum(sender: IPv6Address, to: IPv6Address, payload: bytes) -> int:
    """ICMPv6's checksum over the pseudo-header and ``payload`` (RFC 4443 §2.3); 0 if the right one is in there."""
    summed = sender.packed + to.packed + struct.pack("!II", len(payload), _ICMPV6) + payload
    summed += b"\x00" * (len(summed) % 2)
    total: int = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read(frame: bytes, own_mac: bytes, address: IPv6Address) -> Sighting | None:
    """What an Ethernet frame shows about ``address``.

    None for ordinary solicitations, own frames, and what RFC 4861 §7.1 has a station ignore.
    """
    if len(frame) < _START_OF_OPTIONS:
        return None
    _to, mac, ethertype = _ETHERNET.unpack_from(frame)
    flow, length, next_header, hop_limit, sender, to = _IP.unpack_from(frame, _ETHERNET.size)
    kind, code, _sum, _flags, target = _MESSAGE.unpack_from(frame, _START_OF_MESSAGE)
    payload = frame[_START_OF_MESSAGE : _START_OF_MESSAGE + length]
    if (ethertype, flow >> 28, next_header, hop_limit, code) != (_ETHERTYPE_IPV6, 6, _ICMPV6, _HOP_LIMIT, 0):
        return None
    if len(payload) < max(length, _MESSAGE.size) or checksum(IPv6Address(sender), IPv6Address(to), payload):
        return None
    if kind == _ADVERTISEMENT and target == address.packed:
        role, option = Role.HOLDS, _TARGET_LINK_LAYER
    elif kind == _SOLICITATION and sender == address.packed:
        role, option = Role.HOLDS, _SOURCE_LINK_LAYER
    elif kind == _SOLICITATION and sender == _ANY.packed and target == address.packed:
        role, option = Role.PROBES, None
    else:
        return None
    # A proxy or a virtual router may send with another address than the one that it advertises.
    named = _link_layer(payload[_MESSAGE.size :], option) or mac
    return None if own_mac in (mac, named) else Sighting(role, named, is_answer=kind == _ADVERTISEMENT)


def _link_layer(options: bytes, wanted: int | None) -> bytes | None:
    """The Ethernet address in the option of that type (RFC 4861 §4.6.1), if it is there."""
    while len(options) >= 8 and options[1]:
        kind, size = options[0], 8 * options[1]
        if kind == wanted:
            return options[2:8]
        options = options[size:]
    return None


def frame_filter(address: IPv6Address) -> tuple[Instruction, ...]:
    """Only ICMPv6 solicitations and advertisements in which the address is the sender's or the target."""
    load_byte, equal, give = 0x30, 0x15, 0x06
    sender, target, take, refuse = 5, 13, 21, 22
    return (
        (load_byte, 0, 0, _NEXT_HEADER),
        (equal, 0, refuse - 2, _ICMPV6),
        (load_byte, 0, 0, _TYPE),
        (equal, 1, 0, _SOLICITATION),
        (equal, 0, refuse - 5, _ADVERTISEMENT),
        *_compare(address, sender, _SENDER, take, target),
        *_compare(address, target, _TARGET, take, refuse),
        (give, 0, 0, 0xFFFF),
        (give, 0, 0, 0),
    )


def _compare(address: IPv6Address, at: int, offset: int, same: int, other: int) -> Iterator[Instruction]:
    """Eight instructions from number ``at`` on: whether the frame has the address at ``offset``, and where to go."""
    load_word, equal = 0x20, 0x15
    for number, word in enumerate(struct.unpack("!4I", address.packed)):
        here = at + 2 * number + 1
        yield load_word, 0, 0, offset + 4 * number
        yield equal, same - here - 1 if number == 3 else 0, other - here - 1, word
