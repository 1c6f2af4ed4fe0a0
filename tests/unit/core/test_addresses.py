# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A network leases exactly the addresses it is told to, held against a brute-force model on Python's own ipaddress."""

from __future__ import annotations

import ipaddress
import random
import time
from collections import Counter
from itertools import islice
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api import addresses
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.ipam import address_pool
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import read_cloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import UUID, network_object
from tests.support.subnets import BASES, model_of, subnets


@given(st.lists(subnets(), max_size=3), st.data())
def test_a_pool_is_the_set_of_its_subnets_less_what_any_of_them_keeps_back(
    items: list[dict[str, Any]], data: st.DataObject
) -> None:
    pool = read_network(network_object(subnets=items)).pool
    expected = model_of(items)
    assert pool.size == len(expected)
    around = [str(ipaddress.ip_address(BASES[4] + number)) for number in range(-2, 132)]
    around += [str(ipaddress.ip_address(BASES[6] + number)) for number in range(-2, 132)]
    assert {address for address in around if address in pool} == expected

    taken = data.draw(st.sets(st.sampled_from(sorted(expected)))) if expected else set()
    start = data.draw(st.integers(0, max(0, pool.size - 1)))
    order = list(pool.candidates(taken, start))
    assert len(order) == len(set(order))
    assert set(order) == expected - taken
    whole = list(pool.candidates(frozenset(), 0))
    assert order == [address for address in whole[start:] + whole[:start] if address not in taken]

    numbers = random.Random(data.draw(st.integers(0, 1000)))
    drawn = list(pool.at_random(taken, numbers.randrange))
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == expected - taken


SCATTERED = [5, 6, 7, 8, 9, 10, 11, 12, 60, 250]
SHAPES = {
    "a few in a row and one far away": [{"cidr": "10.70.112.0/24"}],
    "in two subnets of both families": [{"cidr": "10.70.112.0/25"}, {"cidr": "2001:db8::/121"}],
}


