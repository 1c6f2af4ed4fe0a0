# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The counts that tests hold promises of few requests against."""

from __future__ import annotations

from tests.faults.journal import Journal
from tests.faults.requests import ApiRequest


def test_it_counts_by_verb_path_and_fault() -> None:
    journal = Journal()
    get, listed = ApiRequest("get", "/api/v1/nodes/a"), ApiRequest("list", "/api/v1/nodes")
    for request, fault in ((get, None), (get, "Reset"), (listed, None)):
        journal.add(request, fault)
    assert journal.count() == 3
    assert journal.count("get") == 2
    assert journal.count(path="nodes$") == 1
    assert journal.count("get", "nodes", "Reset") == 1
    assert journal.requests() == {("get", "/api/v1/nodes/a"): 2, ("list", "/api/v1/nodes"): 1}
    assert journal.faults() == {"Reset": 1}
    journal.clear()
    assert journal.count() == 0
