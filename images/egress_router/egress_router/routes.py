# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Reads route netlink's messages about routes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from egress_router.family import Address, Family, Network


def destination(route: Any, family: Family) -> Network:
    """The network that a route leads to."""
    address = route.get_attr("RTA_DST")
    return ip_network(f"{address}/{route['dst_len']}" if address else family.default_route)


def hops(route: Any) -> Iterator[tuple[int | None, Address | None]]:
    """Interface index and gateway of each of a route's next hops."""
    several = route.get_attr("RTA_MULTIPATH")
    if several is None:
        yield route.get_attr("RTA_OIF"), _gateway(route)
        return
    for hop in several:
        yield hop["oif"], _gateway(hop)


def _gateway(hop: Any) -> Address | None:
    text = hop.get_attr("RTA_GATEWAY")
    return ip_address(text) if text else None
