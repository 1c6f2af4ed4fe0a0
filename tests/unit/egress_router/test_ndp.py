# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a neighbour discovery frame shows about the address (RFC 4861 §4.3, §4.4, §7.1, RFC 4862 §5.4)."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address

import pytest
from egress_router.ndp import Message, checksum, frame_filter, frame_of, read, solicited_node
from egress_router.neighbours import Role, Sighting, attach_filter
from hypothesis import example, given
from hypothesis import strategies as st

OURS, OTHER, PROXY = (bytes.fromhex(f"02000000000{number}") for number in (1, 2, 3))
ADDRESS, NEIGHBOUR = IPv6Address("fd70:112::155"), IPv6Address("fd70:112::200")
NOBODY, ALL = IPv6Address("::"), IPv6Address("ff02::1")
ASKS, TELLS, OVERRIDE = 135, 136, 0x20000000
# As Linux 6.18 sends them: duplicate address detection for the address, and the answer to a neighbour that asked.
LINUX_PROBES = bytes.fromhex(
    "3333ff00015502000000000286dd6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff000155"
    "8700448e00000000fd7001120000000000000000000001550e01ad430645735b"
)
LINUX_ANSWERS = bytes.fromhex(
    "7699f1f747d102000000000286dd6000000000203afffd700112000000000000000000000155fd700112000000000000000000000200"
    "8800136f60000000fd7001120000000000000000000001550201020000000002"
)


def told(mac: bytes, sender: IPv6Address = ADDRESS, target: IPv6Address = ADDRESS, option: int | None = 2) -> bytes:
    return frame_of(mac, ALL, sender, Message(TELLS, OVERRIDE, target, option))


def asked(mac: bytes, sender: IPv6Address, target: IPv6Address = ADDRESS) -> bytes:
    return frame_of(mac, solicited_node(target), sender, Message(ASKS, 0, target, 1 if int(sender) else None))


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (LINUX_PROBES, Sighting(Role.PROBES, OTHER)),
        (LINUX_ANSWERS, Sighting(Role.HOLDS, OTHER, is_answer=True)),
        (told(OTHER), Sighting(Role.HOLDS, OTHER, is_answer=True)),
        (told(OTHER, NEIGHBOUR), Sighting(Role.HOLDS, OTHER, is_answer=True)),
        (told(OTHER, option=None), Sighting(Role.HOLDS, OTHER, is_answer=True)),
        (asked(OTHER, ADDRESS, NEIGHBOUR), Sighting(Role.HOLDS, OTHER)),
        (asked(OTHER, NOBODY), Sighting(Role.PROBES, OTHER)),
        (asked(OTHER, NEIGHBOUR), None),
        (told(OTHER, target=NEIGHBOUR, sender=NEIGHBOUR), None),
        (asked(OTHER, NOBODY, NEIGHBOUR), None),
        (told(OURS), None),
        (asked(OURS, NOBODY), None),
        (asked(OURS, ADDRESS, NEIGHBOUR), None),
    ],
)
def test_reading(seen: bytes, shown: Sighting | None) -> None:
    assert read(seen, OURS, ADDRESS) == shown
    assert read(seen + bytes(18), OURS, ADDRESS) == shown, "padding to Ethernet's minimum"


def test_an_advertisement_names_the_holder_and_not_the_sender_of_the_frame() -> None:
    frame = told(OTHER)
    proxied = frame[:6] + PROXY + frame[12:]
    assert read(proxied, OURS, ADDRESS) == Sighting(Role.HOLDS, OTHER, is_answer=True)
    assert read(proxied, OTHER, ADDRESS) is None, "what says that this station has it is no conflict"


@pytest.mark.parametrize(
    ("at", "value"),
    [(21, 254), (55, 1), (56, 0), (14, 0x40), (20, 17), (54, 134), (79, 9)],
    ids=["came by a router", "code", "checksum", "version", "no ICMPv6", "router advertisement", "content"],
)
def test_what_a_station_must_ignore_is_ignored(at: int, value: int) -> None:
    frame = bytearray(LINUX_ANSWERS)
    frame[at] = value
    assert read(bytes(frame), OURS, ADDRESS) is None


@pytest.mark.parametrize("length", range(len(LINUX_ANSWERS)))
def test_a_cut_frame_shows_nothing(length: int) -> None:
    assert read(LINUX_ANSWERS[:length], OURS, ADDRESS) is None


@given(st.binary(max_size=120))
def test_no_frame_is_an_error(noise: bytes) -> None:
    assert read(noise, OURS, ADDRESS) is None


@given(st.binary(max_size=64), st.sampled_from([ASKS, TELLS]))
@example(bytes([2, 0]), TELLS)
def test_no_options_are_an_error(options: bytes, kind: int) -> None:
    """A well-formed frame with anything for options, even one of length 0."""
    body = struct.pack("!BBHI", kind, 0, 0, 0) + ADDRESS.packed + options
    body = body[:2] + struct.pack("!H", checksum(ADDRESS, ALL, body)) + body[4:]
    head = struct.pack("!IHBB16s16s", 6 << 28, len(body), 58, 255, ADDRESS.packed, ALL.packed)
    seen = read(b"\x33\x33\0\0\0\1" + OTHER + b"\x86\xdd" + head + body, OURS, ADDRESS)
    assert seen is None or seen.role is Role.HOLDS


def test_own_frames_are_as_the_kernel_makes_them() -> None:
    kernels = LINUX_ANSWERS[:58] + b"\x20" + LINUX_ANSWERS[59:]
    to, sender = IPv6Address(kernels[38:54]), IPv6Address(kernels[22:38])
    own = frame_of(OTHER, to, sender, Message(TELLS, OVERRIDE, ADDRESS, 2))
    assert (own[14:56], own[58:]) == (kernels[14:56], kernels[58:])
    assert checksum(sender, to, own[54:]) == 0
    assert checksum(sender, to, LINUX_ANSWERS[54:]) == 0


def test_groups() -> None:
    assert solicited_node(IPv6Address("2001:db8::1:2345:6789")) == IPv6Address("ff02::1:ff45:6789")
    assert told(OURS)[:6].hex(":") == "33:33:00:00:00:01"
    assert asked(OURS, NOBODY)[:6].hex(":") == "33:33:ff:00:01:55"


addresses = st.sampled_from([ADDRESS, NEIGHBOUR, NOBODY, *(IPv6Address(int(ADDRESS) ^ 1 << bit) for bit in range(128))])


@given(st.sampled_from([133, ASKS, TELLS]), addresses, addresses)
def test_the_kernel_hands_over_just_what_is_about_the_address(
    kind: int, sender: IPv6Address, target: IPv6Address
) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        attach_filter(there, frame_filter(ADDRESS))
        there.setblocking(False)
        # A socket of this kind tells the sender that the filter refused.
        try:
            here.send(frame_of(OTHER, ALL, sender, Message(kind, 0, target, None)))
            passed = bool(there.recv(256))
        except (BlockingIOError, PermissionError):
            passed = False
    assert passed == (kind in (ASKS, TELLS) and ADDRESS in (sender, target))
