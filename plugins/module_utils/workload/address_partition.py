# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Set arithmetic over addresses with integers: all addresses cut into pieces, a bit for each."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from typing import Iterable, Iterator

from ..api.address_spans import ALL, Spans

with suppress(ImportError):  # ``addresses`` tells of it
    import netaddr


class Partition:
    """All addresses of both families, cut into pieces so that each of some sets is a union of whole pieces.

    A set is then an integer with a bit for each piece, and set arithmetic is that of integers: a thousand unions and
    intersections cost less than one of netaddr's.
    """

    def __init__(self, sets: Iterable[Spans]) -> None:
        spans = [span for each in (ALL, *sets) for span in each]
        starts = {(span.version, span.first) for span in spans}
        self._cuts = sorted(starts | {(span.version, span.last + 1) for span in spans})
        self.everything = self.mask(ALL)

    def mask(self, addresses: Spans) -> int:
        """The integer that stands for one of the sets that the pieces were cut for."""
        total = 0
        for span in addresses:
            begin = bisect_left(self._cuts, (span.version, span.first))
            end = bisect_left(self._cuts, (span.version, span.last + 1))
            total |= (1 << end) - (1 << begin)
        return total

    def blocks(self, mask: int) -> Iterator[str]:
        """The CIDRs that make up a set, in ascending order, neighbours joined."""
        begin = 0
        while mask >> begin:
            begin += _trailing_zeros(mask >> begin)
            end = begin + _trailing_zeros(~(mask >> begin))
            (version, first), (_version, after) = self._cuts[begin], self._cuts[end]
            yield from map(
                str,
                netaddr.iprange_to_cidrs(netaddr.IPAddress(first, version), netaddr.IPAddress(after - 1, version)),
            )
            begin = end


def _trailing_zeros(mask: int) -> int:
    """How many of the lowest bits of an integer that is not 0 are 0."""
    return (mask & -mask).bit_length() - 1
