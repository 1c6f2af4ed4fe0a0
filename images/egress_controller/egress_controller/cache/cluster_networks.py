# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cluster's own networks, followed by the watches of nodes, Services and API servers; heartbeats change none."""

from __future__ import annotations

import threading
from typing import Iterable

from ansible_collections.avi.egress.plugins.module_utils.api.addresses import canonical, family_of
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.allocatable import node_addresses
from ansible_collections.avi.egress.plugins.module_utils.ipam.cluster_networks import (
    ClusterNetworks,
    NodeNetworks,
    api_server_addresses,
    api_server_at,
    common_network,
    pod_networks,
    service_cidrs,
)
from kubernetes.informer import DELETED


class SeenNetworks:
    """What has been seen of them so far. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[str, NodeNetworks] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        """By ServiceCIDR."""
        self._spanned: dict[str, str] = {}
        """By address family, what the cluster IPs make; for clusters without ServiceCIDRs."""
        self._api_servers: dict[str, frozenset[str]] = {}
        """By EndpointSlice, or by the URL that this process has of them."""
        self._networks: ClusterNetworks | None = None

    def update_node(self, event: str, node: KubeObject) -> bool:
        """Take a node's event in; whether it changed a network."""
        name = node["metadata"]["name"]
        found = NodeNetworks() if event == DELETED else NodeNetworks(node_addresses(node), pod_networks(node))
        with self._lock:
            if self._nodes.get(name, NodeNetworks()) == found:
                return False
            self._nodes[name] = found
            if event == DELETED:
                del self._nodes[name]
            self._networks = None
            return True

    def update_service_cidr(self, event: str, obj: KubeObject) -> None:
        """Take a ServiceCIDR's event in."""
        with self._lock:
            self._told[obj["metadata"]["name"]] = () if event == DELETED else service_cidrs(obj)
            self._networks = None

    def update_api_servers(self, event: str, endpoint_slice: KubeObject) -> bool:
        """Take an event of an EndpointSlice of the Service ``default/kubernetes`` in; whether it changed an address."""
        found = frozenset() if event == DELETED else api_server_addresses(endpoint_slice)
        return self._set_api_servers(endpoint_slice["metadata"]["name"], found)

    def reached_at(self, url: str) -> None:
        """How this process reaches the API server."""
        self._set_api_servers(url, api_server_at(url))

    def update_service(self, service: KubeObject) -> None:
        """Take a Service's cluster IPs in; those of one that goes still show where others are."""
        told = service["spec"].get("clusterIPs") or ()
        addresses = [address for address in map(canonical, told) if address]
        with self._lock:
            if self._span(addresses):
                self._networks = None

    def known(self) -> ClusterNetworks:
        """One object until something changes."""
        with self._lock:
            if self._networks is None:
                told = {cidr: None for cidrs in self._told.values() for cidr in cidrs}
                services, api_servers = told or self._spanned.values(), frozenset().union(*self._api_servers.values())
                self._networks = ClusterNetworks(tuple(services), dict(self._nodes), api_servers)
            return self._networks

    def _set_api_servers(self, source: str, found: frozenset[str]) -> bool:
        with self._lock:
            if self._api_servers.get(source, frozenset()) == found:
                return False
            self._api_servers[source] = found
            self._networks = None
            return True

    def _span(self, addresses: Iterable[str]) -> bool:
        before = dict(self._spanned)
        for address in addresses:
            family = family_of(address)
            self._spanned[family] = common_network(self._spanned.get(family), address)
        return before != self._spanned
