# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whether packets really leave the node as they should: sends some, and watches every interface of the node.

For each destination one SYN goes into the link, as the pod's own packets do. It ends at the gateway by its hop limit,
so that no application is bothered. That it leaves by the uplink with EGRESS_SOURCE is all that is looked for: nobody
needs to answer.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Final

from egress_router import faults
from egress_router.family import Address, family_of
from egress_router.faults import Fault
from egress_router.namespace import Namespace
from egress_router.neighbours import Instruction, attach_filter
from egress_router.ruleset import EGRESS_INTERFACE
from egress_router.wires import Wires

# linux/if_ether.h, linux/if_packet.h
_ETH_P_ALL: Final = 0x0003
_PACKET_OUTGOING: Final = 4
_ETHERTYPES: Final = {4: 0x0800, 6: 0x86DD}
_TCP: Final = 6
_SYN: Final = 0x02
_BROADCAST: Final = b"\xff" * 6
_LARGEST: Final = 128
# A socket holds some 128 packets by default (net.core.rmem_default), and each is seen at several interfaces.
_AT_ONCE: Final = 32
# Seconds until a packet that was not seen is sent again, and how often: a node may be busy.
_WAIT: Final = 0.1
_TRIES: Final = 3
# RFC 9293 §3.1: ports; sequence and acknowledgement; offset and flags; window, checksum, urgent pointer.
_SEGMENT: Final = struct.Struct("!HHIIBBHHH")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")


@dataclass(frozen=True, order=True)
class Target:
    """Where a packet is sent to, as one of the pod's clients might."""

    address: Address
    port: int


@dataclass(frozen=True)
class Departure:
    """A packet of ours that left the node by an interface, with the source that it had then."""

    interface: str
    source: Address
    target: Target


def look(
    namespaces: tuple[Namespace, Namespace], frames: Frames, targets: Collection[Target], wires: Wires
) -> list[Departure]:
    """Send to each of the targets, and see what leaves; ``namespaces``: the pod's and the node's; raise OSError."""
    pod, node = namespaces
    seen: list[Departure] = []
    with node.entered():
        # Not bound, so it hears every interface; without the interface's headers, which differ.
        watch = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    with watch:
        attach_filter(watch, frame_filter(frames.source, frames.number))
        _drain(watch)
        with pod.entered():
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with sender:
            sender.bind((EGRESS_INTERFACE, 0))
            for some in _portions(sorted(targets, key=str)):
                missing = frozenset(some)
                for _try in range(_TRIES):
                    for target in missing:
                        sender.send(frames.to(target))
                    seen += _departures(watch, missing, wires)
                    missing -= _on_the_wire(seen, wires)
                    if not missing:
                        break
    return seen


def _portions(targets: Sequence[Target]) -> Iterator[Sequence[Target]]:
    return (targets[first : first + _AT_ONCE] for first in range(0, len(targets), _AT_ONCE))


def _drain(watch: socket.socket) -> None:
    """Forget what came in before there was a filter."""
    watch.setblocking(False)
    with suppress(BlockingIOError):
        while watch.recv(_LARGEST):
            pass


def _departures(watch: socket.socket, wanted: frozenset[Target], wires: Wires) -> list[Departure]:
    """What leaves until all that was sent is on the wire, or for as long as that may take.

    Copies leave at once, so what follows the last that is waited for is read without waiting.
    """
    seen: list[Departure] = []
    deadline = time.monotonic() + _WAIT
    while (left := deadline - time.monotonic()) > 0:
        watch.settimeout(0 if wanted <= _on_the_wire(seen, wires) else left)
        try:
            packet, (interface, _protocol, kind, *_more) = watch.recvfrom(_LARGEST)
        except (TimeoutError, BlockingIOError):
            break
        if kind == _PACKET_OUTGOING:
            seen.append(_departure(interface, packet))
    return seen


def _on_the_wire(seen: Iterable[Departure], wires: Wires) -> frozenset[Target]:
    return frozenset(one.target for one in seen if one.interface in wires.last)


