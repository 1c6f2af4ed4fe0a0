# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Of which network a service has its leases, where one of them has none for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import PoolExhausted, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.ipam.service_leases import ServiceLeases
from egress_controller.runtime.keys import service_key

from tests.support.builders import network, service

KEY = service_key("green", "web")
QUOTA = Refused(Reason.QUOTA_EXCEEDED, "project green may hold 2")
FIRST, SECOND = (network(name=name) for name in ("first", "second"))


class FakeClaims:
    """Networks that refuse a claim, and the leases that the service has."""

    def __init__(self, refusals: dict[str, Exception], held: list[KubeObject]) -> None:
        self._refusals = refusals
        self._held = held

    def of_service(self, _namespace: str, _name: str) -> list[KubeObject]:
        return self._held

    def claim(self, of: EgressNetwork, slot: Slot, *_asked: Any) -> KubeObject:
        if of.name in self._refusals:
            raise self._refusals[of.name]
        return {"metadata": {"name": slot.lease}}


def claim(
    refusals: dict[str, Exception], waiting: WaitingServices, held: list[KubeObject] | None = None, annotated: str = ""
) -> str:
    """The network that the leases are of."""
    claims: Any = FakeClaims(refusals, held or [])
    wish = service(name="web", project="green")
    found, _leases = ServiceLeases(claims, waiting).claim(wish, [FIRST, SECOND], [annotated])
    return found.name


def test_a_network_in_which_the_project_has_its_quota_is_passed_over_as_one_that_is_full() -> None:
    for refusal in (QUOTA, PoolExhausted("first", "IPv4", 1)):
        waiting = WaitingServices()
        assert claim({"first": refusal}, waiting) == "second"
        assert waiting.all() == []


def test_a_service_that_got_none_waits_and_says_why_the_first_network_has_none() -> None:
    waiting = WaitingServices()
    with pytest.raises(Refused, match="may hold 2"):
        claim({"first": QUOTA, "second": PoolExhausted("second", "IPv4", 1)}, waiting)
    assert waiting.of("green") == [KEY]
    assert waiting.of("blue") == []


def test_what_is_wrong_with_the_wish_itself_is_told_at_once() -> None:
    with pytest.raises(Refused, match="mismatch"):
        claim({"first": Refused(Reason.ADDRESS_MISMATCH, "mismatch")}, WaitingServices())


def test_a_service_that_runs_stays_in_its_network() -> None:
    status = {"phase": "Bound", "address": "10.70.112.1"}
    lease: KubeObject = {"metadata": {"name": "first.green.web.0"}, "spec": {"network": "first"}, "status": status}
    with pytest.raises(Refused, match="may hold 2"):
        claim({"first": QUOTA}, WaitingServices(), [lease], "10.70.112.1")
    assert claim({"first": QUOTA}, WaitingServices(), [lease], "") == "second", "it was never given that address"
