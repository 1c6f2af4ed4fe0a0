# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The guarantees of leases, under interleavings, crashes between any two writes and lost replies."""

from __future__ import annotations

import copy
import random
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api import timestamps
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    Conflict,
    InvalidInput,
    PoolExhausted,
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    KubeObject,
    Resource,
    address_name,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases, transfers
from ansible_collections.avi.egress.plugins.module_utils.ipam.lease_status import BOUND, HISTORY_LENGTH, RELEASED
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import (
    ADMINISTRATOR,
    CONTROLLER,
    Claim,
    Slot,
    at_random,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import SMALLEST_SHARE, EgressNetwork
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import network
from tests.support.memory_store import LostConnection, MemoryStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def pool_of(size: int) -> EgressNetwork:
    block = {"begin": "10.70.112.1", "end": f"10.70.112.{size}"}
    return network(subnets=[{"cidr": "10.70.112.0/24", "ranges": [block]}])


def both(four: int, six: int) -> EgressNetwork:
    """A network with so many addresses of each family."""
    blocks = [
        ("10.70.112.0/24", "10.70.112.1", f"10.70.112.{four}"),
        ("fd70:112::/64", "fd70:112::1", f"fd70:112::{six:x}"),
    ]
    return network(subnets=[{"cidr": cidr, "ranges": [{"begin": a, "end": z}]} for cidr, a, z in blocks])


def claim_of(
    store: MemoryStore, which: Slot, ip_family: str, of: EgressNetwork | None = None, **fields: Any
) -> KubeObject:
    draw = at_random((), **{key: fields.pop(key) for key in ("random_below",) if key in fields})
    return leases.claim(store, of or both(2, 2), Claim(which, ip_family=ip_family, **fields), draw, NOW)


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def slot(service: str = "web", number: int = 0, project: str = "green") -> Slot:
    return Slot("outside", project, service, number)


def claim(store: MemoryStore, size: int, which: Slot, taken: Any = (), **fields: Any) -> KubeObject:
    draw = at_random(taken, **{key: fields.pop(key) for key in ("random_below",) if key in fields})
    return leases.claim(store, pool_of(size), Claim(which, **fields), draw, NOW)


def address_of(lease: KubeObject) -> str:
    return str(lease["status"]["address"])


def test_a_claim_makes_lease_and_lock_and_binds_them() -> None:
    store = MemoryStore()
    lease = claim(store, 1, slot())
    assert lease["metadata"]["name"] == "outside.green.web.0"
    assert lease["status"] == {"phase": BOUND, "address": "10.70.112.1", "boundAt": "2026-01-02T03:04:05Z"}
    lock = store.objects["EgressAddress"]["outside.10-70-112-1"]
    assert lock["spec"] == {
        "network": "outside",
        "address": "10.70.112.1",
        "lease": "outside.green.web.0",
        "leaseUID": lease["metadata"]["uid"],
    }
    assert leases.slot_of(lease) == slot()


def test_a_bound_lease_costs_one_request_and_no_write() -> None:
    store = MemoryStore()
    lease = claim(store, 9, slot())
    store.requests = 0
    assert claim(store, 9, slot()) == lease
    assert store.requests == 1


@pytest.mark.parametrize("start", range(5))
def test_the_start_is_random_and_every_address_is_reached(start: int) -> None:
    store = MemoryStore()
    found = [address_of(claim(store, 5, slot(f"s{n}"), random_below=lambda size: start % size)) for n in range(5)]
    assert found[0] == f"10.70.112.{start + 1}"
    assert sorted(found) == [f"10.70.112.{last}" for last in range(1, 6)]


def test_the_last_addresses_go_to_exactly_as_many_claimants() -> None:
    store = MemoryStore()
    found, refused = [], 0
    for number in range(12):
        try:
            found.append(address_of(claim(store, 5, slot(f"s{number}"))))
        except PoolExhausted:
            refused += 1
    assert (len(set(found)), refused) == (5, 7)


def test_an_empty_pool_is_exhausted() -> None:
    with pytest.raises(PoolExhausted, match=r"EgressNetwork outside: spec\.subnets has no IPv4 addresses to lease"):
        leases.claim(MemoryStore(), network(subnets=[]), Claim(slot()), at_random(()), NOW)


def test_a_stale_hint_costs_at_most_a_refusal_never_an_address() -> None:
    store = MemoryStore()
    held = address_of(claim(store, 2, slot("a")))
    other = ({"10.70.112.1", "10.70.112.2"} - {held}).pop()
    assert address_of(claim(store, 2, slot("b"), taken={held})) == other
    with pytest.raises(PoolExhausted):
        claim(MemoryStore(), 2, slot(), taken={"10.70.112.1", "10.70.112.2"})


def test_the_same_slot_gets_the_same_address_again() -> None:
    store = MemoryStore()
    first = address_of(claim(store, 200, slot()))
    for _again in range(5):
        released = leases.release(store, store.leases()[0], NOW, "Tested")
        assert released["status"]["phase"] == RELEASED
        assert leases.release(store, released, NOW + timedelta(days=1), "Tested") == released
        assert address_of(claim(store, 200, slot())) == first


def test_a_released_address_is_nobody_elses_until_it_is_freed() -> None:
    store = MemoryStore()
    lease = leases.release(store, claim(store, 1, slot()), NOW, "Tested")
    with pytest.raises(PoolExhausted):
        claim(store, 1, slot("other"))
    leases.free(store, lease)
    assert not store.locks()
    assert address_of(claim(store, 1, slot("other"))) == "10.70.112.1"


def test_freeing_what_was_bound_again_meanwhile_changes_nothing() -> None:
    store = MemoryStore()
    seen = leases.release(store, claim(store, 1, slot()), NOW, "Tested")
    bound = claim(store, 1, slot())
    with pytest.raises(Conflict):
        leases.free(store, seen)
    assert claim(store, 1, slot()) == bound
    assert store.locks().keys() == {"10.70.112.1"}


def test_freeing_a_lease_that_was_never_bound_frees_what_a_crash_left_locked() -> None:
    store = MemoryStore(crash_at(5))
    with pytest.raises(LostConnection):
        claim(store, 3, slot())
    assert len(store.locks()) == 1
    store.between = lambda _request: None
    leases.free(store, store.leases()[0])
    assert not any(store.objects.values())


@pytest.mark.parametrize(
    ("status", "over"),
    [
        ({"phase": BOUND, "address": "10.70.112.1"}, False),
        ({}, False),
        ({"phase": RELEASED, "releasedAt": "2026-01-02T03:04:05Z"}, False),
        ({"phase": RELEASED, "releasedAt": "2026-01-02T03:03:05Z"}, True),
    ],
)
def test_quarantine_is_over_after_its_seconds_and_only_for_released_leases(status: Any, over: bool) -> None:
    assert lease_status.quarantine_over({"status": status}, 60, NOW) is over


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_a_moment_survives_being_written(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC, microsecond=0)
    assert timestamps.parse_timestamp(timestamps.timestamp(aware)) == aware
    assert timestamps.timestamp(aware.astimezone()) == timestamps.timestamp(aware)


def test_a_wanted_address_is_had_or_refused_by_reason() -> None:
    store = MemoryStore()
    assert address_of(claim(store, 5, slot(), wanted="10.70.112.4")) == "10.70.112.4"
    assert address_of(claim(store, 5, slot(), wanted="10.70.112.4")) == "10.70.112.4"
    for which, wanted, reason in [
        (slot(), "10.70.112.5", "AddressMismatch"),
        (slot("b"), "10.70.112.4", "AddressTaken"),
        (slot("b"), "10.70.112.6", "AddressNotInNetwork"),
        (slot("b"), "10.70.112.0", "AddressNotInNetwork"),
    ]:
        with pytest.raises(Refused) as caught:
            claim(store, 5, which, wanted=wanted)
        assert caught.value.reason == reason
    assert store.locks().keys() == {"10.70.112.4"}


def test_same_service_name_in_two_projects_is_two_leases() -> None:
    store = MemoryStore()
    found = {address_of(claim(store, 2, slot(project=project))) for project in ("green", "blue")}
    assert len(found) == 2


def test_an_ipv6_address_has_one_lock_name() -> None:
    assert address_name("n", "2001:db8::1") == address_name("n", "2001:db8:0:0::1")
    assert "." not in address_name("n", "2001:db8::1").removeprefix("n.")


@given(st.ip_addresses(v=6), st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_an_ipv6_lock_name_is_one_that_kubernetes_takes(address: Any, name: str) -> None:
    found = address_name(name, str(address))
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", found)  # RFC 1123 subdomain
    assert len(found) <= 253
    assert str(address.exploded) == found.removeprefix(f"{name}.").replace("-", ":")


# --- records, transfers, quotas, reservations, conflicts ---


def expire(store: MemoryStore, lease: KubeObject) -> KubeObject:
    leases.free(store, leases.release(store, lease, NOW, "Tested"))
    return store.objects["EgressLease"][lease["metadata"]["name"]]


def test_a_lease_that_is_over_is_a_record_and_its_service_gets_the_same_address_if_it_is_free() -> None:
    store = MemoryStore()
    first = address_of(claim(store, 200, slot()))
    record = expire(store, store.leases()[0])
    assert record["status"] == {
        "phase": lease_status.EXPIRED,
        "address": first,
        "boundAt": "2026-01-02T03:04:05Z",
        "releasedAt": "2026-01-02T03:04:05Z",
        "reason": "Tested",
    }
    again = claim(store, 200, slot())
    assert address_of(again) == first
    assert [item["address"] for item in again["status"]["history"]] == [first]
    assert "releasedAt" not in again["status"]


def test_a_record_is_no_hold_on_the_address() -> None:
    store = MemoryStore()
    first = address_of(claim(store, 1, slot()))
    expire(store, store.leases()[0])
    assert address_of(claim(store, 1, slot("other", project="blue"))) == first
    assert address_of(claim(store, 2, slot())) != first


def test_who_held_what_and_when_is_remembered_to_a_limit() -> None:
    store = MemoryStore()
    for number in range(lease_status.HISTORY_LENGTH + 3):
        moment = NOW + timedelta(hours=number)
        lease = leases.claim(store, pool_of(1), Claim(slot()), at_random(()), moment)
        leases.release(store, lease, moment + timedelta(minutes=30), f"Reason{'ABCDEFGHIJKLM'[number]}")
    found = lease_status.of(store.leases()[0])
    assert [item.reason for item in found] == [f"Reason{letter}" for letter in "CDEFGHIJK"]
    assert found[0].bound_at == NOW + timedelta(hours=2)
    held = [item for item in found if item.covers(NOW + timedelta(hours=5, minutes=10))]
    assert [item.reason for item in held] == ["ReasonF"]
    assert not [item for item in found if item.covers(NOW + timedelta(hours=5, minutes=40))]


def test_a_transfer_gives_the_address_on_without_anybody_else_having_it() -> None:
    store = MemoryStore()
    source = claim(store, 1, slot("old"))
    with pytest.raises(Refused, match=r"outside\.green\.old\.0 has no address to give; release it first"):
        transfers.transfer(store, source, slot("new"), NOW, ADMINISTRATOR)
    source = leases.release(store, source, NOW, "Tested")
    target = transfers.transfer(store, source, slot("new"), NOW, ADMINISTRATOR)
    assert address_of(target) == "10.70.112.1"
    assert store.locks()["10.70.112.1"]["lease"] == target["metadata"]["name"]
    former = store.objects["EgressLease"]["outside.green.old.0"]["status"]
    assert (former["phase"], former["reason"]) == ("Expired", "Transferred")


def test_a_transfer_takes_nothing_from_who_holds_another_address_or_has_none_to_give() -> None:
    store = MemoryStore()
    source = leases.release(store, claim(store, 2, slot("old")), NOW, "Tested")
    claim(store, 2, slot("new"))
    with pytest.raises(Refused, match=r"outside\.green\.new\.0 holds .*; release it before it gets another"):
        transfers.transfer(store, source, slot("new"), NOW, ADMINISTRATOR)
    leases.free(store, source)
    (expired,) = [item for item in store.leases() if item["status"]["phase"] == "Expired"]
    with pytest.raises(Refused, match=r"does not have .* to give any more"):
        transfers.transfer(store, expired, slot("third"), NOW, ADMINISTRATOR)


@pytest.mark.parametrize("request_number", range(1, 10))
def test_a_transfer_that_crashed_anywhere_is_completed_by_repeating_it(request_number: int) -> None:
    store = MemoryStore()
    leases.release(store, claim(store, 1, slot("old")), NOW, "Tested")
    store.between = crash_at(request_number)
    with suppress(LostConnection):
        transfers.transfer(store, copy.deepcopy(store.leases()[0]), slot("new"), NOW, ADMINISTRATOR)
    store.between = lambda _request: None
    assert store.locks().keys() == {"10.70.112.1"}, "nobody else can have it meanwhile"
    source = copy.deepcopy(store.objects["EgressLease"]["outside.green.old.0"])
    assert address_of(transfers.transfer(store, source, slot("new"), NOW, ADMINISTRATOR)) == "10.70.112.1"


def take(store: MemoryStore, of: EgressNetwork, which: Slot) -> KubeObject:
    return transfers.claim(store, of, Claim(which), at_random(()), store.leases, NOW)


def test_a_full_network_gives_a_project_what_it_gave_back_itself_and_no_other() -> None:
    store = MemoryStore()
    for number, service in enumerate(("a", "b")):
        lease = claim(store, 2, slot(service))
        leases.release(store, lease, NOW - timedelta(minutes=number), "Tested")
    longest = address_of(store.objects["EgressLease"]["outside.green.b.0"])
    with pytest.raises(PoolExhausted):
        take(store, pool_of(2), slot(project="blue"))
    assert address_of(take(store, pool_of(2), slot("c"))) == longest, "what was given back the longest ago goes first"


def test_a_project_holds_as_many_addresses_as_its_quota_says() -> None:
    store = MemoryStore()
    some = network(addressesPerNamespace=2, quotas=[{"namespace": "blue", "addresses": 0}])
    found = [take(store, some, slot(service)) for service in ("a", "b")]
    with pytest.raises(Refused) as caught:
        take(store, some, slot("c"))
    assert caught.value.reason == "QuotaExceeded"
    assert str(caught.value) == (
        "EgressNetwork outside: project green holds 2 addresses, those in quarantine included, and may hold 2; "
        "release one, or raise its spec.quotas"
    )
    with pytest.raises(Refused, match="project blue holds 0 addresses"):
        take(store, some, slot(project="blue"))
    assert take(store, some, slot("a")) == found[0]
    given_back = address_of(leases.release(store, found[1], NOW, "Tested"))
    assert address_of(take(store, some, slot("c"))) == given_back
    take(store, some, slot(project="red"))


def test_what_is_refused_makes_nothing_and_writes_nothing() -> None:
    store = MemoryStore()
    taken = address_of(claim(store, 1, slot("first")))
    quota = network(addressesPerNamespace=1)
    requests: list[str] = []
    store.between = requests.append
    with pytest.raises(PoolExhausted):
        claim(store, 1, slot("exhausted"), {taken})
    with pytest.raises(Refused, match="may hold 1"):
        take(store, quota, slot("beyond"))
    with pytest.raises(Refused, match="is held by"):
        leases.claim(store, quota, Claim(slot(project="blue"), taken), at_random(()), NOW)
    with pytest.raises(Refused, match="none of its leasable addresses"):
        leases.claim(store, pool_of(1), Claim(slot("outside"), "10.0.0.1"), at_random(()), NOW)
    assert len(store.leases()) == 1
    assert set(requests) <= {"get", "list"}


def test_a_lease_that_was_made_in_vain_goes() -> None:
    """Its claim knew of a free address, and somebody else was faster."""
    store = MemoryStore()
    claim(store, 1, slot("first"))
    with pytest.raises(PoolExhausted):
        claim(store, 1, slot("second"))
    assert [lease["metadata"]["name"] for lease in store.leases()] == ["outside.green.first.0"]


def test_a_quota_says_the_same_however_many_more_are_held() -> None:
    store = MemoryStore()
    for number in range(5):
        take(store, network(), slot(f"s{number}"))
    lowered = network(addressesPerNamespace=2)
    for number in range(3, 5):
        with pytest.raises(Refused, match=r"holds more than 2 addresses, .* and may hold 2"):
            take(store, lowered, slot("more"))
        leases.free(store, leases.release(store, store.leases()[number], NOW, "Tested"))


def draw_for(store: MemoryStore, of: EgressNetwork, which: Slot, ip_family: str = "IPv4") -> KubeObject:
    """As the controller claims for a service."""
    asked = Claim(which, ip_family=ip_family, claimed_by=CONTROLLER)
    return transfers.claim(store, of, asked, at_random(()), store.leases, NOW)


def test_one_projects_services_draw_half_of_a_network_at_most() -> None:
    store, some = MemoryStore(), pool_of(50)
    for number in range(10):
        take(store, some, slot(f"ahead{number}"))
    drawn = [draw_for(store, some, slot(f"s{number}")) for number in range(25)]
    with pytest.raises(Refused, match="services of project green hold 25 IPv4 addresses") as caught:
        draw_for(store, some, slot("more"))
    assert caught.value.reason == "QuotaExceeded"
    assert draw_for(store, some, slot("s0")) == drawn[0]
    take(store, some, slot("administrators-may"))
    given_back = address_of(leases.release(store, drawn[1], NOW, "Tested"))
    assert address_of(draw_for(store, some, slot("more"))) == given_back
    draw_for(store, some, slot(project="blue"))
    quotas = [{"namespace": "green", "addresses": 40}]
    block = {"begin": "10.70.112.1", "end": "10.70.112.50"}
    generous = network(subnets=[{"cidr": "10.70.112.0/24", "ranges": [block]}], quotas=quotas)
    draw_for(store, generous, slot("beyond"))


def test_of_a_small_network_and_by_its_own_quota_a_project_may_have_all() -> None:
    store = MemoryStore()
    for number in range(SMALLEST_SHARE):
        draw_for(store, pool_of(SMALLEST_SHARE), slot(f"s{number}"))
    assert len(store.locks()) == SMALLEST_SHARE


def test_a_family_of_which_there_are_many_does_not_make_up_for_the_other() -> None:
    store, some = MemoryStore(), both(34, 200)
    for number in range(17):
        draw_for(store, some, slot(f"four{number}"))
    with pytest.raises(Refused, match="hold 17 IPv4 addresses"):
        draw_for(store, some, slot("more"))
    draw_for(store, some, slot("six"), "IPv6")


def test_a_reserved_address_is_for_its_project_by_name_only() -> None:
    store = MemoryStore()
    block = {"begin": "10.70.112.1", "end": "10.70.112.2"}
    reserved = [{"address": "10.70.112.2", "namespace": "green"}]
    some = network(subnets=[{"cidr": "10.70.112.0/24", "ranges": [block]}], reservations=reserved)
    assert address_of(take(store, some, slot("drawn"))) == "10.70.112.1"
    with pytest.raises(PoolExhausted):
        take(store, some, slot("more"))
    with pytest.raises(Refused, match=r"10\.70\.112\.2 is reserved for project green"):
        leases.claim(store, some, Claim(slot(project="blue"), "10.70.112.2"), at_random(()), NOW)
    named = leases.claim(store, some, Claim(slot("named"), "10.70.112.2"), at_random(()), NOW)
    assert address_of(named) == "10.70.112.2"


def test_an_address_that_was_reserved_for_another_since_is_not_had_again() -> None:
    store = MemoryStore()
    former = address_of(leases.release(store, claim(store, 2, slot()), NOW, "Tested"))
    block = {"begin": "10.70.112.1", "end": "10.70.112.2"}
    reserved = [{"address": former, "namespace": "blue"}]
    some = network(subnets=[{"cidr": "10.70.112.0/24", "ranges": [block]}], reservations=reserved)
    assert address_of(take(store, some, slot())) not in (None, former)


def in_conflict(store: MemoryStore, address: str) -> None:
    (lock,) = [item for item in store.list(EGRESS_ADDRESS) if item["spec"]["address"] == address]
    store.replace(
        EGRESS_ADDRESS, {**lock, "status": {"conditions": [{"type": "Conflict", "status": "True"}]}}, "status"
    )


def test_an_address_in_conflict_is_passed_over_and_kept_from_everybody() -> None:
    store = MemoryStore()
    first = address_of(claim(store, 2, slot()))
    in_conflict(store, first)
    assert address_of(claim(store, 2, slot())) == first, "who has it keeps it"
    lease = leases.release(store, store.leases()[0], NOW, "Conflict")
    with pytest.raises(Refused, match="a host that it was not leased to answers for"):
        claim(store, 2, slot(), wanted=first)
    second = claim(store, 2, slot())
    assert address_of(second) != first
    assert [item["reason"] for item in second["status"]["history"]] == ["Conflict"]
    with pytest.raises(PoolExhausted):
        claim(store, 2, slot("other"))
    expire(store, second)
    assert first in store.locks(), "until an administrator has settled it"
    assert lease["metadata"]["name"] == store.locks()[first]["lease"]


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([{"address": "ten", "namespace": "a"}], "spec.reservations[0].address is 'ten'; give an IPv4 or IPv6 address"),
        (
            [{"address": "FD70::1", "namespace": "a"}, {"address": "fd70:0::1", "namespace": "b"}],
            "spec.reservations[1].address is 'fd70:0::1'; fd70::1 is reserved for a already",
        ),
    ],
)
def test_reservations_that_make_no_sense_are_told(items: Any, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        network(reservations=items)
    assert str(caught.value) == f"EgressNetwork outside: {told}"


# --- families ---


def test_a_claim_takes_addresses_of_the_family_asked_for_only() -> None:
    store = MemoryStore()
    found = {ip_family: address_of(claim_of(store, slot(ip_family), ip_family)) for ip_family in ("IPv4", "IPv6")}
    assert found["IPv4"].startswith("10.70.112.")
    assert found["IPv6"].startswith("fd70:112::")
    claim_of(store, slot("another"), "IPv6")
    with pytest.raises(PoolExhausted, match="EgressNetwork outside: all 2 IPv6 addresses are held or in quarantine"):
        claim_of(store, slot("third"), "IPv6")
    assert family_of(address_of(claim_of(store, slot("third"), "IPv4"))) == "IPv4"


def test_a_network_without_the_family_says_so() -> None:
    with pytest.raises(PoolExhausted, match=r"spec\.subnets has no IPv6 addresses to lease; add an IPv6 subnet"):
        claim_of(MemoryStore(), slot(), "IPv6", pool_of(5))


def test_a_slash_64_of_sources_is_claimed_like_a_small_one() -> None:
    wide = network(subnets=[{"cidr": "fd70:112::/64"}])
    found = address_of(claim_of(MemoryStore(), slot(), "IPv6", wide, random_below=lambda size: size - 1))
    assert found == "fd70:112::ffff:ffff:ffff:ffff"


def test_a_bound_lease_of_the_other_family_is_left_as_it_is_and_the_remedy_told() -> None:
    store = MemoryStore()
    bound = claim_of(store, slot(), "IPv4", random_below=lambda _size: 0)
    for fields in ({"ip_family": "IPv6"}, {"ip_family": "IPv4", "wanted": "fd70:112::1"}):
        with pytest.raises(Refused) as caught:
            claim_of(store, slot(), **fields)  # type: ignore[arg-type]
        assert caught.value.reason == "AddressFamilyMismatch"
        assert str(caught.value) == (
            "EgressLease outside.green.web.0 holds 10.70.112.1, and an IPv6 address is asked for; an address never "
            "changes under a running service: remove the egress_pod annotation until the lease is Released, or release "
            "it by avi_ipam_lease if that acquired it"
        )
    assert store.leases() == [bound]
    assert store.locks().keys() == {"10.70.112.1"}


def test_a_released_lease_gets_an_address_of_the_other_family_and_keeps_the_former_one_locked() -> None:
    store = MemoryStore()
    first = address_of(claim_of(store, slot(), "IPv4"))
    leases.release(store, store.leases()[0], NOW, "Tested")
    second = address_of(claim_of(store, slot(), "IPv6"))
    assert family_of(second) == "IPv6"
    assert store.locks().keys() == {first, second}, "firewalls may still trust the former one"
    leases.release(store, store.leases()[0], NOW, "Tested")
    assert address_of(claim_of(store, slot(), "IPv4")) == first, "the same slot gets the same address again"
    leases.free(store, leases.release(store, store.leases()[0], NOW, "Tested"))
    assert not store.locks(), "nothing leaks"


def test_whoever_decided_to_delete_a_former_address_meets_a_newer_lock_when_it_was_claimed_again() -> None:
    store = MemoryStore()
    first = address_of(claim_of(store, slot(), "IPv4"))
    leases.release(store, store.leases()[0], NOW, "Tested")
    claim_of(store, slot(), "IPv6")
    (doomed,) = [lock for lock in store.list(EGRESS_ADDRESS) if lock["spec"]["address"] == first]
    leases.release(store, store.leases()[0], NOW, "Tested")
    assert address_of(claim_of(store, slot(), "IPv4")) == first
    with pytest.raises(Conflict):
        store.delete(EGRESS_ADDRESS, doomed)


def test_a_claim_that_lost_leaves_an_address_in_conflict_to_the_administrator() -> None:
    store = MemoryStore()
    other: list[str] = []

    def between(request: str) -> None:
        if request == "replace" and not other:  # the address is locked, the lease not yet bound
            other.append("")
            in_conflict(store, *store.locks())
            other[0] = address_of(claim(store, 2, slot()))

    store.between = between
    with pytest.raises(Conflict):
        claim(store, 2, slot())
    assert len(store.locks()) == 2
    assert store.leases()[0]["status"]["address"] == other[0], "it is not given out"


def test_a_claim_that_lost_to_one_of_the_other_family_leaves_the_former_address_in_quarantine() -> None:
    store = MemoryStore()
    first = address_of(claim_of(store, slot(), "IPv4"))
    leases.release(store, store.leases()[0], NOW, "Tested")
    second: list[str] = []

    def between(request: str) -> None:
        writes.append(request)
        if writes.count("replace") == 2 and not second:  # the lock is claimed again, the lease not yet bound
            second.append("")
            second[0] = address_of(claim_of(store, slot(), "IPv6"))

    writes: list[str] = []
    store.between = between
    with pytest.raises(Conflict):
        claim_of(store, slot(), "IPv4")
    assert store.locks().keys() == {first, second[0]}


@pytest.mark.parametrize("request_number", range(1, 12))
def test_a_crash_between_any_two_requests_of_a_change_of_family_is_completed_by_the_next(request_number: int) -> None:
    for after in ("IPv4", "IPv6"):
        store = MemoryStore()
        first = address_of(claim_of(store, slot(), "IPv4", both(9, 9)))
        leases.release(store, store.leases()[0], NOW, "Tested")
        store.between = crash_at(request_number)
        with suppress(LostConnection):
            claim_of(store, slot(), "IPv6", both(9, 9))
        store.between = lambda _request: None
        if (store.leases()[0]["status"]["phase"], after) == (BOUND, "IPv4"):
            leases.release(store, store.leases()[0], NOW, "Tested")
        found = address_of(claim_of(store, slot(), after, both(9, 9)))
        assert family_of(found) == after
        assert len(store.locks()) <= 2
        assert {first, found} <= store.locks().keys()
        leases.free(store, leases.release(store, store.leases()[0], NOW, "Tested"))
        assert not store.locks(), "nothing leaks"


def test_a_released_slot_gets_its_address_back_even_if_the_lock_was_lost() -> None:
    store = MemoryStore()
    lease = leases.release(store, claim(store, 50, slot(), random_below=lambda _size: 7), NOW, "Tested")
    del store.objects["EgressAddress"]["outside.10-70-112-8"]
    assert address_of(claim(store, 50, slot(), random_below=lambda _size: 0)) == address_of(lease) == "10.70.112.8"
    assert store.locks().keys() == {"10.70.112.8"}


def test_freeing_a_lease_spares_a_lock_that_became_another_leases() -> None:
    store = MemoryStore()
    lease = leases.release(store, claim(store, 1, slot()), NOW, "Tested")
    del store.objects["EgressAddress"]["outside.10-70-112-1"]
    other = claim(store, 1, slot("other"))
    leases.free(store, lease)
    assert store.locks()["10.70.112.1"]["leaseUID"] == other["metadata"]["uid"]


def test_a_claim_of_a_lease_that_is_gone_leaves_its_successors_lock_alone() -> None:
    store = MemoryStore()
    released = leases.release(store, claim(store, 1, slot()), NOW, "Tested")
    successor: list[KubeObject] = []

    def between(request: str) -> None:
        if request == "create" and not successor:
            successor.append({})
            leases.free(store, released)
            successor[0] = claim(store, 1, slot())

    store.between = between
    with pytest.raises(Conflict):
        claim(store, 1, slot())
    assert store.locks()["10.70.112.1"]["leaseUID"] == successor[0]["metadata"]["uid"]
    assert claim(store, 1, slot()) == successor[0]


# --- interleavings: a crash, or another client, between any two requests ---


def crash_at(request: int) -> Callable[[str], None]:
    count = 0

    def between(_request: str) -> None:
        nonlocal count
        count += 1
        if count == request:
            raise LostConnection("crashed")

    return between


@pytest.mark.parametrize("request_number", range(1, 12))
@pytest.mark.parametrize("state", ["new", "released"])
def test_a_crash_between_any_two_requests_of_a_claim_is_completed_by_the_next(request_number: int, state: str) -> None:
    store = MemoryStore()
    before = None
    if state == "released":
        lease = claim(store, 50, slot())
        before = address_of(lease)
        leases.release(store, lease, NOW, "Tested")
    store.between = crash_at(request_number)
    with suppress(LostConnection):
        claim(store, 50, slot())
    locked = set(store.locks())
    store.between = lambda _request: None
    found = address_of(claim(store, 50, slot()))
    assert store.locks().keys() == {found}, "nothing leaks"
    assert locked <= {found}, "what was locked before the crash is taken up again"
    assert before in (None, found)


@pytest.mark.parametrize("write", range(1, 4))
def test_a_lost_reply_to_any_write_of_a_claim_is_no_loss(write: int) -> None:
    store = MemoryStore()
    store.lose_reply_of_write = write
    with pytest.raises(LostConnection):
        claim(store, 50, slot())
    assert store.locks().keys() == {address_of(claim(store, 50, slot()))} or write == 1


def test_a_write_that_a_proxy_on_the_way_repeats_costs_no_lock() -> None:
    """It is done, and then refused for being a second one of the same version."""

    class Repeated(MemoryStore):
        def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
            super().replace(resource, body, subresource)
            return super().replace(resource, body, subresource)

    store = Repeated()
    with pytest.raises(Conflict):
        claim(store, 50, slot())
    assert store.locks().keys() == {address_of(claim(store, 50, slot()))}


@pytest.mark.parametrize("request_number", range(1, 10))
def test_a_crash_between_any_two_requests_of_a_free_can_be_repeated_or_claimed_again(request_number: int) -> None:
    for again in ("free", "claim"):
        store = MemoryStore()
        lease = leases.release(store, claim(store, 50, slot()), NOW, "Tested")
        store.between = crash_at(request_number)
        with suppress(LostConnection):
            leases.free(store, lease)
        store.between = lambda _request: None
        if again == "free" and store.leases():
            leases.free(store, store.leases()[0])
        lease = claim(store, 50, slot())
        assert store.locks().keys() == {address_of(lease)}
        assert store.locks()[address_of(lease)]["leaseUID"] == lease["metadata"]["uid"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from([0, 1, 2]), max_size=60), st.permutations(range(3)), st.booleans())
