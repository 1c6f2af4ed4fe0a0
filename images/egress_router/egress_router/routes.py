# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Reads route netlink's messages about routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any, Final

from egress_router.family import Address, Family, Network

# linux/rtnetlink.h
RTN_UNICAST: Final = 1
_RTNH_DEAD_OR_LINK_DOWN: Final = 0x01 | 0x10


def destination(route: Any, family: Family) -> Network:
    """The network that a route leads to."""
    address = route.get_attr("RTA_DST")
    return ip_network(f"{address}/{route['dst_len']}" if address else family.default_route)


def hops(route: Any, *, alive: bool = False) -> Iterator[tuple[int | None, Address | None]]:
    """Interface index and gateway of each of a route's next hops; if ``alive``, of those whose link is up."""
    several = route.get_attr("RTA_MULTIPATH")
    for hop in (route,) if several is None else several:
        if not (alive and hop["flags"] & _RTNH_DEAD_OR_LINK_DOWN):
            yield route.get_attr("RTA_OIF") if several is None else hop["oif"], _gateway(hop)


def default_hops(routes: Iterable[Any], family: Family) -> list[tuple[int, Address]]:
    """Interface index and gateway of each next hop of the default routes whose link is up, the best first."""
    of_all = (route for route in routes if route["type"] == RTN_UNICAST and not destination(route, family).prefixlen)
    return [
        (index, gateway)
        for route in sorted(of_all, key=lambda route: route.get_attr("RTA_PRIORITY") or 0)
        for index, gateway in hops(route, alive=True)
        if index is not None and gateway is not None
    ]


def _gateway(hop: Any) -> Address | None:
    text = hop.get_attr("RTA_GATEWAY")
    return ip_address(text) if text else None
