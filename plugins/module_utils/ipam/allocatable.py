# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The allocatable addresses of networks: what is left of them without node addresses and what older networks lease."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Collection, Iterable, Mapping

from ..api import addresses
from ..api.resources import KubeObject
from .address_pool import AddressPool
from .cloud import EgressCloud
from .network import EgressNetwork

HOST_ADDRESS_ANNOTATIONS = ("k8s.ovn.org/host-cidrs", "k8s.ovn.org/host-addresses")
"""Where OVN-Kubernetes lists all addresses of a node: a JSON list of CIDRs, before 4.14 one of addresses."""


def node_addresses(node: KubeObject) -> frozenset[str]:
    """Every address of a Node, canonical: those of its status and of OVN-Kubernetes' annotations.

    What does not parse (host names; annotations that somebody broke) names no address and is passed over.
    """
    told = [item.get("address") for item in (node.get("status") or {}).get("addresses") or ()]
    annotations: Mapping[str, str] = node["metadata"].get("annotations") or {}
    for key in HOST_ADDRESS_ANNOTATIONS:
        told += _json_list(annotations.get(key, ""))
    return frozenset(filter(None, map(_address, told)))


def occupied(of_nodes: Iterable[str], clouds: Iterable[EgressCloud]) -> frozenset[str]:
    """What no network may lease: the nodes' addresses, and the bridges' that every node has for its egress pods."""
    bridges = (bridge.address for cloud in clouds for bridge in cloud.bridges.values())
    return frozenset([*of_nodes, *bridges])


def divide(networks: Iterable[EgressNetwork], kept_back: Collection[str]) -> dict[str, EgressNetwork]:
    """The networks by name, each with the pool that it may really lease from, and what it has ceded.

    The locks of two networks know nothing of each other, so on one link only one of them may lease an address. That is
    the older one, of the same age the first by name, though it may never lease it: a third may be before it.
    """
    by_age = sorted(networks, key=lambda network: (network.created, network.name))
    divided = {}
    for number, network in enumerate(by_age):
        pool, ceded = network.pool, {}
        for elder in by_age[:number]:
            if _may_share_a_link(network, elder) and (shared := pool.shared_with(elder.pool)).size:
                ceded[elder.name] = shared
                pool = pool.less(shared)
        divided[network.name] = replace(network, pool=pool.without(kept_back), ceded=ceded)
    return divided


def is_stray(lock: KubeObject, divided: Mapping[str, EgressNetwork]) -> bool:
    """Whether an EgressAddress locks what its network does not lease: that was edited since, or is gone.

    Only such a lock can be in the way of another network, for what they lease on one link is divided.
    """
    network = divided.get(lock["spec"]["network"])
    return network is None or lock["spec"]["address"] not in network.pool


def spare(divided: Mapping[str, EgressNetwork], strays: Collection[KubeObject]) -> dict[str, EgressNetwork]:
    """The networks without what others on their link still have locked from before."""
    return {name: replace(network, pool=_unlocked(network, divided, strays)) for name, network in divided.items()}


def _unlocked(
    network: EgressNetwork, divided: Mapping[str, EgressNetwork], strays: Iterable[KubeObject]
) -> AddressPool:
    """The pool less the strays; those of a network that is gone may be on any link."""
    others = (lock["spec"] for lock in strays if lock["spec"]["network"] != network.name)
    near = (spec for spec in others if _may_share_a_link(network, divided.get(spec["network"])))
    return network.pool.without([spec["address"] for spec in near])


def _may_share_a_link(one: EgressNetwork, other: EgressNetwork | None) -> bool:
    """Without an uplink, a network is where each node's routes lead to its subnets, which may be anywhere.

    A routed one is reached by the routes of all nodes, by whichever link.
    """
    if other is None or one.is_routed or other.is_routed:
        return True
    return one.uplink == other.uplink or None in (one.uplink, other.uplink)


def _json_list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _address(told: object) -> str | None:
    return addresses.canonical(told.partition("/")[0]) if isinstance(told, str) else None
