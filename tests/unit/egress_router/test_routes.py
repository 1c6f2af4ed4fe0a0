# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The gateways that the node's default routes lead to."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from egress_router.family import IPV4
from egress_router.routes import default_hops
from egress_router.rtnetlink import Message

LINK_DOWN = 0x10
FIRST, SECOND, THIRD = (ip_address(f"192.0.2.{number}") for number in (1, 2, 3))


def route(to: str | None = None, kind: int = 1, flags: int = 0, **attributes: Any) -> Message:
    """A route, the default one unless told otherwise, of the type unicast."""
    fields = {"dst_len": 0 if to is None else 24, "type": kind, "flags": flags}
    return Message(fields, {f"RTA_{name.upper()}": value for name, value in attributes.items()} | {"RTA_DST": to})


def hop(index: int, gateway: str, flags: int = 0) -> Message:
    return Message({"oif": index, "flags": flags}, {"RTA_GATEWAY": gateway})


def test_the_default_route_of_the_lowest_metric_comes_first() -> None:
    routes = [
        route(oif=2, gateway=str(FIRST), priority=100),
        route(oif=3, gateway=str(SECOND)),
        route("10.0.0.0", oif=4, gateway=str(THIRD)),
        route(kind=7, priority=0),
    ]
    assert default_hops(routes, IPV4) == [(3, SECOND), (2, FIRST)]


def test_of_several_next_hops_those_whose_link_is_up_lead() -> None:
    hops = [hop(2, str(FIRST), LINK_DOWN), hop(3, str(SECOND)), hop(4, str(THIRD))]
    assert default_hops([route(multipath=hops)], IPV4) == [(3, SECOND), (4, THIRD)]


def test_a_route_without_a_gateway_leads_nowhere() -> None:
    assert default_hops([route(oif=2)], IPV4) == []
    assert default_hops([route(oif=2, gateway=str(FIRST), flags=LINK_DOWN)], IPV4) == []
    assert default_hops([], IPV4) == []