def judge(
    seen: Collection[Departure], targets: Iterable[Target], source: Address, uplink: str, wires: Wires
) -> tuple[Fault | None, int]:
    """The worst fault that the departures show, and how many targets have one.

    A packet may cross several interfaces on its way to the wire, each time with the same source.
    """
    found = [fault for target in targets if (fault := _fault(target, seen, source, uplink, wires)) is not None]
    return max(found, key=lambda fault: fault.is_unsafe, default=None), len(found)


def _fault(target: Target, seen: Iterable[Departure], source: Address, uplink: str, wires: Wires) -> Fault | None:
    of_target = [one for one in seen if one.target == target]
    interfaces = {one.interface for one in of_target}
    for one in of_target:
        if one.source != source:
            return faults.node_masquerades(source, str(one.source), one.interface)
    for interface in sorted(interfaces):
        if not wires.allows(interface):
            return faults.other_interface(source, interface, uplink)
    return None if interfaces & wires.last else faults.node_firewall(source, target.address, uplink)


@dataclass(frozen=True)
class Frames:
    """Frames with one SYN each. ``number``: their sequence number, by which they are known; ``to_mac``: the gateway's.

    Without a gateway they go to all, which a station takes from nobody but a router's kind of protocol. ``hop_limit``:
    2 where the node is a hop itself.
    """

    source: Address
    from_mac: bytes
    to_mac: bytes | None
    number: int
    hop_limit: int = 1

    @classmethod
    def new(cls, source: Address, from_mac: bytes, to_mac: bytes | None, hop_limit: int) -> Frames:
        """With a number that nobody can foretell."""
        return cls(source, from_mac, to_mac, random.SystemRandom().getrandbits(32), hop_limit)

    def to(self, target: Target) -> bytes:
        """The Ethernet frame."""
        ethertype = _ETHERTYPES[self.source.version]
        ethernet = (self.to_mac or _BROADCAST) + self.from_mac + struct.pack("!H", ethertype)
        return ethernet + packet(self.source, target, self.number, self.hop_limit)


def packet(source: Address, target: Target, number: int, hop_limit: int = 1) -> bytes:
    """An IP packet with a SYN from a port that the number tells."""
    port = 1024 + number % 64512
    pseudo = source.packed + target.address.packed + struct.pack("!II", _SEGMENT.size, _TCP)
    blank = _SEGMENT.pack(port, target.port, number, 0, 5 << 4, _SYN, 1024, 0, 0)
    segment = _SEGMENT.pack(port, target.port, number, 0, 5 << 4, _SYN, 1024, checksum(pseudo + blank), 0)
    if not isinstance(source, IPv4Address):
        flow = 6 << 28
        return _IPV6.pack(flow, len(segment), _TCP, hop_limit, source.packed, target.address.packed) + segment
    length = _IPV4.size + len(segment)
    fields = (0x45, 0, length, 0, 0, hop_limit, _TCP)
    total = checksum(_IPV4.pack(*fields, 0, source.packed, target.address.packed))
    return _IPV4.pack(*fields, total, source.packed, target.address.packed) + segment


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of octets."""
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _departure(interface: str, packet: bytes) -> Departure:
    """What the filter let through, which has one length of headers only."""
    if packet[0] >> 4 == 4:
        source, destination, at = packet[12:16], packet[16:20], _IPV4.size
    else:
        source, destination, at = packet[8:24], packet[24:40], _IPV6.size
    port = int.from_bytes(packet[at + 2 : at + 4], "big")
    return Departure(interface, ip_address(source), Target(ip_address(destination), port))


def frame_filter(source: Address, number: int) -> Sequence[Instruction]:
    """Only TCP of the family with that sequence number; offsets are from the start of the IP header."""
    load_byte, load_word, mask, equal, give = 0x30, 0x20, 0x54, 0x15, 0x06
    is_ipv4 = source.version == 4
    protocol, sequence = (9, _IPV4.size + 4) if is_ipv4 else (6, _IPV6.size + 4)
    return (
        (load_byte, 0, 0, 0),
        (mask, 0, 0, 0xF0),
        (equal, 0, 5, family_of(source).version << 4),
        (load_byte, 0, 0, protocol),
        (equal, 0, 3, _TCP),
        (load_word, 0, 0, sequence),
        (equal, 0, 1, number),
        (give, 0, 0, _LARGEST),
        (give, 0, 0, 0),
    )
