# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a file of leases may hold."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict, InvalidInput, Refused
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from ansible_collections.avi.egress.plugins.module_utils.module.lease.ipam_lease_import import read, restore

from tests.support.memory_store import LostConnection, MemoryStore

BEGUN, ENDED = "2026-11-20T06:31:00Z", "2026-11-21T06:31:00Z"


def record(**more: Any) -> dict[str, Any]:
    slot = {"network": "dmz", "namespace": "green", "service": "x", "slot": 0}
    holding = {"address": "10.70.112.9", "bound_at": BEGUN, "released_at": None, "reason": None}
    return {**slot, **holding, "phase": "Bound", "claimed_by": "controller", "history": [], **more}


def past(**more: Any) -> dict[str, Any]:
    return {"address": "10.70.112.8", "bound_at": BEGUN, "released_at": ENDED, "reason": None, **more}


def test_a_record_is_read_into_a_status() -> None:
    released = record(
        address="FD70:112::9", phase="Released", released_at=ENDED, reason="ServiceDeleted", history=[past()]
    )

    (found,) = read({"leases": [released]})

    assert found.slot.lease == "dmz.green.x.0"
    assert found.claimed_by == "import"
    assert found.status == {
        "phase": "Released",
        "address": "fd70:112::9",
        "boundAt": BEGUN,
        "releasedAt": ENDED,
        "reason": "ServiceDeleted",
        "history": [{"address": "10.70.112.8", "boundAt": BEGUN, "releasedAt": ENDED}],
    }


def test_a_moment_may_be_of_any_zone_and_an_administrators_lease_stays_his() -> None:
    (found,) = read({"leases": [record(bound_at="2026-11-20T07:31:00+01:00", claimed_by="administrator")]})

    assert found.status["boundAt"] == BEGUN
    assert found.claimed_by == "administrator"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"network": "a.b"}, "leases[0]: network is 'a.b'; give a DNS label"),
        ({"namespace": ""}, "leases[0]: namespace is ''; give a DNS label"),
        ({"service": "x/../../y"}, "leases[0]: service is 'x/../../y'; give a DNS label"),
        ({"service": "x" * 64}, "give a DNS label"),
        ({"service": "x\n"}, "give a DNS label"),
        ({"slot": -1}, "leases[0]: slot is -1; give a number from 0 to 63"),
        ({"slot": 64}, "leases[0]: slot is 64; give a number from 0 to 63"),
        ({"address": "10.70.112.9/32"}, "address is '10.70.112.9/32'; give an IPv4 or IPv6 address"),
        ({"address": "010.70.112.9"}, "give an IPv4 or IPv6 address"),
        ({"bound_at": "yesterday"}, "bound_at is 'yesterday'; give a moment with its zone"),
        ({"bound_at": "2026-11-20T06:31:00"}, "give a moment with its zone"),
        ({"released_at": ENDED}, "leave it out: the lease is Bound"),
        ({"phase": "Released"}, "released_at is None; give the moment when the address was given back"),
        ({"phase": "Expired"}, "give the moment when the address was given back"),
        ({"phase": "Released", "bound_at": ENDED, "released_at": BEGUN}, f"give a moment that is not before {ENDED}"),
        ({"phase": "Released", "released_at": ENDED, "reason": "no words"}, "give one word of letters"),
        ({"history": [past(released_at=None)]}, "history[0].released_at is None; give the moment"),
        ({"history": [past(), past(address="x")]}, "leases[0]: history[1].address is 'x'; "),
        ({"history": [past()] * 9}, "history is '9 items'; give 8 at most"),
    ],
)
def test_what_no_lease_can_be_is_refused_in_one_sentence(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read({"leases": [record(**more)]})

    assert sentence in str(caught.value)


def test_no_slot_and_no_address_is_there_twice() -> None:
    other = record(service="y")
    with pytest.raises(InvalidInput) as caught:
        read({"leases": [record(), other]})
    assert str(caught.value) == "leases[1]: address is '10.70.112.9'; leases[0] has it too; keep one of them"
    with pytest.raises(InvalidInput, match=r"leases\[1\]: lease is 'dmz.green.x.0'; leases\[0\] has it too"):
        read({"leases": [record(), record(address="10.70.112.8")]})

    read({"leases": [record(), record(service="y", network="lan")]})
    read({"leases": [record(), record(service="y", phase="Expired", released_at=ENDED)]})


NETWORK = read_network({"metadata": {"name": "dmz"}, "spec": {"subnets": [{"cidr": "10.70.112.0/24"}]}})
REQUESTS = 5
"""As many as an import of one lease makes, or more."""


@pytest.mark.parametrize("number", range(1, REQUESTS + 1))
@pytest.mark.parametrize("phase", ["Bound", "Released"])
@pytest.mark.parametrize("service", ["x", "y"])
@pytest.mark.parametrize("address", ["10.70.112.9", "10.70.112.10"])
def test_a_claim_at_the_same_time_keeps_what_it_got_and_no_address_is_held_twice(
    number: int, phase: str, service: str, address: str
) -> None:
    (found,) = read({"leases": [record(phase=phase, released_at=None if phase == "Bound" else ENDED)]})
    store, left, claimed = MemoryStore(), number, []

    def overtake(_request: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            slot, now = Slot("dmz", "green", service, 0), datetime.now(UTC)
            with suppress(Refused):
                asked = leases.Claim(slot, address, claimed_by=CONTROLLER)
                claimed.append(leases.claim(store, NETWORK, asked, leases.at_random(()), now))

    store.between = overtake
    for _attempt in range(3):
        with suppress(Conflict, Refused):
            restore(store, NETWORK, found)

    held = {item["metadata"]["name"]: lease_status.address(item) for item in store.leases() if lease_status.phase(item)}
    assert len(set(held.values())) == len(held)
    assert all(store.locks()[address or ""]["lease"] == name for name, address in held.items())
    for lease in claimed:
        assert lease in store.leases()
    if not claimed or service == "y":
        assert held.get("dmz.green.x.0", "10.70.112.9") == "10.70.112.9"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_answer_that_is_lost_does_not_matter(number: int) -> None:
    (found,) = read({"leases": [record()]})
    store = MemoryStore()
    store.lose_reply_of_write = number

    with pytest.raises(LostConnection):
        restore(store, NETWORK, found)
    lease = restore(store, NETWORK, found)

    assert lease["status"] == {"phase": "Bound", "address": "10.70.112.9", "boundAt": BEGUN}
    assert store.locks()["10.70.112.9"]["leaseUID"] == lease["metadata"]["uid"]
