# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``spec.allowedDestinations``: where a network's addresses may lead, by project."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api import address_spans
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput, Refused
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload import admission, manifests
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import SOURCE, cloud, namespace, network, service


def listing(*destinations: str, **namespaces: Any) -> dict[str, Any]:
    return {"destinations": list(destinations), **({"namespaces": namespaces} if namespaces else {})}


def allowing(*entries: dict[str, Any], name: str = "outside", **spec: Any) -> EgressNetwork:
    return network(name, allowedDestinations=list(entries), **spec)


def test_without_a_list_everything_outside_is_allowed() -> None:
    assert network().excluded(namespace(), ["10.10.24.85", "2001:db8::1", "anything.example"]) is None


@pytest.mark.parametrize(
    ("listed", "host", "allowed"),
    [
        ("198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("198.51.100.0/24", "198.51.100.255", True),
        ("198.51.100.0/24", "198.51.101.0", False),
        ("198.51.100.77/24", "198.51.100.1", True),
        ("0.0.0.0/0", "255.255.255.1", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "10.10.24.85", False),
        ("2001:DB8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("::ffff:10.0.0.0/104", "10.0.0.1", False),
        ("0.0.0.0/0", "api.example.com", False),
        ("api.example.com", "api.example.com", True),
        ("API.Example.com.", "api.example.com", True),
        ("api.example.com", "api.example.com.", True),
        ("api.example.com", "x.api.example.com", False),
        ("api.example.com", "evilapi.example.com", False),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "a.b.c.example.com.", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*.example.com", "example.com.evil.net", False),
        ("*.example.com", "10.10.24.85", False),
        ("*", "anything.example", True),
        ("*", "10.10.24.85", False),
    ],
)
def test_addresses_are_matched_by_networks_and_names_by_zones(listed: str, host: str, allowed: bool) -> None:
    found = allowing(listing("192.0.2.1", listed)).excluded(namespace(), [host])
    assert found == (None if allowed else host)


V4 = st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
V6 = st.integers(2**120, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number)))
BLOCKS = st.one_of(
    st.tuples(V4, st.integers(0, 32)).map(lambda item: ipaddress.ip_network(item, strict=False)),
    st.tuples(V6, st.integers(0, 128)).map(lambda item: ipaddress.ip_network(item, strict=False)),
)


@given(st.lists(BLOCKS, min_size=1, max_size=12), st.data())
def test_an_address_is_allowed_as_the_standard_library_says(blocks: list[Any], data: st.DataObject) -> None:
    """By its own arithmetic; addresses at the ends of a block, beside them, and anywhere."""
    block = data.draw(st.sampled_from(blocks))
    kind = type(block.network_address)
    ends = [int(block.network_address) - 1, int(block.network_address), int(block[-1]), int(block[-1]) + 1]
    beside = [str(kind(number)) for number in ends if 0 <= number < 2 ** kind(0).max_prefixlen]
    host = data.draw(st.one_of(st.sampled_from(beside), V4, V6))
    found = allowing(listing(*map(str, blocks))).excluded(namespace(), [host])
    assert (found is None) == any(ipaddress.ip_address(host) in each for each in blocks)