def test_two_claims_of_a_slot_and_a_free_in_any_order_leave_one_holder_and_no_leak(
    turns: list[int], starts: list[int], released: bool
) -> None:
    store = MemoryStore()
    lease = claim(store, 3, slot()) if released else None
    stale = leases.release(store, lease, NOW, "Tested") if lease else None

    def one() -> KubeObject:
        return claim(store, 3, slot(), random_below=lambda _size: starts[0])

    def two() -> KubeObject:
        return claim(store, 3, slot(), random_below=lambda _size: starts[1])

    def three() -> None:
        if stale:
            leases.free(store, stale)

    interleave(store, [one, two, three], turns)
    store.between = lambda _request: None
    final = claim(store, 3, slot())
    assert store.locks().keys() == {address_of(final)}
    assert store.locks()[address_of(final)]["leaseUID"] == final["metadata"]["uid"]


@settings(max_examples=100)
@given(st.lists(st.sampled_from([0, 1, 2]), max_size=60), st.lists(st.integers(0, 1), min_size=3, max_size=3))
def test_three_services_racing_for_two_addresses_are_served_twice(turns: list[int], starts: list[int]) -> None:
    store = MemoryStore()
    found: list[str] = []

    def claimant(number: int) -> Callable[[], None]:
        def run() -> None:
            with suppress(PoolExhausted):
                lease = claim(store, 2, slot(f"s{number}"), random_below=lambda _size: starts[number])
                found.append(address_of(lease))

        return run

    interleave(store, [claimant(number) for number in range(3)], turns)
    assert sorted(found) == ["10.70.112.1", "10.70.112.2"]


