# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What check mode tells of a lease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.errors import InvalidInput, PoolExhausted, Refused
from ansible_collections.avi.egress.plugins.module_utils.lease_state import family_to_ask_for, validate
from ansible_collections.avi.egress.plugins.module_utils.lease_state import foretell as foretell_among
from ansible_collections.avi.egress.plugins.module_utils.leases import Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.model import read_network
from ansible_collections.avi.egress.plugins.module_utils.outcome import Outcome
from ansible_collections.avi.egress.plugins.module_utils.resources import KubeObject

SLOT = Slot("dmz", "green", "x", 0)
OTHER = "dmz.blue.y.0"
SUBNET = {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.100", "end": "10.70.112.102"}]}
SUBNET_V6 = {"cidr": "fd70:112::/64", "ranges": [{"begin": "fd70:112::1", "end": "fd70:112::3"}]}
DUAL = read_network({"metadata": {"name": "dmz"}, "spec": {"subnets": [SUBNET, SUBNET_V6]}})
NETWORK = read_network({"metadata": {"name": "dmz"}, "spec": {"subnets": [SUBNET]}})


def foretell(network: Any, slot: Slot, lease: Any, holders: Mapping[str, str], *more: Any, kin: Any = ()) -> Outcome:
    """Of locks by address and holder, and of the project's leases."""
    locked = {a: {"metadata": {"name": a}, "spec": {"address": a, "lease": name}} for a, name in holders.items()}
    return foretell_among(network, slot, lease, locked, kin, *more)


def lease(phase: str, address: str) -> KubeObject:
    found = lease_object(SLOT)
    return {
        **found,
        "metadata": {**found["metadata"], "uid": "1"},
        "status": {"phase": phase, "address": address},
    }


def test_a_new_lease_would_be_drawn_from_the_free_ones() -> None:
    outcome = foretell(NETWORK, SLOT, None, {"10.70.112.100": OTHER}, None)

    assert outcome.changed
    assert outcome.before == {}
    assert outcome.values["address"] == "one of 2 free"


def test_a_bound_lease_stays() -> None:
    bound = lease("Bound", "10.70.112.100")

    outcome = foretell(NETWORK, SLOT, bound, {"10.70.112.100": SLOT.lease}, "10.70.112.100")

    assert not outcome.changed
    assert outcome.values["address"] == "10.70.112.100"


def test_a_released_lease_would_get_its_address_again() -> None:
    outcome = foretell(NETWORK, SLOT, lease("Released", "10.70.112.100"), {"10.70.112.100": SLOT.lease}, None)

    assert outcome.changed
    assert outcome.after == {"EgressLease dmz.green.x.0": {"phase": "Bound", "address": "10.70.112.100"}}


def test_an_address_that_the_slot_locked_before_is_its_own() -> None:
    assert foretell(NETWORK, SLOT, None, {"10.70.112.101": SLOT.lease}, None).values["address"] == "10.70.112.101"


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
        foretell(NETWORK, SLOT, lease("Bound", held) if held else None, taken, wanted)

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
    assert family_to_ask_for(before, wanted) == expected


def test_a_family_that_is_asked_for_is_the_one_that_is_drawn_from() -> None:
    locked = {"10.70.112.100": OTHER, "fd70:112::1": OTHER, "10.70.112.101": SLOT.lease}

    assert foretell(DUAL, SLOT, None, locked, None, "IPv6").values["address"] == "one of 2 free"
    assert foretell(DUAL, SLOT, None, locked, None, "IPv4").values["address"] == "10.70.112.101"
    assert foretell(DUAL, SLOT, None, locked, "fd70:112::2", "IPv6").values["address"] == "fd70:112::2"
    with pytest.raises(PoolExhausted, match="has no IPv6 addresses"):
        foretell(NETWORK, SLOT, None, locked, None, "IPv6")


def test_a_bound_lease_of_the_other_family_is_refused_in_check_mode_too_and_a_released_one_is_not() -> None:
    taken = {"10.70.112.100": SLOT.lease}
    with pytest.raises(Refused) as caught:
        foretell(DUAL, SLOT, lease("Bound", "10.70.112.100"), taken, None, "IPv6")
    assert caught.value.reason == "AddressFamilyMismatch"

    outcome = foretell(DUAL, SLOT, lease("Released", "10.70.112.100"), taken, None, "IPv6")
    assert outcome.values["address"] == "one of 3 free"


def test_an_address_of_another_family_than_the_one_asked_for_is_refused() -> None:
    options = {"network": "dmz", "namespace": "green", "service": "x", "slot": 0}

    with pytest.raises(InvalidInput, match="ip_family is 'IPv4'; fd70:112::7 is of the other family"):
        validate({**options, "address": "fd70:112::7", "ip_family": "IPv4"})
    validate({**options, "address": "fd70:112::7", "ip_family": "IPv6"})
    validate({**options, "address": "fd70:112::7", "ip_family": None})


def test_an_exhausted_network_says_so_in_check_mode_too() -> None:
    taken = {f"10.70.112.{last}": OTHER for last in (100, 101, 102)}

    with pytest.raises(PoolExhausted):
        foretell(NETWORK, SLOT, None, taken, None)
