# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The verdicts that a router gives are those that the controller knows: it passes over every other word."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.workload import reachability
from egress_router import verdicts


def test_both_sides_have_the_same_verdicts() -> None:
    assert set(reachability.Verdict) == set(verdicts.Verdict)
