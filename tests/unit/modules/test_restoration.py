# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a file of leases may hold."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.restoration import read

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
