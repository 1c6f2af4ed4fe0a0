# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Addresses, subnets and ranges as people write them, and what each address is for."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Sequence

try:
    import netaddr

    MISSING_NETADDR: str | None = None
except ImportError:
    import traceback

    MISSING_NETADDR = traceback.format_exc()


IPV4, IPV6 = "IPv4", "IPv6"
IP_FAMILIES = (IPV4, IPV6)
"""The address families by the names that Kubernetes gives them (a Service's ``spec.ipFamilies``)."""

_NO_DESTINATIONS = {
    "0.0.0.0/8": "an unspecified address",
    "127.0.0.0/8": "a loopback address",
    "100.100.100.200/32": "where a cloud keeps its metadata",
    "168.63.129.16/32": "where a cloud keeps its metadata",
    "169.254.0.0/16": "a link-local address, where clouds keep their metadata",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": "a reserved or broadcast address",
    "::/128": "an unspecified address",
    "::1/128": "a loopback address",
    "::/8": "an IPv4 address in IPv6's clothes",
    "fd00:ec2::254/128": "where a cloud keeps its metadata",
    "fd20:ce::254/128": "where a cloud keeps its metadata",
    "fe80::/10": "a link-local address, where clouds keep their metadata",
    "ff00::/8": "a multicast address",
    **dict.fromkeys(
        [
            *("100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "4000::/3", "6000::/3", "8000::/3", "a000::/3"),
            *("c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9"),
        ],
        "a reserved address",
    ),
}
"""Blocks of the IANA registries that lead to the node, its neighbours or nobody: those of special purpose (RFC 6890),
and those that are kept for later (RFC 4291 §4). The egress pod refuses the same."""
_PREFIX = re.compile(r"[0-9]{1,3}")
_REMEMBERED = 4096
"""Texts whose meaning is kept: one annotation is asked about some of its own several times, and many share a few."""


def no_addresses() -> netaddr.IPSet:
    """The empty set, to unite subnets in."""
    return netaddr.IPSet()


@lru_cache(maxsize=_REMEMBERED)
def canonical(address: str) -> str | None:
    """The one spelling of an IPv4 or IPv6 address, or None if it is not one.

    >>> canonical("2001:DB8:0::1")
    '2001:db8::1'
    """
    try:
        return str(netaddr.IPAddress(address, flags=netaddr.INET_PTON))
    except (netaddr.AddrFormatError, ValueError):
        return None


def family_of(address: str) -> str:
    """The family of a canonical address."""
    return IPV6 if ":" in address else IPV4


def is_ipv4_in_ipv6(address: str) -> bool:
    """Whether a canonical address is an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2)."""
    return bool(netaddr.IPAddress(address).is_ipv4_mapped())


@lru_cache(maxsize=_REMEMBERED)
def why_no_destination(address: str) -> str | None:
    """What makes a canonical address no place outside the cluster, in two words; None if it may be one."""
    parsed = netaddr.IPAddress(address)
    return next((what for block, what in _no_destinations() if parsed in block), None)


@cache
def _no_destinations() -> list[tuple[netaddr.IPNetwork, str]]:
    return [(netaddr.IPNetwork(block), what) for block, what in _NO_DESTINATIONS.items()]


def subnet(cidr: str) -> netaddr.IPNetwork | None:
    """The network of a CIDR such as ``10.70.112.0/24``, or None if it is not one.

    Address and prefix are read apart: netaddr alone would also take a netmask, blanks and digits of any script.
    """
    text, _slash, bits = cidr.partition("/")
    address = canonical(text)
    if address is None or not _PREFIX.fullmatch(bits):
        return None
    try:
        return netaddr.IPNetwork(f"{address}/{bits}")
    except netaddr.AddrFormatError:  # more bits than the address has
        return None


def network_with(address: str, cidrs: Sequence[str]) -> str | None:
    """The first of some networks that has a canonical address, or None."""
    parsed = netaddr.IPAddress(address)
    return next((cidr for cidr in cidrs if parsed in netaddr.IPNetwork(cidr)), None)


def address_range(begin: str, end: str) -> netaddr.IPRange | None:
    """The range from ``begin`` to ``end``, both included, or None if they do not make one."""
    try:
        return netaddr.IPRange(begin, end, flags=netaddr.INET_PTON)
    except (netaddr.AddrFormatError, ValueError):
        return None


def address_or_subnet(text: str) -> netaddr.IPNetwork | None:
    """An exclusion: one address or one CIDR."""
    address = canonical(text)
    return netaddr.IPNetwork(address) if address else subnet(text)
