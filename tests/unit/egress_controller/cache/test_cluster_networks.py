# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cluster's own networks are followed by what nodes and Services show, and heartbeats are no news."""

from __future__ import annotations

from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from egress_controller.cache.cluster_networks import SeenNetworks


def node(address: str, *pods: str, heartbeat: int = 0) -> KubeObject:
    status = {"addresses": [{"address": address}, {"address": "worker"}], "conditions": [{"at": heartbeat}]}
    return {"metadata": {"name": "worker"}, "spec": {"podCIDRs": list(pods)}, "status": status}


def service(*cluster_ips: str) -> KubeObject:
    return {"metadata": {"name": "x"}, "spec": {"clusterIPs": list(cluster_ips)} if cluster_ips else {}}


def service_cidr(name: str, *cidrs: str) -> KubeObject:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


def inside(seen: SeenNetworks, *addresses: str) -> list[bool]:
    return [seen.known().why_inside(address) is not None for address in addresses]


def test_a_node_is_inside_from_its_first_event_to_its_last() -> None:
    seen = SeenNetworks()
    assert seen.update_node("ADDED", node("10.0.0.7"))
    assert inside(seen, "10.0.0.7", "10.244.1.1") == [True, False]
    assert seen.update_node("MODIFIED", node("10.0.0.7", "10.244.1.0/24"))
    assert inside(seen, "10.0.0.7", "10.244.1.1") == [True, True]
    known = seen.known()
    assert not seen.update_node("MODIFIED", node("10.0.0.7", "10.244.1.0/24", heartbeat=1))
    assert seen.known() is known
    assert seen.update_node("DELETED", node("10.0.0.7", "10.244.1.0/24"))
    assert inside(seen, "10.0.0.7", "10.244.1.1") == [False, False]
    assert not seen.update_node("DELETED", node("10.0.0.7"))


def endpoint_slice(name: str, *addresses: str) -> KubeObject:
    return {"metadata": {"name": name}, "endpoints": [{"addresses": [address]} for address in addresses]}


def test_api_servers_are_inside_in_both_families_wherever_they_are() -> None:
    seen = SeenNetworks()
    assert not seen.update_api_servers("ADDED", {"metadata": {"name": "none"}, "endpoints": None})
    assert seen.update_api_servers("ADDED", endpoint_slice("kubernetes", "192.0.2.7", "203.0.113.7", "127.0.0.1"))
    assert not seen.update_api_servers("MODIFIED", endpoint_slice("kubernetes", "203.0.113.7", "192.0.2.7"))
    assert seen.update_api_servers("ADDED", endpoint_slice("six", "2001:db8:0::7", "api.example.org"))
    seen.reached_at("https://[2001:db8::8]:6443")
    for named in ("https://api.example.org:6443", "https://127.0.0.1:6443"):
        seen.reached_at(named)
    assert inside(seen, "192.0.2.7", "203.0.113.7", "2001:db8::7", "2001:db8::8", "192.0.2.8") == [True] * 4 + [False]
    assert seen.known().told("IPv4") == ("192.0.2.7/32", "203.0.113.7/32")
    assert seen.known().told("IPv6") == ("2001:db8::7/128", "2001:db8::8/128")
    assert seen.known().why_inside("192.0.2.7") == "an address of the cluster's API server"
    assert seen.update_api_servers("DELETED", endpoint_slice("kubernetes"))
    assert inside(seen, "192.0.2.7", "2001:db8::8") == [False, True]


def test_without_service_cidrs_the_cluster_ips_show_where_services_are() -> None:
    seen = SeenNetworks()
    unusual: list[Any] = [service(), service("None"), service("")]
    for obj in [*unusual, service("172.30.0.1", "fd02::1"), service("172.30.255.9")]:
        seen.update_service(obj)
    assert seen.known().services == ("172.30.0.0/16", "fd02::1/128")
    known = seen.known()
    seen.update_service(service("172.30.7.7"))
    assert seen.known() is known


def test_service_cidrs_say_it_exactly() -> None:
    """Of two, what lies between them is outside."""
    seen = SeenNetworks()
    for address in ("10.96.0.1", "10.200.0.1"):
        seen.update_service(service(address))
    seen.update_service_cidr("ADDED", service_cidr("kubernetes", "10.96.0.0/16"))
    seen.update_service_cidr("ADDED", service_cidr("more", "10.200.0.0/24"))
    assert inside(seen, "10.96.9.9", "10.200.0.9", "10.150.0.1") == [True, True, False]
    seen.update_service_cidr("DELETED", service_cidr("more", "10.200.0.0/24"))
    assert inside(seen, "10.96.9.9", "10.200.0.9") == [True, False]
