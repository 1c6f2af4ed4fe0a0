# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What differs between IPv4 and IPv6, in one place. One router has one family: that of EGRESS_SOURCE."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Family:
    """The names that one family has in the tools which the router uses.

    ``bits``: an address' length; ``nft``, ``nft_address``, ``icmp``: nftables' protocol, type and ``l4proto``;
    ``sysctl``: its folder under /proc/sys/net; ``forwarding``: the file there that turns a namespace into a router;
    ``record_type``: its DNS type; ``route_groups``: the netlink multicast groups
    of its addresses, routes, rules and per-interface settings as a bit mask (linux/rtnetlink.h); ``example`` and
    ``bridge``: for messages, and the default next hop as BRIDGE_IP_ADDR and BRIDGE_NETMASK.
    """

    version: int
    socket: int
    bits: int
    nft: str
    nft_address: str
    icmp: str
    sysctl: str
    forwarding: str
    default_route: str
    record_type: int
    route_groups: int
    example: str
    bridge: tuple[str, str]

    def __str__(self) -> str:
        return f"IPv{self.version}"

    def host(self, address: Address) -> str:
        """The network that holds ``address`` alone."""
        return f"{address}/{self.bits}"


IPV4: Final = Family(
    version=4,
    socket=socket.AF_INET,
    bits=32,
    nft="ip",
    nft_address="ipv4_addr",
    icmp="icmp",
    sysctl="ipv4",
    forwarding="ipv4/ip_forward",
    default_route="0.0.0.0/0",
    record_type=1,
    route_groups=1 << 4 | 1 << 6 | 1 << 7 | 1 << 23,
    example="10.70.112.155",
    # The article: "the default for which is 172.18.0.1", "the default for which is 16".
    bridge=("172.18.0.1", "16"),
)
IPV6: Final = Family(
    version=6,
    socket=socket.AF_INET6,
    bits=128,
    nft="ip6",
    nft_address="ipv6_addr",
    icmp="icmpv6",
    sysctl="ipv6",
    forwarding="ipv6/conf/all/forwarding",
    default_route="::/0",
    record_type=28,
    route_groups=1 << 8 | 1 << 10 | 1 << 18 | 1 << 24,
    example="2001:db8::155",
    bridge=("fd00:172:18::1", "64"),
)


def family_of(address: Address) -> Family:
    """The family that ``address`` belongs to."""
    return IPV4 if address.version == 4 else IPV6
