# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""No network leases what the cluster itself lives at, or what an older one on its link offers."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam import allocatable
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import cloud, network, network_object
from tests.support.subnets import model_of, subnets

NEARBY = st.integers(0, 40).flatmap(
    lambda number: st.sampled_from(
        [str(ipaddress.ip_address("10.70.112.0") + number), str(ipaddress.ip_address("2001:db8::") + number)]
    )
)


def node(*told: Any, **annotations: str) -> dict[str, Any]:
    keys = {"cidrs": "k8s.ovn.org/host-cidrs", "addresses": "k8s.ovn.org/host-addresses"}
    metadata = {"name": "worker", "annotations": {keys[key]: text for key, text in annotations.items()}}
    return {"kind": "Node", "metadata": metadata, "status": {"addresses": [{"address": each} for each in told]}}


@given(st.lists(subnets(), max_size=3), st.sets(NEARBY, max_size=20))
def test_a_pool_is_what_the_spec_offers_less_what_is_occupied(items: list[dict[str, Any]], occupied: set[str]) -> None:
    read = read_network(network_object(subnets=items))
    pool = allocatable.divide([read], frozenset(occupied))[read.name].pool
    assert set(pool.candidates(frozenset(), 0)) == model_of(items) - occupied


@st.composite
def neighbours(draw: st.DrawFn) -> list[KubeObject]:
    """Networks of any age, on any of two links or nobody knows which."""
    count, found = draw(st.integers(0, 4)), []
    for number in range(count):
        uplink = draw(st.sampled_from(["eth0", "eth1", None]))
        obj = network_object(f"n{number}", subnets=draw(st.lists(subnets(), max_size=2)), uplink=uplink)
        created = f"2026-01-01T00:00:0{draw(st.integers(0, 2))}Z"
        found.append({**obj, "metadata": {**obj["metadata"], "creationTimestamp": created}})
    return found


@given(neighbours(), st.sets(NEARBY, max_size=5))
def test_on_one_link_the_oldest_network_has_an_address(objects: list[KubeObject], occupied: set[str]) -> None:
    divided = allocatable.divide(map(read_network, objects), occupied)
    by_age = sorted(objects, key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]))
    elders: list[tuple[str, str | None, set[str]]] = []
    for obj in by_age:
        name, uplink, offered = obj["metadata"]["name"], obj["spec"]["uplink"], model_of(obj["spec"]["subnets"])
        linked = [(elder, has) for elder, link, has in elders if link == uplink or None in (link, uplink)]
        lost = offered & set().union(*(has for _elder, has in linked))
        found, ceded = divided[name], divided[name].ceded
        assert set(found.pool.candidates(frozenset(), 0)) == offered - lost - occupied
        assert {address for pool in ceded.values() for address in pool.candidates(frozenset(), 0)} == lost
        assert all(dict(linked)[elder].issuperset(pool.candidates(frozenset(), 0)) for elder, pool in ceded.items())
        elders.append((name, uplink, offered))


@pytest.mark.parametrize(
    ("uplinks", "left"),
    [(("eth0", "eth0"), 0), (("eth0", None), 0), ((None, "eth0"), 0), ((None, None), 0), (("eth0", "eth1"), 254)],
)
def test_networks_of_two_uplinks_may_lease_the_same(uplinks: tuple[str | None, str | None], left: int) -> None:
    pair = [network(name, uplink=uplink) for name, uplink in zip("ab", uplinks)]
    divided = allocatable.divide(pair, ())
    assert (divided["a"].pool.size, divided["b"].pool.size) == (254, left)


def test_a_routed_network_shares_its_addresses_with_those_of_every_uplink() -> None:
    """The nodes' routes lead to them by whichever link."""
    for modes in (("routed", "lan"), ("lan", "routed"), ("routed", "routed")):
        pair = [network(name, uplink=f"eth{name}", mode=mode) for name, mode in zip("ab", modes)]
        divided = allocatable.divide(pair, ())
        assert (divided["a"].pool.size, divided["b"].pool.size) == (254, 0)


def locked(network: str, address: str) -> KubeObject:
    return {"spec": {"network": network, "address": address}}


@pytest.mark.parametrize(
    ("holder", "uplink", "may"),
    [("other", "eth0", False), ("other", "eth1", True), ("other", None, False), ("gone", "eth1", False)],
)
def test_what_another_network_on_the_link_has_locked_is_not_leased(holder: str, uplink: str | None, may: bool) -> None:
    other = network("other", uplink=uplink, subnets=[{"cidr": "10.70.113.0/24"}])
    divided = allocatable.divide([network("mine", uplink="eth0"), other], ())
    lock = locked(holder, "10.70.112.9")
    assert allocatable.is_stray(lock, divided)
    assert ("10.70.112.9" in allocatable.spare(divided, [lock])["mine"].pool) is may


def test_a_lock_of_what_its_network_leases_is_no_stray_and_a_stray_is_no_loss_of_its_own() -> None:
    divided = allocatable.divide([network("mine")], ["10.70.112.8"])
    assert not allocatable.is_stray(locked("mine", "10.70.112.9"), divided)
    stray = locked("mine", "10.70.112.8")
    assert allocatable.is_stray(stray, divided)
    assert allocatable.spare(divided, [stray])["mine"].pool is divided["mine"].pool


def test_a_wide_network_is_divided_without_being_expanded() -> None:
    narrow, wide = (
        network(name, subnets=[{"cidr": cidr}]) for name, cidr in (("a", "fd70:112::/120"), ("b", "fd70::/16"))
    )
    found = allocatable.divide([wide, narrow], ())
    assert found["b"].pool.size == wide.pool.size - 255
    assert found["b"].ceded["a"].size == 255
    assert found["a"].pool.size == 255


def test_all_addresses_of_a_node_are_kept_back() -> None:
    told = allocatable.node_addresses(
        node("10.70.112.7", "worker.example", "FD70:112::7", cidrs='["10.70.112.8/24"]', addresses='["fd70:112::9"]')
    )
    assert told == {"10.70.112.7", "fd70:112::7", "10.70.112.8", "fd70:112::9"}


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_an_annotation_without_sense_names_no_address_and_hides_none(text: str) -> None:
    told = allocatable.node_addresses(node("10.70.112.7", cidrs=text, addresses=text))
    assert "10.70.112.7" in told
    for address in told:
        ipaddress.ip_address(address)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"10.70.112.8": 1}', '"10.70.112.8/24"', "[" + "9" * 5000 + "]", ""])
def test_an_annotation_of_another_shape_names_no_address(text: str) -> None:
    assert allocatable.node_addresses(node(cidrs=text)) == frozenset()


def test_a_node_that_says_nothing_has_no_address() -> None:
    assert allocatable.node_addresses({"metadata": {"name": "new"}}) == frozenset()


def test_the_bridges_of_both_families_are_kept_back() -> None:
    ours = cloud(bridgeSubnet="10.70.112.5/24", bridgeSubnetV6="fd70:112::5/64")
    pool = network(subnets=[{"cidr": "10.70.112.0/24"}, {"cidr": "fd70:112::/64"}])
    left = allocatable.divide([pool], allocatable.occupied((), [ours]))[pool.name].pool
    assert {"10.70.112.5", "fd70:112::5"} <= set(allocatable.occupied((), [ours]))
    assert "10.70.112.5" not in left
    assert "fd70:112::5" not in left
    assert left.size == pool.pool.size - 2
