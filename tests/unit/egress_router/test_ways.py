# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which ways lead out, and which stations of the LAN they go by."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from egress_router.config import parse
from egress_router.ways import Way, gateway_of, next_hops, ways

ENVIRONMENT = {"EGRESS_SOURCE": "10.70.112.155", "EGRESS_PORTS": "80/tcp=10.10.10.200:80"}
LAN, ALL, FAR = (ip_network(text) for text in ("10.70.112.0/24", "0.0.0.0/0", "10.10.0.0/16"))
GATEWAY, OTHER = ip_address("10.70.112.1"), ip_address("10.70.112.2")
OF_THE_NODE = (Way(ALL, OTHER), Way(FAR, GATEWAY), Way(LAN, None))


def test_the_networks_gateway_leads_everywhere_but_to_the_subnet() -> None:
    config = parse(ENVIRONMENT | {"EGRESS_GATEWAY": str(GATEWAY), "EGRESS_SUBNET": str(LAN)})
    assert set(ways(config, None, OF_THE_NODE)) == {Way(LAN, None), Way(ALL, GATEWAY)}


def test_without_a_subnet_that_of_the_uplink_is_the_lan() -> None:
    config = parse(ENVIRONMENT | {"EGRESS_GATEWAY": str(GATEWAY)})
    assert set(ways(config, LAN, ())) == {Way(LAN, None), Way(ALL, GATEWAY)}
    assert set(ways(config, None, ())) == {Way(ALL, GATEWAY)}


def test_without_a_gateway_the_nodes_routes_lead() -> None:
    assert set(ways(parse(ENVIRONMENT), LAN, OF_THE_NODE)) == {Way(LAN, None), Way(ALL, OTHER), Way(FAR, GATEWAY)}


def test_each_network_has_one_way() -> None:
    found = ways(parse(ENVIRONMENT), LAN, (Way(ALL, OTHER), Way(ALL, GATEWAY), Way(LAN, OTHER)))
    assert [way.to for way in found].count(ALL) == 1
    assert Way(LAN, None) in found


def test_the_gateway_is_that_of_the_default_route() -> None:
    assert gateway_of(OF_THE_NODE) == OTHER
    assert gateway_of((Way(LAN, None),)) is None


def test_next_hops_are_gateways_and_destinations_on_the_lan() -> None:
    on_lan, far, nowhere = (ip_address(text) for text in ("10.70.112.200", "10.10.10.200", "192.0.2.1"))
    assert next_hops((Way(LAN, None), Way(FAR, GATEWAY)), (on_lan, far, nowhere)) == (GATEWAY, on_lan)
    assert next_hops((), (on_lan,)) == ()


def test_a_routed_source_has_no_lan_so_all_goes_to_the_gateway() -> None:
    config = parse(ENVIRONMENT | {"EGRESS_MODE": "routed", "EGRESS_GATEWAY": "192.0.2.1", "EGRESS_SUBNET": str(LAN)})
    assert ways(config, LAN, OF_THE_NODE) == (Way(ALL, ip_address("192.0.2.1")),)
