# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The ways from EGRESS_SOURCE to the outside: what is on the uplink's LAN, and which gateway leads further.

Pure. The network's gateway decides, if it is given; else the node's own routes by the uplink do. A routed source has
no LAN: all of its packets go to one gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from egress_router.config import Config
from egress_router.family import Address, Network


@dataclass(frozen=True)
class Way:
    """A route: by a gateway, or for None to a station of the LAN itself."""

    to: Network
    gateway: Address | None


def ways(config: Config, own: Network | None, of_the_node: Iterable[Way]) -> tuple[Way, ...]:
    """The routes of the router's packets, one for each network, sorted.

    ``own``: the uplink's network with EGRESS_SOURCE, if it has one. ``of_the_node``: the node's routes by the uplink.
    """
    subnet = None if config.is_routed else config.subnet or own
    found = {subnet: Way(subnet, None)} if subnet is not None else {}
    if config.gateway is not None:
        default = ip_network(config.family.default_route)
        found[default] = Way(default, config.gateway)
    else:
        for way in of_the_node:
            found.setdefault(way.to, way)
    return tuple(sorted(found.values(), key=lambda way: str(way.to)))


def gateway_of(ways: Iterable[Way]) -> Address | None:
    """The gateway of the default route, if there is one."""
    return next((way.gateway for way in ways if way.to.prefixlen == 0), None)


def next_hops(ways: Iterable[Way], destinations: Iterable[Address]) -> tuple[Address, ...]:
    """The stations of the LAN that frames to the destinations go to, sorted; a destination without a way has none."""
    ways = sorted(ways, key=lambda way: way.to.prefixlen, reverse=True)
    found: set[Address] = {way.gateway for way in ways if way.gateway is not None}
    for destination in destinations:
        way = next((way for way in ways if destination in way.to), None)
        if way is not None and way.gateway is None:
            found.add(destination)
    return tuple(sorted(found, key=lambda address: address.packed))