def interleave(store: MemoryStore, tasks: list[Callable[[], Any]], turns: list[int]) -> None:
    """Run tasks in threads that take turns: each makes one request, then waits until it is called again.

    ``turns`` says who is next; after the last, each runs to its end. Conflict ends a task, as it ends a claim.
    """
    resume = [threading.Semaphore(0) for _task in tasks]
    paused = threading.Semaphore(0)
    done = [False] * len(tasks)
    here = threading.local()

    def between(_request: str) -> None:
        paused.release()
        resume[here.number].acquire()

    def run(number: int, task: Callable[[], Any]) -> None:
        here.number = number
        resume[number].acquire()
        with suppress(Conflict):
            task()
        done[number] = True
        paused.release()

    store.between = between
    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for number in [*turns, *(number for number in range(len(tasks)) for _step in range(40))]:
        if not done[number]:
            resume[number].release()
            paused.acquire()
    for thread in threads:
        thread.join()


def test_a_full_pool_is_claimed_to_the_last_address_whatever_the_order() -> None:
    store = MemoryStore()
    order = random.Random(7)
    names = [f"s{number}" for number in range(60)]
    order.shuffle(names)
    for name in names:
        claim(store, 60, slot(name), random_below=order.randrange)
    assert len(store.locks()) == 60
    assert {o["spec"]["service"] for o in store.list(EGRESS_LEASE)} == set(names)
    assert len(store.list(EGRESS_ADDRESS)) == 60


