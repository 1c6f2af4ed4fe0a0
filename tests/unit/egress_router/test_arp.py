# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What an ARP frame shows about the address (RFC 5227 §2.1.1, §2.4)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from egress_router.arp import read
from egress_router.neighbours import Role, Sighting
from hypothesis import given
from hypothesis import strategies as st

OURS, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ADDRESS, NEIGHBOUR, NOBODY = IPv4Address("10.70.112.155"), IPv4Address("10.70.112.200"), IPv4Address(0)


def frame(mac: bytes, sender: IPv4Address, target: IPv4Address, operation: int = 1) -> bytes:
    head = b"\xff" * 6 + mac + struct.pack("!H", 0x0806)
    return head + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac, sender.packed, bytes(6), target.packed)


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (frame(OTHER, ADDRESS, NEIGHBOUR, 2), Sighting(Role.HOLDS, OTHER, is_answer=True)),
        (frame(OTHER, ADDRESS, ADDRESS), Sighting(Role.HOLDS, OTHER)),
        (frame(OTHER, NOBODY, ADDRESS), Sighting(Role.PROBES, OTHER)),
        (frame(OTHER, NEIGHBOUR, ADDRESS), None),
        (frame(OURS, ADDRESS, ADDRESS), None),
        (frame(OURS, NOBODY, ADDRESS), None),
        (frame(OTHER, NOBODY, NEIGHBOUR), None),
    ],
)
def test_reading(seen: bytes, shown: Sighting | None) -> None:
    assert read(seen, OURS, ADDRESS) == shown
    assert read(seen + bytes(18), OURS, ADDRESS) == shown, "padding to Ethernet's minimum"


@given(st.binary(max_size=80))
def test_no_frame_is_an_error(noise: bytes) -> None:
    assert read(noise, OURS, ADDRESS) is None or len(noise) >= 42


def test_a_sighting_is_shown_as_a_mac_address() -> None:
    assert str(Sighting(Role.HOLDS, OTHER)) == "02:00:00:00:00:02"
