# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A project's leases are counted as this process has written them, however far the watch is behind."""

from __future__ import annotations

from typing import Any, Callable

from egress_controller.cache.written_leases import KEPT_SECONDS, WrittenLeases

from tests.unit.egress_controller.clock import Clock

GREEN = ("dmz", "green")


def lease(service: str, phase: str | None, version: int = 1, namespace: str = "green") -> dict[str, Any]:
    spec = {"network": "dmz", "namespace": namespace, "service": service}
    status = {"status": {"phase": phase}} if phase else {}
    metadata = {"name": f"dmz.{namespace}.{service}.0", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": spec, **status}


def watched(*leases: dict[str, Any]) -> Callable[[], list[dict[str, Any]]]:
    return lambda: list(leases)


def test_what_was_written_counts_until_the_watch_shows_it() -> None:
    written = WrittenLeases()
    bound = lease("a", "Bound", 10)
    written.add(bound)
    assert written.over(GREEN, watched(lease("a", None, 9))) == [bound]
    written.update("ADDED", lease("a", None, 9))
    assert written.over(GREEN, watched()) == [bound], "an older state is none that counts"
    written.update("MODIFIED", bound)
    assert written.over(GREEN, watched()) == []


def test_the_last_of_several_writes_counts() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound", 9))
    written.add(lease("a", "Released", 10))
    written.update("MODIFIED", lease("a", "Bound", 9))
    assert written.over(GREEN, watched(lease("a", "Bound", 9))) == [lease("a", "Released", 10)]


def test_what_the_watch_showed_before_the_writes_answer_came_counts() -> None:
    """A release that it shows calls those that wait for their project's quota, once."""
    written = WrittenLeases()
    written.update("MODIFIED", lease("a", "Bound", 9))
    written.add(lease("a", "Bound", 9))
    released = lease("a", "Released", 10)
    written.update("MODIFIED", released)
    assert written.over(GREEN, watched(released)) == [released]

    written.update("MODIFIED", lease("b", "Bound", 11))
    written.update("MODIFIED", lease("b", "Released", 12))
    written.add(lease("b", "Bound", 11))
    assert written.over(GREEN, watched(lease("b", "Released", 12))) == [lease("b", "Released", 12)]


def test_what_the_watch_shows_while_it_is_counted_is_counted_once() -> None:
    written = WrittenLeases()
    bound = lease("a", "Bound", 10)
    written.add(bound)

    def shown_meanwhile() -> list[dict[str, Any]]:
        written.update("MODIFIED", bound)
        return [bound]

    assert written.over(GREEN, shown_meanwhile) == [bound]


def test_a_lease_that_is_gone_counts_no_more() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound"))
    written.update("DELETED", lease("a", None))
    assert written.over(GREEN, watched()) == []


def test_a_state_that_came_and_went_unseen_is_forgotten() -> None:
    clock = Clock()
    written = WrittenLeases(clock)
    written.add(lease("a", "Bound"))
    clock.advance(KEPT_SECONDS)
    assert written.over(GREEN, watched()) == []
    assert not written._written


def test_projects_are_counted_apart() -> None:
    written = WrittenLeases()
    written.add(lease("a", "Bound", namespace="blue"))
    assert written.over(GREEN, watched(lease("b", "Bound"))) == [lease("b", "Bound")]
