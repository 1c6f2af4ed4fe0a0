# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who is hit: order of rules, counting, and chance that a seed repeats."""

from __future__ import annotations

import random

from tests.faults.plan import Plan
from tests.faults.requests import ApiRequest
from tests.faults.rules import CONFLICT, INTERNAL_ERROR, UNAVAILABLE, Fault, Gone, Pass, Reset, Rule

GET = ApiRequest("get", "/api/v1/namespaces/green/services/web")
PATCH = ApiRequest("patch", "/api/v1/namespaces/green/services/web")


def test_the_first_rule_that_fires_decides() -> None:
    plan = Plan([Rule(CONFLICT), Rule(UNAVAILABLE), Rule(Reset())], 0)
    assert plan.decide(PATCH) is CONFLICT
    assert plan.decide(GET) is UNAVAILABLE


def test_what_is_spared_meets_no_later_rule() -> None:
    plan = Plan([Rule(Pass(), path="/web$"), Rule(UNAVAILABLE)], 0)
    assert plan.decide(GET) is None
    assert plan.decide(ApiRequest("get", "/api/v1/nodes")) is UNAVAILABLE


def test_skip_and_times_choose_the_nth() -> None:
    plan = Plan([Rule(UNAVAILABLE, frozenset({"get"}), skip=2, times=1)], 0)
    met = [plan.decide(request) for request in (GET, PATCH, GET, GET, GET)]
    assert met == [None, None, None, UNAVAILABLE, None]


def test_without_rules_nothing_happens() -> None:
    assert Plan([], 0).decide(GET) is None


def test_a_plan_knows_its_kinds_of_faults() -> None:
    assert Plan([Rule(Gone())], 0).has(Gone)
    assert not Plan([Rule(Gone())], 0).has(Reset)


def fates(seed: int, order: list[ApiRequest]) -> dict[ApiRequest, list[Fault | None]]:
    """What each request of the same verb and path met, in turn."""
    plan = Plan([Rule(CONFLICT, probability=0.3), Rule(INTERNAL_ERROR, probability=0.3)], seed)
    found: dict[ApiRequest, list[Fault | None]] = {}
    for request in order:
        found.setdefault(request, []).append(plan.decide(request))
    return found


def test_a_seed_says_the_same_in_whatever_order_clients_come() -> None:
    order = [request for request in (GET, PATCH) for _time in range(50)]
    mixed = random.Random(1).sample(order, len(order))
    assert fates(7, order) == fates(7, mixed)
    assert fates(7, order) != fates(8, order)


def test_a_probability_is_about_the_share_that_is_hit() -> None:
    plan = Plan([Rule(UNAVAILABLE, probability=0.1)], 3)
    hits = sum(plan.decide(GET) is UNAVAILABLE for _time in range(2000))
    assert 140 <= hits <= 260