# --- a project that is deleted and made again ---

HERS, HIS = "11111111-hers", "22222222-his"
"""The UIDs of two namespaces of one name, of which the second was made when the first was gone."""


def claim_by(store: MemoryStore, size: int, uid: str | None, service: str = "web", **fields: Any) -> KubeObject:
    asked = Claim(slot(service), claimed_by=fields.pop("claimed_by", CONTROLLER), project=uid, **fields)
    return transfers.claim(store, pool_of(size), asked, at_random(store.locks()), store.leases, NOW)


@pytest.mark.parametrize("state", ["Bound", "Released", "Expired"])
def test_a_project_made_again_gets_another_address_and_the_old_is_kept_back(state: str) -> None:
    store = MemoryStore()
    hers = address_of(claim_by(store, 2, HERS))
    if state != "Bound":
        leases.release(store, store.leases()[0], NOW, "ServiceGone")
    if state == "Expired":
        leases.free(store, store.leases()[0])
        claim(store, 2, slot("taker", project="blue"), wanted=hers)
    his = claim_by(store, 2, HIS)
    assert address_of(his) != hers
    assert his["status"]["namespaceUID"] == HIS
    (past,) = his["status"]["history"]
    assert (past["address"], past["namespaceUID"]) == (hers, HERS)
    assert past["reason"] == {"Bound": "ProjectGone"}.get(state, "ServiceGone")
    assert hers in store.locks(), "nobody else gets it meanwhile"
    assert claim_by(store, 2, HIS) == his, "and again nothing is written"


