# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Sets of addresses as spans of integers: as many as people wrote, however many blocks would make one up.

One IPv6 range may be 252 blocks, and a set of blocks is put in order anew by each that is added.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from typing import Iterable, NamedTuple, Tuple

with suppress(ImportError):  # ``addresses`` tells of it
    import netaddr


class Span(NamedTuple):
    """The addresses of one family from ``first`` to ``last``, both included."""

    version: int
    first: int
    last: int


Spans = Tuple[Span, ...]
"""A set of addresses: spans in ascending order that neither overlap nor touch."""

ALL: Spans = (Span(4, 0, 2**32 - 1), Span(6, 0, 2**128 - 1))


def spans(blocks: Iterable[netaddr.IPNetwork | netaddr.IPRange]) -> Spans:
    """The union of some blocks and ranges."""
    found: list[Span] = []
    for each in sorted(Span(block.version, block.first, block.last) for block in blocks):
        former = found[-1] if found else None
        if former and former.version == each.version and each.first <= former.last + 1:
            found[-1] = former._replace(last=max(former.last, each.last))
        else:
            found.append(each)
    return tuple(found)


def has(found: Spans, address: str) -> bool:
    """Whether a canonical address is in a set."""
    parsed = netaddr.IPAddress(address)
    one = Span(parsed.version, int(parsed), int(parsed))
    place = bisect_right(found, (one.version, one.first, ALL[-1].last))
    return place > 0 and found[place - 1].version == one.version and one.last <= found[place - 1].last
