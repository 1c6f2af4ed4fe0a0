# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Subnets by chance (hypothesis), and what they may lease, found by enumeration."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import strategies as st

BASES = {4: int(ipaddress.ip_address("10.70.112.0")), 6: int(ipaddress.ip_address("2001:db8::"))}
WIDTH = {4: 32, 6: 128}


@st.composite
def subnets(draw: st.DrawFn) -> dict[str, Any]:
    """A small subnet with up to three ranges and exclusions, and perhaps a gateway, as ``spec.subnets`` has it."""
    version = draw(st.sampled_from([4, 6]))
    bits = draw(st.integers(0, 5))
    first = BASES[version] + draw(st.integers(0, 3)) * 32
    cidr = ipaddress.ip_network((first, WIDTH[version] - bits))

    def address() -> st.SearchStrategy[str]:
        return st.integers(0, cidr.num_addresses - 1).map(lambda number: str(cidr[number]))

    pairs = draw(st.lists(st.tuples(address(), address()), max_size=3))
    ordered = [sorted(pair, key=ipaddress.ip_address) for pair in pairs]
    return {
        "cidr": str(cidr),
        "ranges": [{"begin": begin, "end": end} for begin, end in ordered],
        "exclude": draw(st.lists(address() | address().map(lambda text: f"{text}/{WIDTH[version] - 1}"), max_size=3)),
        "gateway": draw(st.none() | address()),
    }


def model_of(items: list[dict[str, Any]]) -> set[str]:
    """What the subnets may lease, by enumeration: offered by any of them and kept back by none."""
    offered, kept_back = set(), set()
    for item in items:
        cidr: Any = ipaddress.ip_network(item["cidr"])
        ranges = item["ranges"] or [{"begin": str(cidr[0]), "end": str(cidr[-1])}]
        for block in ranges:
            begin, end = (ipaddress.ip_address(block[key]) for key in ("begin", "end"))
            offered |= {address for address in cidr if begin <= address <= end}
        if cidr.num_addresses > 2:
            kept_back |= {cidr[0]} | ({cidr[-1]} if cidr.version == 4 else set())
        for text in [*item["exclude"], *filter(None, [item["gateway"]])]:
            kept_back |= set(ipaddress.ip_network(text, strict=False))
    return {str(address) for address in offered - kept_back}
