# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The addresses that a network may lease: sorted ranges, and the order in which they are tried."""

from __future__ import annotations

import random
import socket
from bisect import bisect_right
from contextlib import suppress
from itertools import accumulate, chain
from typing import Callable, Collection, Container, Iterable, Iterator, Sequence

from ..api.addresses import IPV4, IPV6, family_of

with suppress(ImportError):  # ``addresses`` tells of it
    import netaddr

MOST_DRAWS = 1000
"""Where one address in a hundred is free, so many draws miss all of them once in 20,000 times; they take 1 ms."""
_VERSIONS = {IPV4: 4, IPV6: 6}
_SOCKET_FAMILIES = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}


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
