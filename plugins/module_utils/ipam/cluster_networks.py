# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cluster's own networks, as its nodes, Services and API servers show them: no destination may be in one.

Of a node that is its own addresses and the networks that it gives its pods, never the LAN that it stands on, where
destinations may be, too.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from ..api import addresses
from ..api.resources import KubeObject

with suppress(ImportError):  # ``addresses`` tells of it
    import netaddr

POD_SUBNETS_ANNOTATION = "k8s.ovn.org/node-subnets"
"""Where OVN-Kubernetes tells a node's pod networks, for it leaves ``spec.podCIDRs`` empty."""
_BITS = {4: 32, 6: 128}
_SOCKET_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
MAX_TOLD = 256
"""How many networks of a family a router is told of, so that a large cluster doesn't make every egress pod large."""


@dataclass(frozen=True)
class NodeNetworks:
    """What belongs to one node: single addresses, and CIDRs of its pods; all canonical."""

    addresses: frozenset[str] = frozenset()
    pods: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ClusterNetworks:
    """Everything that is known to be inside the cluster."""

    services: tuple[str, ...] = ()
    """CIDRs of the Services' cluster IPs."""
    nodes: Mapping[str, NodeNetworks] = field(default_factory=dict)
    """By the node's name."""
    api_servers: frozenset[str] = frozenset()
    """Canonical addresses; those of a managed control plane are no node's."""

    def why_inside(self, address: str) -> str | None:
        """What a canonical address is in the cluster, in a few words; None if it may be outside."""
        version, number = _number(address)
        keys = ((version, bits, number >> (_BITS[version] - bits)) for bits in self._prefixes[version])
        return next((what for key in keys if (what := self._index.get(key))), None)

    def told(self, ip_family: str) -> tuple[str, ...]:
        """The networks of one family that a router is told of: those of Services, API servers, pods and nodes."""
        return self._told[ip_family]

    @cached_property
    def _told(self) -> Mapping[str, tuple[str, ...]]:
        """By family: each service asks for it at each look, and there may be very many nodes."""
        pods = [cidr for node in self.nodes.values() for cidr in node.pods]
        hosts = [address for node in self.nodes.values() for address in node.addresses]
        inside = (self.services, self.api_servers, pods, hosts)
        found = {
            family: [cidr for cidrs in inside for cidr in _merged(cidrs, family)] for family in addresses.IP_FAMILIES
        }
        return {family: tuple(cidrs[:MAX_TOLD]) for family, cidrs in found.items()}

    @cached_property
    def _index(self) -> Mapping[tuple[int, int, int], str]:
        """By IP version, length of the prefix, and prefix: a look-up costs the same for any number of nodes."""
        return {_key(cidr): what for cidr, what in self._named()}

    @cached_property
    def _prefixes(self) -> Mapping[int, list[int]]:
        """The lengths of prefixes that occur, by IP version, the longest first."""
        return {
            version: sorted({bits for other, bits, _prefix in self._index if other == version}, reverse=True)
            for version in (4, 6)
        }

    def _named(self) -> Iterator[tuple[str, str]]:
        for cidr in self.services:
            yield cidr, f"in {cidr}, where the cluster's Services are"
        for address in self.api_servers:
            yield address, "an address of the cluster's API server"
        for node in self.nodes.values():
            for cidr in node.pods:
                yield cidr, f"in {cidr}, where pods of the cluster are"
            for address in node.addresses:
                yield address, "an address of one of the cluster's nodes"


def pod_networks(node: KubeObject) -> frozenset[str]:
    """The CIDRs of a Node's pods, by its spec and OVN-Kubernetes' annotation; what is no network is passed over."""
    spec = node.get("spec") or {}
    told = [spec.get("podCIDR"), *(spec.get("podCIDRs") or ()), *_annotated_pods(node)]
    return frozenset(filter(None, map(_cidr, told)))


def service_cidrs(obj: KubeObject) -> tuple[str, ...]:
    """The networks of a ServiceCIDR."""
    return tuple(filter(None, map(_cidr, (obj.get("spec") or {}).get("cidrs") or ())))


def api_server_addresses(endpoint_slice: KubeObject) -> frozenset[str]:
    """The addresses in an EndpointSlice of the Service ``default/kubernetes``."""
    told = (address for item in endpoint_slice.get("endpoints") or () for address in item.get("addresses") or ())
    return frozenset(filter(None, map(_outside_address, told)))


def api_server_at(url: str) -> frozenset[str]:
    """The address in an API server's URL; none where that has a name."""
    address = _outside_address(urlsplit(url).hostname or "")
    return frozenset([address] if address else ())


def common_network(network: str | None, address: str) -> str:
    """The smallest network that has another one (None: none yet) and a canonical address of its family.

    Where a cluster doesn't tell the network of its Services, their cluster IPs do: it has at least all of these, and
    as they are all of one network, nothing that is outside it.
    """
    if network and _has(network, address):
        return network
    ends = netaddr.IPNetwork(network or address)
    return str(netaddr.spanning_cidr([netaddr.IPAddress(ends.first, ends.version), str(ends[-1]), address]))


def _annotated_pods(node: KubeObject) -> list[Any]:
    try:
        found = json.loads((node["metadata"].get("annotations") or {}).get(POD_SUBNETS_ANNOTATION, "{}"))
    except (ValueError, RecursionError):
        return []
    lists = found.values() if isinstance(found, dict) else ()
    return [cidr for item in lists for cidr in (item if isinstance(item, list) else [item])]


def _outside_address(told: str) -> str | None:
    """An address as others may have it: one like loopback is refused for what it is."""
    address = addresses.canonical(told)
    return address if address and not addresses.why_no_destination(address) else None


def _cidr(told: object) -> str | None:
    parsed = addresses.subnet(told) if isinstance(told, str) else None
    return str(parsed.cidr) if parsed is not None and parsed.prefixlen else None


def _key(cidr: str) -> tuple[int, int, int]:
    address, _slash, text = cidr.partition("/")
    version, number = _number(address)
    bits = int(text) if text else _BITS[version]
    return version, bits, number >> (_BITS[version] - bits)


def _has(network: str, address: str) -> bool:
    version, bits, prefix = _key(network)
    other, number = _number(address)
    return other == version and number >> (_BITS[version] - bits) == prefix


def _number(address: str) -> tuple[int, int]:
    """IP version and number of a canonical address; without netaddr, in a tenth of the time."""
    version = 6 if ":" in address else 4
    return version, int.from_bytes(socket.inet_pton(_SOCKET_FAMILIES[version], address), "big")


def _merged(cidrs: Iterable[str], ip_family: str) -> list[str]:
    """Sorted, and as few as they can be."""
    return [
        str(cidr) for cidr in netaddr.cidr_merge([cidr for cidr in cidrs if addresses.family_of(cidr) == ip_family])
    ]