class Counted(tuple):  # type: ignore[type-arg]
    """Spans that count how many of them are looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return super().__getitem__(place)


def test_the_longest_entry_is_searched_by_halves() -> None:
    """256 networks, none of which touches another."""
    found = allowing(listing(*(f"2001:db8:{2 * number:x}::/48" for number in range(256))))
    assert found.destinations
    counted = Counted(found.destinations[0].addresses)
    assert len(counted) == 256
    assert address_spans.has(counted, "2001:db8:fe::1")
    assert not address_spans.has(counted, "2001:db8:ff::1")
    assert counted.looks <= 2 * (8 + 3)


def test_an_entry_with_namespaces_is_for_these_projects_alone() -> None:
    some = allowing(
        listing("192.0.2.0/24"), listing("198.51.100.7", names=["green"]), listing("*", matchLabels={"tier": "core"})
    )
    host = ["198.51.100.7"]
    assert some.excluded(namespace("green"), [*host, "192.0.2.1"]) is None
    assert some.excluded(namespace("blue"), ["192.0.2.1", *host]) == "198.51.100.7"
    assert some.excluded(namespace("blue", tier="core"), ["a.example"]) is None
    assert some.excluded(namespace("blue"), ["a.example"]) == "a.example"


def test_a_project_that_no_entry_is_for_may_go_nowhere() -> None:
    assert allowing(listing("0.0.0.0/0", names=["green"])).excluded(namespace("blue"), ["192.0.2.1"]) == "192.0.2.1"


@pytest.mark.parametrize(
    "text", ["", "*.", "a.*.example", "*example.com", "**", "1.2.3", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "x_y", "a b"]
)
def test_what_is_no_destination_makes_the_network_unreadable(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        allowing(listing("192.0.2.1", text))
    assert str(caught.value) == (
        f"EgressNetwork outside: spec.allowedDestinations[0].destinations[1] is {text!r}; "
        "give an address, a CIDR, or a name such as api.example.com or *.example.com"
    )


# --- services ---


def led(egress_pod: Any, networks: list[EgressNetwork], held: tuple[str, ...] = ()) -> list[str]:
    found = admission.leading_there(service(egress_pod), networks, namespace(), held)
    return [item.name for item in found]


PARTNERS = allowing(listing("198.51.100.0/24", "*.partner.example"), name="partners")
ANYWHERE = network("anywhere")
INSIDE_LIST, OUTSIDE_LIST = {"destination_ip": "198.51.100.7"}, {"destination_ip": "203.0.113.7"}


def test_a_destination_outside_the_list_is_refused_in_one_sentence() -> None:
    with pytest.raises(Refused) as caught:
        led({"destinations": {"198.51.100.7": {"80": 80}, "evil.example": {"81": 81}}}, [PARTNERS])
    assert caught.value.reason == "DestinationNotAllowed"
    assert caught.value.reason.final
    assert str(caught.value) == (
        "Service default/secure-egress-service: egress_pod leads to 'evil.example', which EgressNetwork partners does "
        "not allow to project default; name a destination of its spec.allowedDestinations, or have this one added there"
    )


def test_a_service_draws_from_the_networks_that_lead_there() -> None:
    assert led(INSIDE_LIST, [PARTNERS, ANYWHERE]) == ["partners", "anywhere"]
    assert led(OUTSIDE_LIST, [PARTNERS, ANYWHERE]) == ["anywhere"]


def test_a_list_sends_no_service_from_the_network_that_it_holds() -> None:
    with pytest.raises(Refused, match="EgressNetwork partners does not allow"):
        led(OUTSIDE_LIST, [PARTNERS, ANYWHERE], held=("partners",))
    assert led(OUTSIDE_LIST, [PARTNERS, ANYWHERE], held=("anywhere",)) == ["anywhere"]
    assert led({**OUTSIDE_LIST, "network": "anywhere"}, [ANYWHERE], held=("partners",)) == ["anywhere"]


def test_the_network_that_has_the_address_asked_for_is_the_one_that_counts() -> None:
    elsewhere = network("elsewhere", subnets=[{"cidr": "10.70.113.0/24"}])
    asked = {**OUTSIDE_LIST, "source_ip": SOURCE}
    with pytest.raises(Refused, match="EgressNetwork partners does not allow"):
        led(asked, [PARTNERS, elsewhere])
    assert led({**OUTSIDE_LIST, "source_ip": "10.70.113.9"}, [PARTNERS, elsewhere]) == ["elsewhere"]


def test_names_that_a_list_allows_are_carried_out_as_absolute_ones() -> None:
    """Else ``api.partner`` that nobody has is found by the search list, in a namespace called ``partner``."""
    wish = service({"destinations": {"198.51.100.7": {"80": 80}, "api.partner.example": {"81": 81}}})
    bound = admission.as_allowed(wish, PARTNERS)
    assert bound.egress_pod.hosts == ("198.51.100.7", "api.partner.example.")
    assert [route.host for route in bound.routes] == ["198.51.100.7", "api.partner.example."]
    assert admission.as_allowed(bound, PARTNERS) == bound
    assert admission.as_allowed(wish, ANYWHERE) == wish
    rendered = manifests.replication_controller(bound, cloud(), PARTNERS, [SOURCE])
    assert "api.partner.example.:81" in str(rendered)


def test_a_list_opens_nothing_that_is_inside_the_cluster() -> None:
    everything = {"outside": allowing(listing("0.0.0.0/0", "::/0", "*"))}
    inside = cloud(clusterCIDRs=["10.128.0.0/14"])
    with pytest.raises(InvalidInput, match="name an application outside the cluster"):
        admission.admit(service({"destination_ip": "10.128.0.9"}), [inside], everything, namespace())
