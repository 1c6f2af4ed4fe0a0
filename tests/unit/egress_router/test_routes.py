# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The gateway that the node's default route leads to."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from egress_router.family import IPV4
from egress_router.routes import next_hop
from egress_router.rtnetlink import Message

LINK_DOWN = 0x10
FIRST, SECOND, THIRD = (ip_address(f"192.0.2.{number}") for number in (1, 2, 3))


def route(to: str | None = None, kind: int = 1, flags: int = 0, **attributes: Any) -> Message:
    """A route, the default one unless told otherwise, of the type unicast."""
    fields = {"dst_len": 0 if to is None else 24, "type": kind, "flags": flags}
    return Message(fields, {f"RTA_{name.upper()}": value for name, value in attributes.items()} | {"RTA_DST": to})


def hop(index: int, gateway: str, flags: int = 0) -> Message:
    return Message({"oif": index, "flags": flags}, {"RTA_GATEWAY": gateway})


def test_the_default_route_of_the_lowest_metric_leads() -> None:
    routes = [
        route(oif=2, gateway=str(FIRST), priority=100),
        route(oif=3, gateway=str(SECOND)),
        route("10.0.0.0", oif=4, gateway=str(THIRD)),
        route(kind=7, priority=0),
    ]
    assert next_hop(routes, IPV4, None) == (3, SECOND)
    assert next_hop(routes, IPV4, 2) == (2, FIRST), "by the interface that is asked for"
    assert next_hop(routes, IPV4, 4) is None


def test_of_several_next_hops_the_first_whose_link_is_up_leads() -> None:
    hops = [hop(2, str(FIRST), LINK_DOWN), hop(3, str(SECOND)), hop(4, str(THIRD))]
    assert next_hop([route(multipath=hops)], IPV4, None) == (3, SECOND)
    assert next_hop([route(multipath=hops)], IPV4, 4) == (4, THIRD)
    assert next_hop([route(multipath=hops)], IPV4, 2) is None


def test_a_route_without_a_gateway_leads_nowhere() -> None:
    assert next_hop([route(oif=2)], IPV4, None) is None
    assert next_hop([route(oif=2, gateway=str(FIRST), flags=LINK_DOWN)], IPV4, None) is None
    assert next_hop([], IPV4, None) is None
