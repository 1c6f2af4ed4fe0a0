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
