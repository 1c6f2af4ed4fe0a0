# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Set arithmetic over addresses with integers: all addresses cut into pieces, a bit for each."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from typing import Iterable, Iterator

from ..api.addresses import all_addresses

with suppress(ImportError):  # ``addresses`` tells of it
    import netaddr


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
