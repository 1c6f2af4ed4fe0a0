# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A lock that no lease needs goes; one that firewalls may still trust goes only when its quarantine is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp
from ansible_collections.avi.egress.plugins.module_utils.ipam.lease_status import HISTORY_LENGTH
from egress_controller.ipam.suspects import Suspects
from egress_controller.reconcilers.address import AddressReconciler
from egress_controller.runtime.keys import Key

from tests.unit.egress_controller.clock import Clock
from tests.unit.egress_controller.fakes import Server, Store, Told, caches, context, lease, lister, lock, network

GRACE = 60.0
FOUR, SIX = "10.70.112.155", "fd70:112::155"


def ago(seconds: int) -> str:
    return timestamp(datetime.now(UTC) - timedelta(seconds=seconds))


class World:
    """One lock, the lease that it names, and the network of both."""

    def __init__(self, orphan: KubeObject, holder: KubeObject | None, quarantine: Any = 1000) -> None:
        self.clock = Clock()
        self.holders = Store(*filter(None, [holder]))
        self.server = Server(*filter(None, [holder]))
        self.networks = Store(network("10.70.112.0/24", quarantineSeconds=quarantine))
        self.name = orphan["metadata"]["name"]
        known = caches(addresses=Store(orphan), leases=self.holders, networks=self.networks)
        suspects, server = Suspects(GRACE, self.clock), self.server
        self._reconciler = AddressReconciler(context(server, known, lister(self.networks), Told()), suspects)

    def collect(self) -> bool:
        """Whether the lock is deleted in two looks that are a grace period apart."""
        self._reconciler.reconcile(Key("address", self.name))
        assert not self.server.deleted, "nothing is deleted at first sight"
        self.clock.advance(GRACE)
        self._reconciler.reconcile(Key("address", self.name))
        return self.server.deleted == [self.name]


def test_a_lock_without_a_lease_goes_after_the_grace_period() -> None:
    assert World(lock(FOUR), None).collect()


def test_a_lock_that_a_broken_off_claim_left_goes_after_the_grace_period() -> None:
    assert World(lock(FOUR), lease("10.70.112.7", ago(5))).collect()


@pytest.mark.parametrize("phase", ["Bound", "Released"])
@pytest.mark.parametrize("address", [FOUR, SIX])
def test_a_leases_own_lock_stays(phase: str, address: str) -> None:
    assert not World(lock(address), lease(address, ago(9999), phase)).collect()


@pytest.mark.parametrize(("former", "present"), [(FOUR, SIX), (SIX, FOUR)])
def test_the_former_address_of_another_family_goes_when_its_quarantine_is_over(former: str, present: str) -> None:
    for seconds, gone in ((900, False), (1100, True)):
        past = {"address": former, "boundAt": ago(9999), "releasedAt": ago(seconds)}
        assert World(lock(former), lease(present, ago(5), history=[past])).collect() is gone


def test_an_address_that_a_lease_may_have_forgotten_is_in_quarantine_from_its_present_holding_on() -> None:
    past = [{"address": "10.70.112.9", "boundAt": ago(9999), "releasedAt": ago(9999)}] * HISTORY_LENGTH
    assert not World(lock(FOUR), lease(SIX, ago(900), history=past)).collect()
    assert World(lock(FOUR), lease(SIX, ago(1100), history=past)).collect()


def test_an_address_that_another_lease_gave_back_is_in_quarantine_too() -> None:
    """A transfer that broke off: the lock names the one that was to have it, which has got another since."""
    giver = lease(FOUR, ago(5000), "Expired", releasedAt=ago(900))
    giver["metadata"]["name"] = "dmz.green.giver.0"
    world = World(lock(FOUR), lease(SIX, ago(5)))
    world.holders.objects["dmz.green.giver.0"] = giver
    assert not world.collect()


def test_the_lock_of_a_lease_that_is_over_goes_with_its_quarantine() -> None:
    assert not World(lock(FOUR), lease(FOUR, ago(5000), "Expired", releasedAt=ago(900))).collect()
    assert World(lock(FOUR), lease(FOUR, ago(5000), "Expired", releasedAt=ago(1100))).collect()


def test_an_address_in_conflict_stays_until_an_administrator_deletes_it() -> None:
    orphan = lock(FOUR)
    orphan["status"] = {"conditions": [{"type": "Conflict", "status": "True"}]}
    assert not World(orphan, None).collect()
    orphan["status"]["conditions"][0]["status"] = "False"
    assert World(orphan, None).collect()


def test_a_former_address_stays_as_long_as_its_lease_may_take_it_up_again() -> None:
    assert not World(lock(FOUR), lease(SIX, ago(9999), "Released")).collect()


def test_the_server_has_the_last_word_about_a_former_address() -> None:
    past = {"address": FOUR, "boundAt": ago(9999)}
    world = World(lock(FOUR), lease(SIX, ago(5), history=[{**past, "releasedAt": ago(1100)}]))
    world.server.leases = Store(lease(SIX, ago(5), history=[{**past, "releasedAt": ago(1)}]))
    assert not world.collect(), "it was bound again meanwhile: its quarantine begins anew"


def test_a_former_address_stays_while_its_network_cannot_be_read() -> None:
    world = World(lock(FOUR), lease(SIX, ago(10**6)))
    world.networks.objects["dmz"]["spec"]["subnets"] = [{"cidr": "nonsense"}]
    assert not world.collect()
