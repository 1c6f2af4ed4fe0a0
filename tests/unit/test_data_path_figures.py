# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The data path's figures: a ratio is taken within a round, so what else the machine does falls on both sides."""

from __future__ import annotations

from tests.benchmarks.data_path_figures import Cost, Sample, markdown, ratio, rows


def test_a_round_in_which_all_was_slow_leaves_the_ratio_as_it_is() -> None:
    assert ratio([9.0, 0.9, 9.0], [10.0, 1.0, 10.0]) == 0.9


def test_the_table_has_medians_with_their_ratio_and_what_a_router_takes() -> None:
    plain = [Sample(10.0, 20.0, 1000.0, 10.0)] * 3
    routed = [Sample(9.5, 19.0, 850.0, 12.0)] * 3
    found = rows("IPv4", {"plain": plain, "router": routed}, {"router": Cost(0.5, 20.0)}, {"router": "plain"})
    assert markdown(found).splitlines()[2:] == [
        "| IPv4: plain | 10.0 | 20.0 | 1,000 | 10.0 |  |  |",
        "| IPv4: router | 9.5 (0.95) | 19.0 (0.95) | 850 (0.85) | 12.0 (1.20) | 0.50 | 20.0 |",
    ]
