# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Editing a network moves no lease; only one that is claimed again leaves what is not leased any more."""

from __future__ import annotations

from datetime import UTC, datetime

from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Claim, Slot, at_random, claim, release

from tests.support.builders import network
from tests.support.memory_store import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLOT = Slot("outside", "green", "web", 0)
BEFORE = network(subnets=[{"cidr": "10.70.112.4/32"}])
AFTER = network(subnets=[{"cidr": "10.70.113.4/32"}])


def test_a_bound_lease_keeps_an_address_that_its_network_does_not_lease_any_more() -> None:
    store = MemoryStore()
    bound = claim(store, BEFORE, Claim(SLOT), at_random(()), NOW)
    assert claim(store, AFTER, Claim(SLOT), at_random(()), NOW) == bound


def test_a_released_lease_gets_an_address_that_its_network_leases() -> None:
    store = MemoryStore()
    release(store, claim(store, BEFORE, Claim(SLOT), at_random(()), NOW), NOW, "Tested")
    assert claim(store, AFTER, Claim(SLOT), at_random(()), NOW)["status"]["address"] == "10.70.113.4"
