# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is sent to see whether packets leave, and what is made of those that were seen."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest
from egress_router.departure import Departure, Target, checksum, frame_filter, judge, packet
from egress_router.family import Address
from egress_router.faults import Reason
from egress_router.neighbours import attach_filter
from egress_router.wires import Wires

SOURCE, NODE = ip_address("10.70.112.155"), ip_address("10.70.112.6")
FIRST, SECOND = Target(ip_address("10.10.10.200"), 80), Target(ip_address("10.10.10.201"), 443)
NUMBER = 0x12345678
GOOD, PORT = Departure("eth1", SOURCE, FIRST), Departure("port1", SOURCE, FIRST)
BRIDGE = Wires(frozenset({"eth1", "port1", "port2"}), frozenset({"port1", "port2"}))
PLAIN = Wires(frozenset({"eth1"}), frozenset({"eth1"}))


@pytest.mark.parametrize(
    ("seen", "reason", "is_unsafe"),
    [
        ([GOOD], Reason.NODE_FIREWALL, False),
        ([GOOD, PORT], None, False),
        ([PORT], None, False),
        ([GOOD, PORT, Departure("eth0", SOURCE, FIRST)], Reason.WRONG_ROUTE, True),
        ([], Reason.NODE_FIREWALL, False),
        ([Departure("eth1", NODE, FIRST)], Reason.NODE_MASQUERADES, True),
        ([GOOD, Departure("port1", NODE, FIRST)], Reason.NODE_MASQUERADES, True),
        ([GOOD, PORT, Departure("eth0", NODE, FIRST)], Reason.NODE_MASQUERADES, True),
        ([Departure("eth0", SOURCE, FIRST)], Reason.WRONG_ROUTE, True),
        ([Departure("eth0", NODE, FIRST)], Reason.NODE_MASQUERADES, True),
    ],
)
def test_what_departures_show(seen: list[Departure], reason: Reason | None, is_unsafe: bool) -> None:
    fault, _count = judge(seen, [FIRST], SOURCE, "eth1", BRIDGE)
    assert (fault and fault.reason, fault is not None and fault.is_unsafe) == (reason, is_unsafe)


def test_the_unsafe_fault_is_the_worst_and_all_are_counted() -> None:
    fault, count = judge([Departure("eth1", NODE, SECOND)], [FIRST, SECOND], SOURCE, "eth1", PLAIN)
    assert (fault and fault.reason, count) == (Reason.NODE_MASQUERADES, 2)
    assert judge([GOOD], [FIRST, SECOND], SOURCE, "eth1", PLAIN)[1] == 1


@pytest.mark.parametrize(
    ("source", "destination"), [("10.70.112.155", "10.10.10.200"), ("fd70:112::155", "fd10:10:10::200")]
)
def test_the_packet_is_a_whole_one_that_ends_at_the_next_hop(source: str, destination: str) -> None:
    made = packet(ip_address(source), Target(ip_address(destination), 443), NUMBER)
    is_ipv4 = ":" not in source
    header, segment = (made[:20], made[20:]) if is_ipv4 else (made[:40], made[40:])
    addresses = (header[12:16], header[16:20]) if is_ipv4 else (header[8:24], header[24:40])
    assert addresses == (ip_address(source).packed, ip_address(destination).packed)
    assert header[8 if is_ipv4 else 7] == 1, "hop limit"
    assert struct.unpack_from("!HI", segment, 2) == (443, NUMBER)
    assert checksum(b"".join(addresses) + struct.pack("!II", len(segment), 6) + segment) == 0
    assert not is_ipv4 or checksum(header) == 0


@pytest.mark.parametrize("source", ["10.70.112.155", "fd70:112::155"])
def test_the_kernel_lets_no_other_packet_through(source: str) -> None:
    address = ip_address(source)
    other: Address = ip_address("fd70:112::155" if address.version == 4 else "10.70.112.155")
    wanted = packet(address, Target(address, 80), NUMBER)
    not_tcp = bytearray(wanted)
    not_tcp[9 if address.version == 4 else 6] = 17
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        attach_filter(far, frame_filter(address, NUMBER))
        near.settimeout(2)
        far.setblocking(False)
        unwanted = (packet(address, Target(address, 80), NUMBER + 1), packet(other, Target(other, 80), NUMBER))
        for each in (*unwanted, bytes(not_tcp), b"", wanted[:20], wanted):
            near.send(each)
        assert far.recv(256) == wanted
        with pytest.raises(BlockingIOError):
            far.recv(256)


def test_where_nobody_knows_what_is_below_all_interfaces_are_allowed() -> None:
    """As with Open vSwitch outside the kernel."""
    assert judge([GOOD, PORT], [FIRST], SOURCE, "eth1", Wires(None, frozenset({"eth1"}))) == (None, 0)
