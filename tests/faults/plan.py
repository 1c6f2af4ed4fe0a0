# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which fault a request meets: rules and a seed, and what has been met so far."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from tests.faults.requests import ApiRequest
from tests.faults.rules import Fault, Pass, Rule


class Plan:
    """Decides for one request after another.

    Chance hangs on the seed, the rule, and the how-manieth request with this verb on this path it is: not on the
    order in which threads and processes happen to send theirs. So a seed says the same on every machine.
    """

    def __init__(self, rules: Sequence[Rule], seed: int) -> None:
        self._rules = tuple(rules)
        self._seed = seed
        self._matched: Counter[int] = Counter()
        self._hit: Counter[int] = Counter()
        self._met: Counter[ApiRequest] = Counter()

    def has(self, kind: type[Fault]) -> bool:
        return any(isinstance(rule.fault, kind) for rule in self._rules)

    def decide(self, request: ApiRequest) -> Fault | None:
        """The fault of the first rule that fires, if any does."""
        self._met[request] += 1
        for number, rule in enumerate(self._rules):
            if rule.matches(request) and self._fires(number, rule, request):
                return None if isinstance(rule.fault, Pass) else rule.fault
        return None

    def _fires(self, number: int, rule: Rule, request: ApiRequest) -> bool:
        self._matched[number] += 1
        if self._matched[number] <= rule.skip or (rule.times is not None and self._hit[number] >= rule.times):
            return False
        chance = random.Random(f"{self._seed} {number} {request.verb} {request.path} {self._met[request]}")
        if chance.random() >= rule.probability:
            return False
        self._hit[number] += 1
        return True
