# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""No annotation costs more than a bounded number of steps, at the limit of each of its lists too.

Counted in calls of functions, not by the clock: those are the same on every machine.
"""

from __future__ import annotations

import random

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import parse_egress_pod

from tests.support.annotation_work import (
    AVI_PROXIES,
    BRACKETS,
    EGRESS_PODS,
    MOST_CALLS,
    calls,
    compile_avi_proxy,
    hostile,
)


@pytest.mark.parametrize("name", AVI_PROXIES)
def test_the_largest_avi_proxy_is_compiled_or_refused_within_bounds(name: str) -> None:
    assert calls(lambda: compile_avi_proxy(AVI_PROXIES[name])) < MOST_CALLS


@pytest.mark.parametrize("text", [*EGRESS_PODS.values(), BRACKETS], ids=[*EGRESS_PODS, "brackets"])
def test_the_largest_egress_pod_is_read_or_refused_within_bounds(text: str) -> None:
    assert calls(lambda: parse_egress_pod(text)) < MOST_CALLS


@pytest.mark.parametrize("seed", range(10))
def test_hostile_text_costs_no_more_and_is_answered_by_a_sentence(seed: int) -> None:
    """``make fuzz`` does the same with 100,000 texts."""
    chance = random.Random(seed)
    for _text in range(25):
        text = hostile(chance)
        assert calls(lambda text=text: compile_avi_proxy(text)) < MOST_CALLS
        assert calls(lambda text=text: parse_egress_pod(text)) < MOST_CALLS
