# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the capture makes of a frame."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest

from tests.support.capture import Packet, packet

POD, REMOTE = ip_address("fd70:112::100").packed, ip_address("fd10:10:10::200").packed
TCP = b"\x12\x34" + bytes(18)
PAD = b"\x01\x04" + bytes(4)


def _icmpv6(kind: int) -> bytes:
    return bytes([kind]) + bytes(23)


def _ipv6(header: int, payload: bytes) -> bytes:
    fixed = struct.pack("!IHBB", 6 << 28, len(payload), header, 64)
    return bytes(12) + b"\x86\xdd" + fixed + POD + REMOTE + payload


def _ipv4(protocol: int, payload: bytes) -> bytes:
    fixed = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    addresses = bytes([10, 70, 112, 100, 10, 10, 10, 200])
    return bytes(12) + b"\x08\x00" + fixed + addresses + payload


def test_an_ipv4_packet_has_its_addresses() -> None:
    assert packet(_ipv4(socket.IPPROTO_TCP, TCP)) == Packet(
        bytes([10, 70, 112, 100]), bytes([10, 10, 10, 200]), is_error=False
    )


@pytest.mark.parametrize(("kind", "is_error"), [(3, True), (5, True), (11, True), (0, False), (8, False)])
def test_an_icmp_message_is_an_error_by_its_type(kind: int, is_error: bool) -> None:
    seen = packet(_ipv4(socket.IPPROTO_ICMP, bytes([kind]) + bytes(7)))
    assert seen is not None
    assert seen.is_error is is_error


def test_an_ipv6_packet_has_its_addresses() -> None:
    assert packet(_ipv6(socket.IPPROTO_TCP, TCP)) == Packet(POD, REMOTE, is_error=False)


@pytest.mark.parametrize(
    ("kind", "is_error"), [(1, True), (2, True), (3, True), (4, True), (137, True), (128, False), (129, False)]
)
def test_an_icmpv6_message_is_an_error_by_its_type(kind: int, is_error: bool) -> None:
    assert packet(_ipv6(socket.IPPROTO_ICMPV6, _icmpv6(kind))) == Packet(POD, REMOTE, is_error)


@pytest.mark.parametrize("kind", [133, 134, 135, 136, 143])
def test_what_neighbours_say_among_themselves_is_no_packet(kind: int) -> None:
    assert packet(_ipv6(socket.IPPROTO_ICMPV6, _icmpv6(kind))) is None


@pytest.mark.parametrize(
    ("header", "extension"),
    [
        (0, bytes([socket.IPPROTO_ICMPV6, 0]) + PAD),
        (60, bytes([socket.IPPROTO_ICMPV6, 1]) + PAD + bytes(8)),
        (44, bytes([socket.IPPROTO_ICMPV6, 0, 0, 1]) + bytes(4)),
    ],
    ids=["hop-by-hop", "two units of options", "first fragment"],
)
def test_an_error_is_found_behind_extension_headers(header: int, extension: bytes) -> None:
    assert packet(_ipv6(header, extension + _icmpv6(1))) == Packet(POD, REMOTE, is_error=True)


def test_a_listener_report_behind_its_router_alert_is_no_packet() -> None:
    alert = bytes([socket.IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0])
    assert packet(_ipv6(0, alert + _icmpv6(143))) is None


def test_a_later_fragment_is_a_packet_whatever_it_begins_with() -> None:
    fragment = bytes([socket.IPPROTO_ICMPV6, 0, 0x05, 0xA8]) + bytes(4)
    assert packet(_ipv6(44, fragment + _icmpv6(135))) == Packet(POD, REMOTE, is_error=False)


def test_an_extension_that_points_beyond_the_frame_still_has_its_addresses() -> None:
    assert packet(_ipv6(0, bytes([socket.IPPROTO_ICMPV6, 255]) + PAD)) == Packet(POD, REMOTE, is_error=False)


def test_a_packet_without_content_counts_too() -> None:
    for frame in (_ipv4(socket.IPPROTO_ICMP, b""), _ipv6(socket.IPPROTO_ICMPV6, b"")):
        seen = packet(frame)
        assert seen is not None
        assert not seen.is_error


@pytest.mark.parametrize("frame", [b"", bytes(12) + b"\x08\x06" + bytes(46), bytes(12) + b"\x86\xdd" + bytes(10)])
def test_other_and_cut_frames_are_no_packets(frame: bytes) -> None:
    assert packet(frame) is None