@pytest.mark.parametrize("subnets", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("nth", [0, 1], ids=["the first", "the next after one that was lost"])
def test_each_free_address_is_as_likely_as_any_other(subnets: list[dict[str, Any]], nth: int) -> None:
    pool = read_network(network_object(subnets=subnets)).pool
    whole = list(pool.candidates(frozenset(), 0))
    free = [whole[place] for place in SCATTERED]
    taken, numbers = set(whole) - set(free), random.Random(7)
    found = Counter(next(islice(pool.at_random(taken, numbers.randrange), nth, None)) for _claim in range(2000))
    # Pearson's chi-square of 9 degrees of freedom, which chance alone takes above 40 once in 100,000 times.
    assert sum((found[address] - 200) ** 2 / 200 for address in free) < 40, found


def test_of_very_many_addresses_the_only_free_one_is_found() -> None:
    pool = read_network(network_object(subnets=[{"cidr": "10.70.112.0/20"}])).pool
    whole = list(pool.candidates(frozenset(), 0))
    for place in (0, 1, 2047, pool.size - 1):
        assert list(pool.at_random({*whole} - {whole[place]}, random.Random(place).randrange)) == [whole[place]]


class Asked(frozenset[str]):
    """A set that counts how often it was asked."""

    def __init__(self, _members: Any = ()) -> None:
        self.times = 0

    def __contains__(self, address: object) -> bool:
        self.times += 1
        return super().__contains__(address)


def test_in_an_empty_pool_the_first_draw_is_the_only_one_and_in_a_full_one_draws_add_little() -> None:
    pool, numbers = read_network(network_object(subnets=[{"cidr": "10.70.96.0/19"}])).pool, random.Random(7)
    nobody, everybody = Asked(), Asked(pool.candidates(frozenset(), 0))
    assert next(pool.at_random(nobody, numbers.randrange)) in pool
    assert nobody.times == 1
    assert list(pool.at_random(everybody, numbers.randrange)) == []
    assert everybody.times == pool.size + address_pool.MOST_DRAWS


@given(st.text() | st.text(alphabet="0123456789abcdefx.:/ -", max_size=20) | st.sampled_from(["1.2.3", "1.2.3.007"]))
def test_what_is_no_address_is_in_no_pool(text: str) -> None:
    pool = read_network(network_object(subnets=[{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}])).pool
    assert text not in pool or addresses.canonical(text)


@pytest.mark.parametrize(
    ("cidr", "leased"),
    [
        ("10.70.112.8/30", ["10.70.112.9", "10.70.112.10"]),
        ("10.70.112.8/31", ["10.70.112.8", "10.70.112.9"]),
        ("10.70.112.8/32", ["10.70.112.8"]),
        ("2001:db8::8/126", ["2001:db8::9", "2001:db8::a", "2001:db8::b"]),
        ("2001:db8::8/127", ["2001:db8::8", "2001:db8::9"]),
        ("2001:db8::8/128", ["2001:db8::8"]),
        ("::/126", ["::1", "::2", "::3"]),
    ],
)
def test_network_and_broadcast_are_kept_back_except_on_point_to_point_links(cidr: str, leased: list[str]) -> None:
    pool = read_network(network_object(subnets=[{"cidr": cidr}])).pool
    assert list(pool.candidates(frozenset(), 0)) == leased


def test_a_range_that_names_broadcast_and_gateway_does_not_lease_them() -> None:
    subnet = {
        "cidr": "10.70.112.0/29",
        "gateway": "10.70.112.1",
        "ranges": [{"begin": "10.70.112.0", "end": "10.70.112.7"}],
    }
    pool = read_network(network_object(subnets=[subnet])).pool
    assert list(pool.candidates(frozenset(), 0)) == [f"10.70.112.{last}" for last in (2, 3, 4, 5, 6)]


def test_a_slash_64_costs_as_little_as_a_slash_30() -> None:
    started = time.perf_counter()
    pool = read_network(network_object(subnets=[{"cidr": "2001:db8::/64", "gateway": "2001:db8::1"}])).pool
    assert pool.size == 2**64 - 2
    assert list(islice(pool.candidates(frozenset(), 2**64 - 3), 2)) == ["2001:db8::ffff:ffff:ffff:ffff", "2001:db8::2"]
    assert time.perf_counter() - started < 0.5


def test_both_families_in_one_network_do_not_run_into_each_other() -> None:
    pool = read_network(network_object(subnets=[{"cidr": "255.255.255.254/31"}, {"cidr": "::1:0:0/127"}])).pool
    assert list(pool.candidates(frozenset(), 1)) == ["255.255.255.255", "::1:0:0", "::1:0:1", "255.255.255.254"]


@given(st.lists(subnets(), max_size=3))
def test_a_family_of_a_pool_is_those_of_its_addresses_that_are_of_it(items: list[dict[str, Any]]) -> None:
    pool = read_network(network_object(subnets=items)).pool
    whole = list(pool.candidates(frozenset(), 0))
    for ip_family, is_six in (("IPv4", False), ("IPv6", True)):
        part = pool.of(ip_family)
        assert list(part.candidates(frozenset(), 0)) == [address for address in whole if (":" in address) is is_six]
        assert part.size == sum((":" in address) is is_six for address in whole)
        assert all((address in part) is ((":" in address) is is_six) for address in whole)


def test_a_family_of_a_pool_is_never_expanded() -> None:
    subnets_of_both = [{"cidr": "10.70.112.0/30"}, {"cidr": "2001:db8::/32"}]
    pool = read_network(network_object(subnets=subnets_of_both)).pool.of("IPv6")
    assert pool.size == 2**96 - 1
    assert next(pool.candidates({"2001:db8::1"}, 0)) == "2001:db8::2"
    assert next(pool.candidates(frozenset(), pool.size - 1)) == "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
    assert next(pool.at_random(frozenset(), lambda size: size - 1)) == "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"


@given(st.text() | st.text("0123456789abcdefx:./ \uff18", max_size=20))
def test_only_strict_spellings_are_addresses_and_each_has_one_canonical_form(text: str) -> None:
    found = addresses.canonical(text)
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        assert found is None
        return
    if "%" in text:
        assert found is None
        return
    assert found is not None
    assert ipaddress.ip_address(found) == expected
    assert addresses.canonical(found) == found


@pytest.mark.parametrize(
    "text", ["127.1", "0x7f.1", "010.0.0.1", "\uff18.8.8.8", "1.2.3.4\n", " 1.2.3.4", "1.2.3.4\x00", "\ud800", "", "1"]
)
def test_lax_spellings_are_no_addresses(text: str) -> None:
    assert addresses.canonical(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.0", "10/8", "10.0.0.0/", "/8", "10.0.0.0/33", "2001:db8::/129", "10.0.0.0/\uff18", "10.0.0.0/8\n"),
        *("10.0.0.0/255.0.0.0", " 10.0.0.0/8", "10.0.0.0/8/8", "10.0.0.0/1_0", "\ud800/8", "\x00/8", "10.0.0.0/-1"),
    ],
)
def test_lax_spellings_are_no_subnets(text: str) -> None:
    assert addresses.subnet(text) is None


