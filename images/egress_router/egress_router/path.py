# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How a router's packets are to go, by what it is told and by what the node's own routes say."""

from __future__ import annotations

from ipaddress import ip_network

from egress_router import faults
from egress_router.config import Config
from egress_router.family import Address
from egress_router.faults import Fault, Faulty
from egress_router.link import Path
from egress_router.uplink import Uplink, Uplinks
from egress_router.ways import Way, ways


def path_of(
    config: Config, uplinks: Uplinks, uplink: Uplink, destinations: frozenset[Address]
) -> tuple[Path, Fault | None]:
    """The path, and a fault with some of the destinations; raise ``Faulty`` if none is to be reached so."""
    source, own = config.source, uplink.own
    network = own.network if own is not None and source in own.network else None
    if config.gateway is not None:
        return Path(uplink, ways(config, network, ()), destinations), None
    if config.is_routed:
        return _by_default(config, uplinks, uplink, destinations), None
    wrong = [what for to in sorted(destinations, key=str) if (what := uplinks.leads_by(uplink, to))]
    fault = faults.wrong_route(source, wrong[0]) if wrong else None
    if fault is not None and len(wrong) == len(destinations):
        raise Faulty(fault)
    return Path(uplink, ways(config, network, uplinks.ways(uplink)), destinations), fault


def _by_default(config: Config, uplinks: Uplinks, uplink: Uplink, destinations: frozenset[Address]) -> Path:
    """A routed source's where no gateway is given: all by the gateway of the node's default route.

    Of several default routes one is taken; what comes back may come by any of them.
    """
    gateway, entrances = uplinks.default(uplink)
    if gateway is None:
        what = f"the node has no default route by a gateway on its uplink {uplink.name}"
        raise Faulty(faults.no_way_out(config.source, what))
    everywhere = ip_network(config.family.default_route)
    return Path(uplink, (Way(everywhere, gateway),), destinations, entrances)
