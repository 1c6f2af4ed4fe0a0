# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What check mode tells of a lease."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    EgressError,
    InvalidInput,
    PoolExhausted,
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import address_object
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network
from ansible_collections.avi.egress.plugins.module_utils.module.lease import bulk
from ansible_collections.avi.egress.plugins.module_utils.module.lease.bulk import Step, Task, result_of
from ansible_collections.avi.egress.plugins.module_utils.module.lease.ipam_lease import ask, bring, validate
from ansible_collections.avi.egress.plugins.module_utils.module.lease.requests import LeaseRequest
from ansible_collections.avi.egress.plugins.module_utils.module.lease.snapshot import LeaseSnapshot

SLOT = Slot("dmz", "green", "x", 0)
OTHER = "dmz.blue.y.0"
GIVER = Slot("dmz", "green", "giver", 0)
STRANGER = Slot("dmz", "blue", "giver", 0)
FIRST = "10.70.112.100"
MOMENT = "2026-11-23T06:31:00Z"
SUBNET = {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.100", "end": "10.70.112.102"}]}
SUBNET_V6 = {"cidr": "fd70:112::/64", "ranges": [{"begin": "fd70:112::1", "end": "fd70:112::3"}]}
DUAL = read_network({"metadata": {"name": "dmz"}, "spec": {"subnets": [SUBNET, SUBNET_V6]}})
SPEC = {"subnets": [SUBNET]}
NETWORK = read_network({"metadata": {"name": "dmz"}, "spec": SPEC})


class View:
    """What a survey of the cluster would say."""

    def __init__(self, network: EgressNetwork = NETWORK, services: Collection[Slot] = ()) -> None:
        self.leasable = {network.name: network}
        self._services = services

    def admitting(self, slot: Slot) -> EgressNetwork:
        return self.leasable[slot.network]

    def uid(self, name: str) -> str:
        return f"uid-of-{name}"

    def uses(self, slot: Slot) -> bool:
        return slot in self._services


def known(*leases: KubeObject) -> LeaseSnapshot:
    """These leases, each with the lock on its address as long as it holds one."""
    held = [item for item in leases if item["status"]["phase"] != "Expired"]
    return LeaseSnapshot(leases, [stored(address_object("dmz", item["status"]["address"], item)) for item in held])


def stored(obj: KubeObject) -> KubeObject:
    """As an API server has it."""
    metadata = {"uid": obj["metadata"]["name"], "resourceVersion": "1", **obj["metadata"]}
    return {**obj, "metadata": metadata}


def lock(address: str, holder: str) -> KubeObject:
    return stored(address_object("dmz", address, {"metadata": {"name": holder, "uid": holder}}))


def dry_run(snapshot: LeaseSnapshot, *requests: LeaseRequest, view: View | None = None) -> list[Step]:
    """What the requests come to, one after the other."""
    ask(snapshot, requests)
    return bulk.dry_run(cast("Any", view or View()), snapshot, requests, Task(ask, bring, False))


def dry_run_of(
    network: EgressNetwork, found: KubeObject | None, holders: Mapping[str, str], wanted: str | None, family: Any = None
) -> Step:
    """Of one request, among locks by address and holder."""
    snapshot = LeaseSnapshot([found] if found else [], [lock(address, holder) for address, holder in holders.items()])
    return dry_run(snapshot, LeaseRequest(SLOT, True, wanted, family), view=View(network))[0]


def address_of(step: Step) -> Any:
    return (step.after or {})["status"]["address"]


def told(step: Step) -> tuple[Any, Any]:
    """Both sides of the diff."""
    result = result_of([step], {})
    return result.before, result.after


def lease(phase: str, address: str, slot: Slot = SLOT, **status: Any) -> KubeObject:
    found = lease_object(slot)
    moments = {"boundAt": MOMENT, **({} if phase == "Bound" else {"releasedAt": MOMENT})}
    return {**stored(found), "status": {"phase": phase, "address": address, **moments, **status}}


def test_a_new_lease_would_be_drawn_from_the_free_ones() -> None:
    step = dry_run_of(NETWORK, None, {"10.70.112.100": OTHER}, None)

    assert step.changed
    assert told(step)[0] == {}
    assert address_of(step) == "one of 2 free"


def test_a_bound_lease_stays() -> None:
    bound = lease("Bound", "10.70.112.100")

    step = dry_run_of(NETWORK, bound, {"10.70.112.100": SLOT.lease}, "10.70.112.100")

    assert not step.changed
    assert address_of(step) == "10.70.112.100"


def test_a_released_lease_would_get_its_address_again() -> None:
    step = dry_run_of(NETWORK, lease("Released", "10.70.112.100"), {"10.70.112.100": SLOT.lease}, None)

    assert step.changed
    assert told(step)[1] == {"EgressLease dmz.green.x.0": {"phase": "Bound", "address": "10.70.112.100"}}


def test_an_address_that_the_slot_locked_before_is_its_own() -> None:
    assert address_of(dry_run_of(NETWORK, None, {"10.70.112.101": SLOT.lease}, None)) == "10.70.112.101"


@pytest.mark.parametrize(
    ("held", "taken", "wanted", "reason"),
    [
        (None, {}, "10.70.113.1", "AddressNotInNetwork"),
        (None, {"10.70.112.100": OTHER}, "10.70.112.100", "AddressTaken"),
        ("10.70.112.100", {"10.70.112.100": SLOT.lease}, "10.70.112.101", "AddressMismatch"),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(
    held: str | None, taken: dict[str, str], wanted: str, reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        dry_run_of(NETWORK, lease("Bound", held) if held else None, taken, wanted)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        (None, None, "IPv4"),
        (None, "fd70:112::7", "IPv6"),
        (lease("Bound", "fd70:112::7"), None, "IPv6"),
        (lease("Released", "10.70.112.100"), None, "IPv4"),
        (lease("Released", "10.70.112.100"), "fd70:112::7", "IPv6"),
    ],
)
def test_the_family_is_the_wanted_address_else_the_leases(
    before: KubeObject | None, wanted: str | None, expected: str
) -> None:
    assert LeaseRequest(SLOT, True, wanted).family(before) == expected


def test_a_family_that_is_asked_for_is_the_one_that_is_drawn_from() -> None:
    locked = {"10.70.112.100": OTHER, "fd70:112::1": OTHER, "10.70.112.101": SLOT.lease}

    assert address_of(dry_run_of(DUAL, None, locked, None, "IPv6")) == "one of 2 free"
    assert address_of(dry_run_of(DUAL, None, locked, None, "IPv4")) == "10.70.112.101"
    assert address_of(dry_run_of(DUAL, None, locked, "fd70:112::2", "IPv6")) == "fd70:112::2"
    with pytest.raises(PoolExhausted, match="has no IPv6 addresses"):
        dry_run_of(NETWORK, None, locked, None, "IPv6")


def test_a_bound_lease_of_the_other_family_is_refused_in_check_mode_too_and_a_released_one_is_not() -> None:
    taken = {"10.70.112.100": SLOT.lease}
    with pytest.raises(Refused) as caught:
        dry_run_of(DUAL, lease("Bound", "10.70.112.100"), taken, None, "IPv6")
    assert caught.value.reason == "AddressFamilyMismatch"

    step = dry_run_of(DUAL, lease("Released", "10.70.112.100"), taken, None, "IPv6")
    assert address_of(step) == "one of 3 free"


def test_an_address_of_another_family_than_the_one_asked_for_is_refused() -> None:
    options = {"network": "dmz", "namespace": "green", "service": "x", "slot": 0, "state": "present"}

    with pytest.raises(InvalidInput, match="ip_family is 'IPv4'; fd70:112::7 is of the other family"):
        validate({**options, "address": "fd70:112::7", "ip_family": "IPv4"})
    validate({**options, "address": "fd70:112::7", "ip_family": "IPv6"})
    validate({**options, "address": "fd70:112::7", "ip_family": None})


def test_an_exhausted_network_says_so_in_check_mode_too() -> None:
    taken = {f"10.70.112.{last}": OTHER for last in (100, 101, 102)}

    with pytest.raises(PoolExhausted):
        dry_run_of(NETWORK, None, taken, None)


def numbered(number: int) -> Slot:
    return Slot("dmz", "green", f"x{number}", 0)


def test_what_is_free_is_less_what_earlier_items_of_a_list_will_draw() -> None:
    requests = [LeaseRequest(numbered(number), True) for number in range(4)]

    steps = dry_run(known(), *requests[:3])

    assert list(map(address_of, steps)) == ["one of 3 free", "one of 2 free", "one of 1 free"]
    with pytest.raises(PoolExhausted):
        dry_run(known(), *requests)


def test_no_item_of_a_list_may_draw_what_another_one_asks_for_or_would_get_again() -> None:
    expired = lease("Expired", "10.70.112.102", numbered(2))
    requests = [
        LeaseRequest(numbered(0), True),
        LeaseRequest(numbered(1), True, "10.70.112.101"),
        LeaseRequest(numbered(2), True),
    ]

    steps = dry_run(known(expired), *requests)

    assert list(map(address_of, steps)) == ["one of 1 free", "10.70.112.101", "10.70.112.102"]


def test_what_one_item_of_a_list_takes_over_is_not_there_for_the_next() -> None:
    released = lease("Released", FIRST, GIVER)
    taken = [lease("Bound", f"10.70.112.{last}", numbered(last)) for last in (101, 102)]

    (step,) = dry_run(known(released, *taken), LeaseRequest(SLOT, True))

    assert told(step) == (
        {f"EgressLease {GIVER.lease}": {"phase": "Released", "address": FIRST}},
        {
            f"EgressLease {GIVER.lease}": {"phase": "Expired", "address": FIRST},
            f"EgressLease {SLOT.lease}": {"phase": "Bound", "address": FIRST},
        },
    )
    with pytest.raises(PoolExhausted):
        dry_run(known(released, *taken), LeaseRequest(SLOT, True), LeaseRequest(numbered(0), True))


def test_what_one_item_of_a_list_gives_back_another_may_take_over() -> None:
    held = [lease("Bound", f"10.70.112.{last}", numbered(last)) for last in (100, 101, 102)]

    released, claimed = dry_run(known(*held), LeaseRequest(numbered(101), False), LeaseRequest(SLOT, True))

    assert (released.after or {})["status"]["phase"] == "Released"
    assert address_of(claimed) == "10.70.112.101"


@pytest.mark.parametrize("phase", ["Bound", "Released"])
def test_a_transfer_tells_of_both_leases(phase: str) -> None:
    (step,) = dry_run(known(lease(phase, FIRST, GIVER)), LeaseRequest(SLOT, True, giver=GIVER))

    assert step.changed
    assert told(step) == (
        {f"EgressLease {GIVER.lease}": {"phase": phase, "address": FIRST}},
        {
            f"EgressLease {GIVER.lease}": {"phase": "Expired", "address": FIRST},
            f"EgressLease {SLOT.lease}": {"phase": "Bound", "address": FIRST},
        },
    )


def test_a_transfer_that_was_made_is_not_made_again_not_even_when_the_giver_has_another_address() -> None:
    past = [{"address": FIRST, "boundAt": MOMENT, "releasedAt": MOMENT, "reason": "Transferred"}]
    request = LeaseRequest(SLOT, True, giver=GIVER)

    for giver in (
        lease("Expired", FIRST, GIVER, reason="Transferred"),
        lease("Bound", "10.70.112.101", GIVER, history=past),
    ):
        (step,) = dry_run(known(lease("Bound", FIRST), giver), request)
        assert not step.changed
        assert not step.warnings
    (step,) = dry_run(known(lease("Bound", FIRST)), request)
    assert not step.changed
    assert step.warnings


@pytest.mark.parametrize(
    ("leases", "asked", "spec", "reason"),
    [
        ([], LeaseRequest(SLOT, True, giver=GIVER), {}, "NothingToGive"),
        ([lease("Bound", FIRST, GIVER)], LeaseRequest(SLOT, True, "10.70.112.101", giver=GIVER), {}, "AddressMismatch"),
        (
            [lease("Bound", FIRST, GIVER), lease("Bound", "10.70.112.101")],
            LeaseRequest(SLOT, True, giver=GIVER),
            {},
            "AlreadyBound",
        ),
        ([lease("Expired", FIRST, GIVER)], LeaseRequest(SLOT, True, giver=GIVER), {}, "AddressTaken"),
        (
            [lease("Bound", FIRST, STRANGER)],
            LeaseRequest(SLOT, True, giver=STRANGER),
            {"reservations": [{"address": FIRST, "namespace": "blue"}]},
            "AddressReserved",
        ),
        (
            [lease("Bound", FIRST, STRANGER)],
            LeaseRequest(SLOT, True, giver=STRANGER),
            {"addressesPerNamespace": 0},
            "QuotaExceeded",
        ),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(
    leases: list[KubeObject], asked: LeaseRequest, spec: dict[str, Any], reason: str
) -> None:
    view = View(read_network({"metadata": {"name": "dmz"}, "spec": {**SPEC, **spec}}))

    with pytest.raises(Refused) as caught:
        dry_run(known(*leases), asked, view=view)

    assert caught.value.reason == reason


def test_a_quota_does_not_hinder_a_transfer_inside_the_project() -> None:
    view = View(read_network({"metadata": {"name": "dmz"}, "spec": {**SPEC, "addressesPerNamespace": 1}}))

    (step,) = dry_run(known(lease("Bound", FIRST, GIVER)), LeaseRequest(SLOT, True, giver=GIVER), view=view)

    assert address_of(step) == FIRST


def test_no_service_loses_its_address_to_another() -> None:
    view = View(services=[GIVER])

    with pytest.raises(Refused, match="Service green/giver uses it") as caught:
        dry_run(known(lease("Bound", FIRST, GIVER)), LeaseRequest(SLOT, True, giver=GIVER), view=view)
    assert caught.value.reason == "InUse"
    (step,) = dry_run(known(lease("Released", FIRST, GIVER)), LeaseRequest(SLOT, True, giver=GIVER), view=view)
    assert address_of(step) == FIRST


def item(service: str, **options: Any) -> dict[str, Any]:
    given = {"network": "dmz", "namespace": "green", "service": service, "slot": 0, "state": "present"}
    return {**given, "address": None, "ip_family": None, "transfer_from": None, **options}


def giver(service: str) -> dict[str, Any]:
    return {"namespace": None, "service": service, "slot": 0}


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ([item("a"), item("a", state="absent")], "leases[1], dmz.green.a.0: slot is 0; leases[0] has the same; "),
        (
            [item("a", address="fd70:112::7"), item("b", address="FD70:112::7")],
            "leases[1], dmz.green.b.0: address is 'FD70:112::7'; leases[0] has the same; ",
        ),
        ([item("a", transfer_from=giver("c")), item("b", transfer_from=giver("c"))], "leases[0] has the same; "),
        ([item("c"), item("b", transfer_from=giver("c"))], "'dmz.green.c.0'; leases[0] acquires that one; "),
        ([item("c"), item("a.b")], "leases[1], dmz.green.a.b.0: EgressLease dmz.green.a.b.0: service is 'a.b'; "),
        ([item("a", transfer_from=giver("a"))], "give another lease, for this is its own"),
        ([item("a", state="absent", transfer_from=giver("b"))], "a lease that is absent gets nothing"),
        ([item("a", ip_family="IPv4", transfer_from=giver("b"))], "transfer_from has its address already"),
    ],
)
def test_items_that_cannot_all_be_are_refused(listed: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(EgressError) as caught:
        validate({"leases": listed})

    assert sentence in str(caught.value)


def test_an_address_may_be_asked_for_by_one_and_given_back_by_another() -> None:
    validate({"leases": [item("a", address=FIRST, state="absent"), item("b", address=FIRST)]})