@pytest.mark.parametrize(
    ("field", "subnet"),
    [
        ("spec.subnets[0].cidr", {"cidr": "10.70.112.0"}),
        (
            "spec.subnets[0].ranges[0]",
            {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.113.1", "end": "10.70.113.2"}]},
        ),
        (
            "spec.subnets[0].ranges[0]",
            {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.9", "end": "10.70.112.2"}]},
        ),
        (
            "spec.subnets[0].ranges[0]",
            {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.9", "end": "2001:db8::1"}]},
        ),
        ("spec.subnets[0].exclude[0]", {"cidr": "10.70.112.0/24", "exclude": ["10.70.112"]}),
        *(
            ("spec.subnets[0].gateway", {"cidr": "10.70.112.0/24", "gateway": gateway})
            for gateway in ("router", "10.70.113.1", "10.70.112.0/30", "2001:db8::1")
        ),
    ],
)
def test_a_subnet_that_makes_no_sense_is_refused_by_field(field: str, subnet: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_network(network_object(subnets=[subnet]))
    assert caught.value.field == field
    assert str(caught.value).startswith("EgressNetwork outside: ")


@pytest.mark.parametrize(
    ("subnets", "uplink", "right"),
    [
        ([{"cidr": "10.70.112.0/24", "gateway": "10.70.112.1"}], None, "10.70.112.0/24 is routed, so on no link"),
        (
            [{"cidr": "10.70.112.0/24", "gateway": "10.70.113.1"}, {"cidr": "10.70.113.0/24"}],
            None,
            "10.70.113.0/24 is routed, so on no link",
        ),
        ([{"cidr": "2001:db8::/64", "gateway": "fe80::1"}], None, "name the uplink too"),
        (
            [{"cidr": "10.70.112.0/24", "gateway": "fe80::1"}],
            "eth0",
            "the address that the router has in 10.70.112.0/24",
        ),
    ],
)
def test_a_routed_network_whose_gateway_makes_no_sense_is_refused(
    subnets: list[dict[str, Any]], uplink: str | None, right: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_network(network_object(subnets=subnets, mode="routed", uplink=uplink))
    assert caught.value.field == "spec.subnets[0].gateway"
    assert right in str(caught.value)


def test_the_gateway_of_a_routed_network_is_on_another_link() -> None:
    subnets = [{"cidr": "10.70.112.0/29", "gateway": "192.0.2.1"}, {"cidr": "2001:db8::/64", "gateway": "FE80:0::1"}]
    found = read_network(network_object(subnets=subnets, mode="routed", uplink="eth0"))
    assert found.is_routed
    assert [subnet.gateway for subnet in found.subnets] == ["192.0.2.1", "fe80::1"]
    assert found.pool.of("IPv4").size == 6
    assert not read_network(network_object(mode="lan")).is_routed
    assert not read_network(network_object()).is_routed


@pytest.mark.parametrize(
    ("field", "bridge"),
    [
        *(("bridgeSubnet", text) for text in ("172.18.0.0/16", "172.18.255.255/16", "172.18.0.1", "nonsense")),
        *(("bridgeSubnet", text) for text in ("fd00:172:18::1/64", "172.18.0.1/33", "172.18.0.1/0")),
        *(("bridgeSubnetV6", text) for text in ("fd00:172:18::/64", "fd00:172:18::1", "172.18.0.1/16", "nonsense")),
        *(("bridgeSubnetV6", text) for text in ("fd00:172:18::1/129", "fd00::1/0", "fe80::1/64", "::1/128")),
        ("bridgeSubnet", "169.254.1.1/16"),
    ],
)
def test_the_bridge_needs_an_address_of_its_own_and_of_its_family(field: str, bridge: str) -> None:
    with pytest.raises(InvalidInput, match=rf"EgressCloud cloud: spec\.{field} is ") as caught:
        read_cloud({"metadata": {"name": "cloud"}, "spec": {"uuid": UUID, field: bridge}})
    assert {"bridgeSubnet": "172.18.0.1/16", "bridgeSubnetV6": "fd00:172:18::1/64"}[field] in str(caught.value)


@pytest.mark.parametrize(
    "text", ["nonsense", "10.128.0.0", "10.128.0.0/33", "0.0.0.0/0", "::/0", "10.128.0.0/255.252.0.0"]
)
def test_the_clusters_networks_are_networks_and_not_everything(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"EgressCloud cloud: spec\.clusterCIDRs\[1\] is ") as caught:
        read_cloud({"metadata": {"name": "cloud"}, "spec": {"uuid": UUID, "clusterCIDRs": ["10.96.0.0/12", text]}})
    assert "such as 10.128.0.0/14" in str(caught.value)


def test_the_clusters_networks_are_read_as_networks() -> None:
    given = ["10.129.3.7/14", "fd01:0::/48", "10.128.0.0/14"]
    read = read_cloud({"metadata": {"name": "cloud"}, "spec": {"uuid": UUID, "clusterCIDRs": given}})
    assert read.cluster_cidrs == ("10.128.0.0/14", "fd01::/48")
