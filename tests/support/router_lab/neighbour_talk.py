# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""ARP and neighbour discovery as another station on the LAN speaks them."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from tests.support.capture import inside
from tests.support.meanwhile import meanwhile
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD
ICMPV6_SOLICITATION, ICMPV6_ADVERTISEMENT = 135, 136
NEIGHBOUR_DISCOVERY = range(133, 138)
SO_RCVBUFFORCE = 33


def answer(
    namespace: str, net: Net, sender: str, target: str | None = None, to: str | None = None, seconds: float = 0.6
) -> str | None:
    """The MAC that answers when ``namespace`` asks on its up0 who has an address, EGRESS_SOURCE unless told otherwise.

    ``sender``: who asks; the zero address is how one asks before it takes the address (RFC 5227, RFC 4862). ``to``: the
    MAC to ask, for the question whether it is still there (RFC 4861 §7.3); otherwise all are asked.
    """
    wanted = ip_address(target or net.source)
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with wire:
        wire.bind(("up0", ETH_P_ARP if net.version == 4 else ETH_P_IPV6))
        mac = wire.getsockname()[4]
        if isinstance(wanted, IPv4Address):
            fields = (1, ETH_P_IP, 6, 4, 1, mac, IPv4Address(sender).packed, bytes(6), wanted.packed)
            wire.send(ethernet(b"\xff" * 6, mac, ETH_P_ARP) + struct.pack("!HHBBH6s4s6s4s", *fields))
        else:
            wire.send(solicitation(mac, IPv6Address(sender), wanted, to))
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            wire.settimeout(left)
            try:
                frame = wire.recv(128)
            except TimeoutError:
                break
            if net.version == 4 and frame[28:32] == wanted.packed and frame[20:22] == b"\0\2":
                return frame[22:28].hex(":")
            if net.version == 6 and frame[54] == ICMPV6_ADVERTISEMENT and frame[62:78] == wanted.packed:
                return frame[6:12].hex(":")
    return None


@contextmanager
def questions_to_all(namespace: str, net: Net, target: str) -> Iterator[list[bytes]]:
    """The frames by which stations ask all others for an address, as ``namespace`` hears them on its up0."""
    wanted = ip_address(target).packed
    at, protocol = (38, ETH_P_ARP) if net.version == 4 else (62, ETH_P_IPV6)
    heard: list[bytes] = []
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    with wire:
        wire.bind(("up0", protocol))
        yield heard
        wire.setblocking(False)
        with suppress(BlockingIOError):
            while frame := wire.recv(128):
                if frame[0] & 1 and frame[at : at + len(wanted)] == wanted:
                    heard.append(frame)


def ethernet(to: bytes, mac: bytes, protocol: int) -> bytes:
    """An Ethernet header."""
    return to + mac + struct.pack("!H", protocol)


def icmpv6(mac: bytes, to: bytes, sender: IPv6Address, receiver: IPv6Address, body: bytes) -> bytes:
    """The frame of an ICMPv6 message whose checksum field is still zero (RFC 4443 §2.3)."""
    summed = sender.packed + receiver.packed + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    checksum = 0xFFFF - total % 0xFFFF
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + sender.packed + receiver.packed
    return ethernet(to, mac, ETH_P_IPV6) + header + body[:2] + struct.pack("!H", checksum) + body[4:]


def solicitation(mac: bytes, sender: IPv6Address, target: IPv6Address, to: str | None) -> bytes:
    """A neighbour solicitation to all that may have the address, or to one station (RFC 4861 §4.3)."""
    option = bytes([1, 1]) + mac if int(sender) else b""
    body = struct.pack("!BBHI", ICMPV6_SOLICITATION, 0, 0, 0) + target.packed + option
    if to is not None:
        return icmpv6(mac, bytes.fromhex(to.replace(":", "")), sender, target, body)
    group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(target) & 0xFFFFFF)
    return icmpv6(mac, b"\x33\x33" + group.packed[-4:], sender, group, body)


def claim(namespace: str, net: Net) -> None:
    """Tell all on the LAN that EGRESS_SOURCE is at ``namespace``'s up0 (RFC 5227 §2.3, RFC 4861 §7.2.6)."""
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    source = ip_address(net.source)
    with wire:
        wire.bind(("up0", 0))
        mac = wire.getsockname()[4]
        if isinstance(source, IPv4Address):
            fields = (1, ETH_P_IP, 6, 4, 1, mac, source.packed, bytes(6), source.packed)
            wire.send(ethernet(b"\xff" * 6, mac, ETH_P_ARP) + struct.pack("!HHBBH6s4s6s4s", *fields))
            return
        body = struct.pack("!BBHI", ICMPV6_ADVERTISEMENT, 0, 0, 1 << 29) + source.packed + bytes([2, 1]) + mac
        wire.send(icmpv6(mac, b"\x33\x33\0\0\0\1", source, IPv6Address("ff02::1"), body))


@contextmanager
def overheard(namespace: str, about: str) -> Iterator[list[str]]:
    """What ARP and neighbour discovery said about an address on any link of ``namespace`` while the block ran."""
    address, found = ip_address(about), list[str]()
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with wire:
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        yield found
        wire.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                frame = wire.recv(256)
                protocol = int.from_bytes(frame[12:14], "big")
                is_talk = protocol == ETH_P_IPV6 and frame[20] == 58 and frame[54] in NEIGHBOUR_DISCOVERY
                if address.packed in frame and (is_talk or protocol == ETH_P_ARP):
                    found.append(frame.hex())


def neighbour(namespace: str, net: Net) -> str:
    """The MAC that a station believes EGRESS_SOURCE to be at."""
    (entry,) = json.loads(run("ip", "-n", namespace, "-j", "neigh", "show", net.source))
    return str(entry["lladdr"])


@contextmanager
def answer_for_all(namespace: str, net: Net) -> Iterator[None]:
    """While the block runs, ``namespace``'s up0 answers for every address, as a router with proxy ARP or NDP does."""
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind(("up0", ETH_P_ARP if net.version == 4 else ETH_P_IPV6))
    wire.settimeout(0.1)
    mac = wire.getsockname()[4]

    def serve() -> None:
        with suppress(TimeoutError):
            reply = proxied(wire.recv(128), mac)
            if reply is not None:
                wire.send(reply)

    with wire, meanwhile(serve):
        yield


def proxied(frame: bytes, mac: bytes) -> bytes | None:
    """The answer to a question, whatever address it is about; None for other frames."""
    if frame[12:14] == struct.pack("!H", ETH_P_ARP) and frame[20:22] == b"\0\1":
        fields = (1, ETH_P_IP, 6, 4, 2, mac, frame[38:42], frame[22:28], frame[28:32])
        return ethernet(frame[22:28], mac, ETH_P_ARP) + struct.pack("!HHBBH6s4s6s4s", *fields)
    if len(frame) >= 78 and frame[20] == 58 and frame[54] == ICMPV6_SOLICITATION:
        target, asker = IPv6Address(frame[62:78]), IPv6Address(frame[22:38])
        to = asker if int(asker) else IPv6Address("ff02::1")
        body = struct.pack("!BBHI", ICMPV6_ADVERTISEMENT, 0, 0, 1 << 29) + target.packed + bytes([2, 1]) + mac
        return icmpv6(mac, frame[6:12] if int(asker) else b"\x33\x33\0\0\0\1", target, to, body)
    return None
