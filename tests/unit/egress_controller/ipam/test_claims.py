# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a controller's claims learn of other processes, whose locks no watch has shown it yet."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.addresses import IPV4
from ansible_collections.avi.egress.plugins.module_utils.api.errors import PoolExhausted
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_ADDRESS, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import address_object
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from egress_controller.cache.caches import Caches
from egress_controller.ipam.claims import Claims

from tests.support.memory_store import MemoryStore
from tests.unit.egress_controller.fakes import network

DMZ = read_network(network("10.70.112.0/28"))


class CountingStore(MemoryStore):
    """Counts how often each lock was to be created."""

    def __init__(self) -> None:
        super().__init__()
        self.tries: Counter[str] = Counter()

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        if resource is EGRESS_ADDRESS:
            self.tries[body["spec"]["address"]] += 1
        return super().create(resource, body)


class _Nobody:
    def changed(self, resource: Resource, event: str, obj: KubeObject) -> None:
        """Nothing follows from it here."""


def test_an_address_that_one_claim_has_lost_to_another_process_no_other_claim_tries() -> None:
    server = CountingStore()
    claims = Claims(server, Caches(server, None, _Nobody()))  # type: ignore[arg-type]
    for address in list(DMZ.pool.candidates((), 0))[:-1]:
        holder = {"metadata": {"name": "dmz.blue.other.0", "uid": "9"}}
        MemoryStore.create(server, EGRESS_ADDRESS, address_object("dmz", address, holder))
    lease = claims.claim(DMZ, Slot("dmz", "green", "first", 0), IPV4)
    assert lease["status"]["address"] == "10.70.112.14"
    for service in ("second", "third"):
        with pytest.raises(PoolExhausted):
            claims.claim(DMZ, Slot("dmz", "green", service, 0), IPV4)
    assert set(server.tries.values()) == {1}
