# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A project's leases are counted as this process has written them, however far the watch is behind."""

from __future__ import annotations

from typing import Any

from egress_controller.cache.written_leases import KEPT_SECONDS, WrittenLeases

from tests.unit.egress_controller.clock import Clock

GREEN = ("dmz", "green")


def lease(service: str, phase: str | None, namespace: str = "green") -> dict[str, Any]:
    spec = {"network": "dmz", "namespace": namespace, "service": service}
    status = {"status": {"phase": phase}} if phase else {}
    return {"metadata": {"name": f"dmz.{namespace}.{service}.0"}, "spec": spec, **status}


def test_what_was_written_counts_until_the_watch_shows_it() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound"))
    assert written.over(GREEN, [lease("a", None)]) == [lease("a", "Bound")]
    written.update("ADDED", lease("a", None))
    assert written.over(GREEN, []) == [lease("a", "Bound")], "an older state is none that counts"
    written.update("MODIFIED", lease("a", "Bound"))
    assert written.over(GREEN, []) == []


def test_the_last_of_several_writes_counts() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound"))
    written.add(lease("a", "Released"))
    written.update("MODIFIED", lease("a", "Bound"))
    assert written.over(GREEN, [lease("a", "Bound")]) == [lease("a", "Released")]


def test_a_lease_that_is_gone_counts_no_more() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound"))
    written.update("DELETED", lease("a", None))
    assert written.over(GREEN, []) == []


def test_a_state_that_came_and_went_unseen_is_forgotten() -> None:
    clock = Clock()
    written = WrittenLeases(clock)
    written.add(lease("a", "Bound"))
    clock.advance(KEPT_SECONDS)
    assert written.over(GREEN, []) == []
    assert not written._written


def test_projects_are_counted_apart() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound", "blue"))
    assert written.over(GREEN, [lease("b", "Bound")]) == [lease("b", "Bound")]
