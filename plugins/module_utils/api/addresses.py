# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Sets of addresses: which ones a network may lease, and in what order they are tried."""

from __future__ import annotations

import random
import re
import socket
from bisect import bisect_left, bisect_right
from functools import cache, lru_cache
from itertools import accumulate, chain
from typing import Callable, Collection, Container, Iterable, Iterator, Sequence

try:
    import netaddr

    MISSING_NETADDR: str | None = None
except ImportError:
    import traceback

    MISSING_NETADDR = traceback.format_exc()

MOST_DRAWS = 1000
"""Where one address in a hundred is free, so many draws miss all of them once in 20,000 times; they take 1 ms."""

IPV4, IPV6 = "IPv4", "IPv6"
IP_FAMILIES = (IPV4, IPV6)
"""The address families by the names that Kubernetes gives them (a Service's ``spec.ipFamilies``)."""

_NO_DESTINATIONS = {
    "0.0.0.0/8": "an unspecified address",
    "127.0.0.0/8": "a loopback address",
    "169.254.0.0/16": "a link-local address, where clouds keep their metadata",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": "a reserved or broadcast address",
    "::/128": "an unspecified address",
    "::1/128": "a loopback address",
    "::/8": "an IPv4 address in IPv6's clothes",
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
_VERSIONS = {IPV4: 4, IPV6: 6}
_SOCKET_FAMILIES = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
_PREFIX = re.compile(r"[0-9]{1,3}")
_REMEMBERED = 4096
"""Texts whose meaning is kept: one annotation is asked about some of its own several times, and many share a few."""


class AddressPool:
    """The addresses a network may lease, as sorted, disjoint integer ranges.

    Built from ranges, never expanded: a /64 costs as much as a /30.
    """

    def __init__(self, leasable: Iterable[netaddr.IPRange]) -> None:
        self._blocks = tuple(leasable)
        self._ranges = [(block.first, block.last, block.version) for block in self._blocks]
        self._starts = [(version, first) for first, _last, version in self._ranges]
        self._ends = list(accumulate(last - first + 1 for first, last, _version in self._ranges))

    def of(self, ip_family: str) -> AddressPool:
        """Those of one family."""
        return AddressPool(block for block in self._blocks if block.version == _VERSIONS[ip_family])

    def without(self, kept_back: Collection[str]) -> AddressPool:
        """Those that are none of ``kept_back``, canonical addresses; this very pool where it has none of them."""
        mine = netaddr.IPSet(address for address in kept_back if address in self)
        return AddressPool((self._set() - mine).iter_ipranges()) if mine else self

    def shared_with(self, other: AddressPool) -> AddressPool:
        """Those that ``other`` has too."""
        pairs = ((mine, its) for mine in self._ranges for its in other._ranges if mine[2] == its[2])
        common = ((max(mine[0], its[0]), min(mine[1], its[1]), mine[2]) for mine, its in pairs)
        return AddressPool(
            netaddr.IPRange(netaddr.IPAddress(first, version), netaddr.IPAddress(last, version))
            for first, last, version in common
            if first <= last
        )

    def less(self, other: AddressPool) -> AddressPool:
        """Those that ``other`` has not."""
        return AddressPool((self._set() - other._set()).iter_ipranges())

    def _set(self) -> netaddr.IPSet:
        found = netaddr.IPSet()
        for block in self._blocks:
            found.add(block)
        return found

    @property
    def size(self) -> int:
        """How many they are; not ``len()``, which ends at 2^63 - 1."""
        return self._ends[-1] if self._ends else 0

    def __contains__(self, address: str) -> bool:
        """Without netaddr, in a tenth of the time: a network's figures ask this of each address that is held."""
        ip_family = family_of(address)
        try:
            value = int.from_bytes(socket.inet_pton(_SOCKET_FAMILIES[ip_family], address), "big")
        except (OSError, ValueError):
            return False  # no address at all
        number = bisect_right(self._starts, (_VERSIONS[ip_family], value)) - 1
        if number < 0:
            return False
        _first, last, version = self._ranges[number]
        return bool(version == _VERSIONS[ip_family] and value <= last)

    def at_random(self, taken: Container[str], random_below: Callable[[int], int] = random.randrange) -> Iterator[str]:
        """Every address not in ``taken`` once, each as likely as any other to be next while one in a hundred is free.

        They are drawn, as long as that is cheap: in a walk from a random start the address after the longest run of
        taken ones is the likeliest, and concurrent claimants meet at it. A walk then finds what the draws have missed.
        ``random_below`` gives a number from 0 to below its argument.
        """
        given: set[str] = set()
        for _draw in range(min(self.size, MOST_DRAWS)):
            address = self._at(random_below(self.size))
            if address not in given and address not in taken:
                given.add(address)
                yield address
        start = random_below(self.size) if self.size else 0
        yield from (address for address in self.candidates(taken, start) if address not in given)

    def candidates(self, taken: Container[str], start: int) -> Iterator[str]:
        """Every address not in ``taken`` once, from the ``start``-th on and round to the beginning."""
        for address in chain(self._between(start, self.size), self._between(0, start)):
            if address not in taken:
                yield address

    def _at(self, place: int) -> str:
        """The address at one place among all of them."""
        number = bisect_right(self._ends, place)
        _first, last, version = self._ranges[number]
        return _written(last - (self._ends[number] - 1 - place), version)

    def _between(self, begin: int, end: int) -> Iterator[str]:
        """From one place among all addresses to before another."""
        for number in range(bisect_right(self._ends, begin), len(self._ranges)):
            first, last, version = self._ranges[number]
            place = self._ends[number] - 1 - (last - first)  # of the range's first address
            if place >= end:
                return
            for value in range(first + max(0, begin - place), min(last, first + end - 1 - place) + 1):
                yield _written(value, version)


def _written(value: int, version: int) -> str:
    """As netaddr writes it, IPv4 in a tenth of the time: a claim in a full network passes thousands of them over."""
    if version == 4:
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
    return str(netaddr.IPAddress(value, version))


class Partition:
    """All addresses of both families, cut into pieces so that each of some sets is a union of whole pieces.

    A set is then an integer with a bit for each piece, and set arithmetic is that of integers: a thousand unions and
    intersections cost less than one of netaddr's.
    """

    def __init__(self, sets: Iterable[netaddr.IPSet]) -> None:
        blocks = [block for each in (all_addresses(), *sets) for block in each.iter_ipranges()]
        starts = {(block.version, block.first) for block in blocks}
        self._cuts = sorted(starts | {(block.version, block.last + 1) for block in blocks})
        self.everything = self.mask(all_addresses())

    def mask(self, addresses: netaddr.IPSet) -> int:
        """The integer that stands for one of the sets that the pieces were cut for."""
        total = 0
        for block in addresses.iter_ipranges():
            begin = bisect_left(self._cuts, (block.version, block.first))
            end = bisect_left(self._cuts, (block.version, block.last + 1))
            total |= (1 << end) - (1 << begin)
        return total

    def blocks(self, mask: int) -> Iterator[str]:
        """The CIDRs that make up a set, in ascending order, neighbours joined."""
        begin = 0
        while mask >> begin:
            begin += _trailing(mask >> begin, 0)
            end = begin + _trailing(mask >> begin, 1)
            (version, first), (_version, after) = self._cuts[begin], self._cuts[end]
            yield from map(
                str,
                netaddr.iprange_to_cidrs(netaddr.IPAddress(first, version), netaddr.IPAddress(after - 1, version)),
            )
            begin = end


def _trailing(mask: int, bit: int) -> int:
    """How many of the lowest bits are ``bit``."""
    return len(f"{mask:b}") - len(f"{mask:b}".rstrip(str(bit)))


def no_addresses() -> netaddr.IPSet:
    """The empty set, to unite subnets in."""
    return netaddr.IPSet()


def all_addresses() -> netaddr.IPSet:
    """Both families whole."""
    return netaddr.IPSet(["0.0.0.0/0", "::/0"])


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


def offered(cidr: netaddr.IPNetwork, ranges: Sequence[netaddr.IPRange]) -> netaddr.IPSet:
    """What a subnet offers for leasing: its ranges, or all of it where none are given."""
    found = netaddr.IPSet()
    for block in ranges or [cidr]:
        found.add(block)
    return found


def withheld(cidr: netaddr.IPNetwork, excluded: Iterable[netaddr.IPNetwork]) -> netaddr.IPSet:
    """What of a subnet is never leased: its own addresses and the exclusions."""
    return netaddr.IPSet([*_own_addresses(cidr), *excluded])


def _own_addresses(cidr: netaddr.IPNetwork) -> list[netaddr.IPAddress]:
    """The network and broadcast address (RFC 919), or the subnet-router anycast address (RFC 4291 §2.6.1)."""
    point_to_point = cidr.prefixlen >= (31 if cidr.version == 4 else 127)  # RFC 3021, RFC 6164
    if point_to_point:
        return []
    last = [netaddr.IPAddress(cidr.last, 4)] if cidr.version == 4 else []
    return [netaddr.IPAddress(cidr.first, cidr.version), *last]
