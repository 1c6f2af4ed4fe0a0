# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The addresses of a test, in one family."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_interface

import pytest


@dataclass(frozen=True)
class Net:
    """All addresses of a test. ``bits``: an address' length; ``lan``, ``pods``: the subnets' lengths.

    ``far``: a remote application behind ``gateway``, which has ``far_gateway`` there. ``elsewhere``: the beginning of
    addresses on another LAN. ``routed``: an address on no link.
    """

    version: int
    source: str
    second_source: str
    remote: str
    second_remote: str
    node: str
    client: str
    pod: str
    bridge: str
    bridge_bits: str
    bits: int
    lan: int
    pods: int
    gateway: str
    far: str
    far_gateway: str
    elsewhere: str
    routed: str

    def __str__(self) -> str:
        return f"IPv{self.version}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET if self.version == 4 else socket.AF_INET6

    @property
    def nobody(self) -> str:
        """The sender of one that has no address yet (RFC 5227, RFC 4862)."""
        return "0.0.0.0" if self.version == 4 else "::"

    @property
    def record(self) -> str:
        """The type of a name's answer."""
        return "A" if self.version == 4 else "AAAA"

    @property
    def subnet(self) -> str:
        """The LAN's."""
        return str(ip_interface(f"{self.source}/{self.lan}").network)

    def to_far(self, **more: str) -> dict[str, str]:
        """The contract of a router whose destination is behind the gateway, which it is told."""
        ports = f"80/tcp={self.at(self.far, 8080)},53/udp={self.at(self.far, 5353)}"
        contract = {"EGRESS_PORTS": ports, "EGRESS_DESTINATION": self.far}
        return contract | {"EGRESS_GATEWAY": self.gateway, "EGRESS_SUBNET": self.subnet} | more

    def by_route(self, **more: str) -> dict[str, str]:
        """The same contract for a routed source."""
        return self.to_far(EGRESS_MODE="routed", EGRESS_SOURCE=self.routed, EGRESS_SUBNET="") | more

    def at(self, address: str, port: int) -> str:
        """As in EGRESS_PORTS."""
        return f"{address}:{port}" if self.version == 4 else f"[{address}]:{port}"


V4 = Net(
    version=4,
    source="10.70.112.155",
    second_source="10.70.112.156",
    remote="10.70.112.200",
    second_remote="10.70.112.201",
    node="10.70.112.6",
    client="10.129.0.1",
    pod="10.129.0.229",
    bridge="172.18.0.1",
    bridge_bits="16",
    bits=32,
    lan=24,
    pods=24,
    gateway="10.70.112.1",
    far="10.10.10.200",
    far_gateway="10.10.10.1",
    elsewhere="192.168.50.",
    routed="198.51.100.155",
)
V6 = Net(
    version=6,
    source="fd70:112::155",
    second_source="fd70:112::156",
    remote="fd70:112::200",
    second_remote="fd70:112::201",
    node="fd70:112::6",
    client="fd00:244:1::1",
    pod="fd00:244:1::229",
    bridge="fd00:172:18::1",
    bridge_bits="64",
    bits=128,
    lan=64,
    pods=64,
    gateway="fd70:112::1",
    far="fd10:10:10::200",
    far_gateway="fd10:10:10::1",
    elsewhere="fd50::",
    routed="2001:db8:51::155",
)
SOURCE, REMOTE, POD = V4.source, V4.remote, V4.pod
# A test with this mark runs in both families; others in IPv4, unless they name one.
both_families = pytest.mark.parametrize("net", [V4, V6], ids=str)
ipv6 = pytest.mark.parametrize("net", [V6], ids=str)
