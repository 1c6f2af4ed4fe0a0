# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is in the way of leasing an address is followed; a node's heartbeats are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.address_pool import AddressPool
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import read_cloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from egress_controller.cache.caches import Caches
from egress_controller.cache.changed_locks import KEPT_NAMES, ChangedLocks
from egress_controller.cache.listers import NetworkLister
from egress_controller.cache.node_addresses import NodeAddresses

from tests.unit.egress_controller.fakes import Server, Store, lister, lock, network

UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"


def node(*told: str, heartbeat: int = 0) -> KubeObject:
    status = {"addresses": [{"address": each} for each in told], "conditions": [{"lastHeartbeatTime": heartbeat}]}
    return {"kind": "Node", "metadata": {"name": "worker"}, "status": status}


def cloud(**spec: Any) -> KubeObject:
    return {"metadata": {"name": "cloud", "uid": "2", "generation": 1}, "spec": {"uuid": UUID, **spec}}


def networks_of(nodes: NodeAddresses, clouds: Store, networks: Store) -> NetworkLister:
    return lister_of(networks, Store(), ChangedLocks(), nodes, clouds)


def lister_of(networks: Store, locks: Store, news: ChangedLocks, nodes: NodeAddresses, clouds: Store) -> NetworkLister:
    return NetworkLister(networks, lister(clouds, read_cloud), nodes, locks, news)  # type: ignore[arg-type]


def pool(networks: NetworkLister) -> AddressPool:
    found = networks.look_up("dmz")
    assert isinstance(found, EgressNetwork)
    assert networks.all() == {"dmz": found}
    return found.pool


def test_a_heartbeat_is_no_change_and_an_address_is_one() -> None:
    nodes = NodeAddresses()
    assert nodes.update("ADDED", node("10.70.112.7"))
    revision = nodes.revision
    assert not nodes.update("MODIFIED", node("10.70.112.7", heartbeat=1))
    assert nodes.revision == revision
    assert nodes.update("MODIFIED", node("10.70.112.8"))
    assert nodes.revision != revision
    assert nodes.all() == {"10.70.112.8"}
    assert nodes.update("DELETED", node("10.70.112.8"))
    assert nodes.all() == frozenset()


def test_of_a_node_its_addresses_are_kept_and_nothing_else_that_is_large() -> None:
    told: list[str] = []
    listener = SimpleNamespace(changed=lambda _kind, event, obj: told.append(f"{event} {obj['metadata']['name']}"))
    caches = Caches(Server(), None, listener)  # type: ignore[arg-type]
    large = node("10.70.112.7")
    large["metadata"] |= {"uid": "1", "resourceVersion": "7", "managedFields": [{}], "annotations": {"a": "b"}}
    large["status"]["images"] = [{"names": ["registry.example/image"]}]
    caches.nodes._dispatch("ADDED", large)
    assert large == {"kind": "Node", "metadata": {"name": "worker", "uid": "1", "resourceVersion": "7"}}
    assert caches.node_addresses.all() == {"10.70.112.7"}
    caches.nodes._dispatch("MODIFIED", node("10.70.112.7", heartbeat=1))
    caches.nodes._dispatch("MODIFIED", node("10.70.112.8"))
    caches.nodes._dispatch("DELETED", large)
    assert told == ["ADDED worker", "MODIFIED worker", "DELETED worker"]
    assert caches.node_addresses.all() == frozenset()


def test_pools_follow_the_nodes_and_are_worked_out_once_in_between() -> None:
    nodes, networks = NodeAddresses(), Store(network("10.70.112.0/29"))
    found = networks_of(nodes, Store(), networks)
    before = pool(found)
    assert "10.70.112.3" in before
    nodes.update("ADDED", node("10.70.112.3"))
    after = pool(found)
    assert "10.70.112.3" not in after
    nodes.update("MODIFIED", node("10.70.112.3", heartbeat=1))
    assert pool(found) is after
    nodes.update("DELETED", node("10.70.112.3"))
    assert "10.70.112.3" in pool(found)


def test_pools_follow_the_clouds_bridges() -> None:
    clouds, networks = Store(cloud(bridgeSubnet="10.70.112.3/29")), Store(network("10.70.112.0/29"))
    found = networks_of(NodeAddresses(), clouds, networks)
    assert "10.70.112.3" not in pool(found)
    changed = cloud(bridgeSubnet="10.70.112.4/29")
    changed["metadata"]["generation"] = 2
    clouds.objects["cloud"] = changed
    assert "10.70.112.3" in pool(found)
    assert "10.70.112.4" not in pool(found)


def stray(address: str) -> KubeObject:
    """A lock of a network that is gone."""
    obj = lock(address)
    name = f"gone.{address.replace('.', '-')}"
    return {**obj, "metadata": {**obj["metadata"], "name": name}, "spec": {**obj["spec"], "network": "gone"}}


def test_pools_follow_the_locks_of_other_networks() -> None:
    networks, locks, news = Store(network("10.70.112.0/29")), Store(stray("10.70.112.3")), ChangedLocks()
    found = lister_of(networks, locks, news, NodeAddresses(), Store())
    assert "10.70.112.3" not in pool(found)

    came = stray("10.70.112.4")
    locks.objects[came["metadata"]["name"]] = came
    news.add(came["metadata"]["name"])
    both = pool(found)
    assert "10.70.112.4" not in both
    assert "10.70.112.3" not in both

    del locks.objects["gone.10-70-112-3"]
    news.add("gone.10-70-112-3")
    assert "10.70.112.3" in pool(found)
    assert "10.70.112.4" not in pool(found)


def test_its_own_locks_leave_a_pool_as_it_is() -> None:
    networks, locks, news = Store(network("10.70.112.0/29")), Store(), ChangedLocks()
    found = lister_of(networks, locks, news, NodeAddresses(), Store())
    before = pool(found)
    mine = lock("10.70.112.3")
    locks.objects[mine["metadata"]["name"]] = mine
    news.add(mine["metadata"]["name"])
    assert pool(found) is before


def test_news_that_were_too_many_to_keep_are_found_by_looking_at_all() -> None:
    networks, locks, news = Store(network("10.70.112.0/29")), Store(), ChangedLocks()
    found = lister_of(networks, locks, news, NodeAddresses(), Store())
    assert "10.70.112.3" in pool(found)
    came = stray("10.70.112.3")
    locks.objects[came["metadata"]["name"]] = came
    for name in (came["metadata"]["name"], *map(str, range(KEPT_NAMES))):
        news.add(name)
    assert "10.70.112.3" not in pool(found)
    assert not news.take()
