# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Rules that could never do what they say are told; the others match what they name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.requests import VERBS, WRITES, ApiRequest
from tests.faults.rules import (
    CONFLICT,
    UNAVAILABLE,
    BadRule,
    CutWatch,
    Delay,
    Fault,
    Gone,
    HoldWatch,
    LoseReply,
    Refuse,
    Reset,
    Rule,
    Stale,
)


@pytest.mark.parametrize(
    ("fault", "fields", "words"),
    [
        (UNAVAILABLE, {"verbs": frozenset({"fetch"})}, "ServiceUnavailable: verbs has ['fetch']; there are create"),
        (UNAVAILABLE, {"verbs": frozenset()}, "verbs is []"),
        (
            CONFLICT,
            {"verbs": frozenset({"get", "update"})},
            "Conflict: verbs is ['get', 'update']; give some of create",
        ),
        (Gone(), {"verbs": frozenset({"list"})}, "Gone: verbs is ['list']; give some of watch"),
        (LoseReply(), {"verbs": frozenset({"watch"})}, "LoseReply: verbs is ['watch']"),
        (Stale(), {"verbs": WRITES}, "give some of get, list"),
        (Reset(), {"probability": 0.0}, "Reset: probability is 0.0; give more than 0"),
        (Reset(), {"probability": 1.1}, "probability is 1.1"),
        (Reset(), {"times": 0}, "times is 0; give 1 or more"),
        (Reset(), {"skip": -1}, "skip is -1; give 0 or more"),
        (Reset(), {"path": "("}, "path is '(', no regular expression"),
    ],
)
def test_a_bad_rule_is_told(fault: Fault, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRule) as told:
        Rule(fault, **fields)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Refuse, {"code": 200, "reason": "OK"}),
        (Refuse, {"code": 429, "reason": "TooManyRequests", "retry_after": -1}),
        (Delay, {"seconds": -0.1}),
        (HoldWatch, {"seconds": -0.1}),
        (CutWatch, {"events": -1}),
        (Gone, {"events": -1}),
    ],
)
def test_a_bad_fault_is_told(kind: type[Fault], fields: dict[str, Any]) -> None:
    with pytest.raises(BadRule, match=f"^{kind.__name__}: "):
        kind(**fields)


@pytest.mark.parametrize(
    ("fault", "verbs"),
    [(UNAVAILABLE, VERBS), (CONFLICT, WRITES), (Gone(), {"watch"}), (LoseReply(), VERBS - {"watch"})],
)
def test_without_verbs_a_rule_is_about_all_that_its_fault_fits(fault: Fault, verbs: set[str]) -> None:
    assert {verb for verb in VERBS if Rule(fault).matches(ApiRequest(verb, "/api/v1/pods"))} == verbs


def test_a_path_is_searched_in_the_path() -> None:
    rule = Rule(Reset(), path="/egressleases/.*[.]0/status$")
    assert rule.matches(ApiRequest("update", "/apis/egress.avi.dev/v1/egressleases/a.b.c.0/status"))
    assert not rule.matches(ApiRequest("update", "/apis/egress.avi.dev/v1/egressleases/a.b.c.0"))