def test_a_project_made_again_gets_the_old_address_by_no_detour() -> None:
    """Not as the last of the pool, not as another service's, and not after any number of holdings."""
    store = MemoryStore()
    hers = address_of(claim_by(store, 1, HERS))
    leases.release(store, store.leases()[0], NOW, "ServiceGone")
    for service in ("web", "other"):
        with pytest.raises(PoolExhausted):
            claim_by(store, 1, HIS, service)
    his = claim_by(store, 2, HIS)
    for _time in range(HISTORY_LENGTH + 2):
        leases.release(store, his, NOW, "ServiceGone")
        his = claim_by(store, 2, HIS)
    assert hers not in str(his["status"]), "forgotten"
    leases.release(store, his, NOW, "ServiceGone")
    with pytest.raises(PoolExhausted):
        claim_by(store, 1, HIS)


def test_a_lease_without_a_namespace_is_noted_to_be_that_of_who_holds_it() -> None:
    store = MemoryStore()
    before = claim_by(store, 2, None)
    assert "namespaceUID" not in before["status"]
    noted = claim_by(store, 2, HERS)
    assert noted["status"] == {**before["status"], "namespaceUID": HERS}
    assert claim_by(store, 2, HERS) == noted
    assert address_of(claim_by(store, 2, HIS)) != address_of(before)


def test_the_same_namespace_gets_its_address_again() -> None:
    store = MemoryStore()
    hers = address_of(claim_by(store, 9, HERS))
    leases.release(store, store.leases()[0], NOW, "ServiceGone")
    assert address_of(claim_by(store, 9, HERS)) == hers


def test_what_an_administrator_has_leased_ahead_stays_with_the_name() -> None:
    store = MemoryStore()
    ahead = claim_by(store, 9, HERS, claimed_by=ADMINISTRATOR)
    assert claim_by(store, 9, HIS) == ahead
    leases.release(store, ahead, NOW, "ReleasedByModule")
    assert address_of(claim_by(store, 9, HIS)) != address_of(ahead)
