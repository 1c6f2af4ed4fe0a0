# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A lease is given up at the second sighting, and a mass of them not at all until somebody confirms it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from egress_controller.ipam.brake import FLOOR, Brake, Figures, Verdict, limit, most
from egress_controller.runtime.keys import service_key
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.egress_controller.clock import Clock

GRACE = 3.0


class Gone:
    """A network of some leases, many of whose services have gone, each project's in its turn."""

    def __init__(self, gone: int, held: int = 100, percent: int = 25) -> None:
        self.clock = Clock()
        self.brake = Brake(GRACE, self.clock)
        self.percent = percent
        self.names: list[str] = []
        self.held: dict[str, int] = {}
        self.released: Counter[str] = Counter()
        self.orphaned: dict[str, int] = {}
        self.add("green", gone, held)

    def add(self, project: str, gone: int, held: int) -> None:
        self.names += [f"dmz.{project}.s{number}.0" for number in range(gone)]
        self.held[project] = held

    def look(self, project: str = "") -> list[Verdict]:
        """Each lease still held (of a project) is asked for once; those that may are given up."""
        names = [name for name in self.names if project in name]
        verdicts = dict(zip(names, map(self.ask, names), strict=True))
        self.names = [name for name in self.names if verdicts.get(name) is not Verdict.GO]
        return list(verdicts.values())

    def look_twice(self, project: str = "") -> set[Verdict]:
        self.look(project)
        self.clock.advance(GRACE)
        return set(self.look(project))

    def figures(self) -> Figures:
        return Figures(self.percent, self.held, self.released, self.orphaned)

    def ask(self, name: str) -> Verdict:
        _network, project, service, _slot = name.split(".")
        unlimited = self.percent >= 100
        verdict = self.brake.ask("dmz", name, service_key(project, service), None if unlimited else self.figures)
        self.released[project] += verdict is Verdict.GO
        return verdict


def test_nothing_is_given_up_at_first_sight() -> None:
    gone = Gone(1)
    assert gone.look() == [Verdict.LATER]
    gone.clock.advance(GRACE / 2)
    assert gone.look() == [Verdict.LATER]
    gone.clock.advance(GRACE / 2)
    assert gone.look() == [Verdict.GO]


def test_a_mass_is_one_although_its_leases_are_looked_at_far_apart() -> None:
    """Of very many keys of other projects, one of this project comes now and then."""
    gone = Gone(FLOOR + 1, held=FLOOR + 1)
    gone.orphaned = {"green": FLOOR + 1}
    for name in gone.names:
        assert gone.ask(name) is Verdict.LATER
        gone.clock.advance(GRACE)
        assert gone.ask(name) is Verdict.STOPPED
    gone.orphaned = {}
    assert set(gone.look()) == {Verdict.STOPPED}, "they wait by now"


def test_a_service_that_comes_back_starts_anew() -> None:
    gone = Gone(1)
    gone.look()
    gone.clock.advance(GRACE)
    assert gone.brake.forget("dmz", gone.names[0])
    assert not gone.brake.forget("dmz", gone.names[0])
    assert gone.look() == [Verdict.LATER]


@given(gone=st.integers(0, 120), held=st.integers(0, 120), percent=st.integers(0, 100), order=st.randoms())
def test_all_go_or_none_by_the_networks_share(gone: int, held: int, percent: int, order: Any) -> None:
    world = Gone(gone, max(gone, held), percent)
    world.look()
    world.clock.advance(GRACE)
    order.shuffle(world.names)
    expected = Verdict.GO if percent >= 100 or gone <= limit(world.held["green"], percent) else Verdict.STOPPED
    assert world.look() == [expected] * gone
    assert world.brake.pending("dmz")["green"] == (gone if expected is Verdict.STOPPED else 0)


def test_what_was_given_up_a_moment_ago_counts() -> None:
    world = Gone(FLOOR, held=0)
    world.released["green"] = 1
    world.look()
    world.clock.advance(GRACE)
    assert set(world.look()) == {Verdict.STOPPED}


def test_when_enough_services_are_back_the_others_are_called_and_may_go() -> None:
    world = Gone(FLOOR + 1, held=20)
    assert world.look_twice() == {Verdict.STOPPED}
    assert world.brake.review("dmz", world.figures()) == []
    world.brake.forget("dmz", world.names.pop())
    assert set(world.look()) == {Verdict.STOPPED}, "before it is counted anew"
    called = world.brake.review("dmz", world.figures())
    assert called == [service_key("green", f"s{number}") for number in range(FLOOR)]
    assert set(world.look()) == {Verdict.GO}


def test_what_was_given_up_gets_older_and_then_the_others_are_called() -> None:
    world = Gone(FLOOR, held=20)
    world.released["green"] = 1
    assert world.look_twice() == {Verdict.STOPPED}
    world.released["green"] = 0
    assert len(world.brake.review("dmz", world.figures())) == FLOOR


def test_a_confirmed_mass_is_called() -> None:
    world = Gone(50)
    assert world.look_twice() == {Verdict.STOPPED}
    assert len(world.brake.review("dmz", None)) == 50


def test_a_lease_that_somebody_else_gave_up_no_longer_counts() -> None:
    world = Gone(FLOOR + 1, held=20)
    world.look()
    world.clock.advance(GRACE)
    world.brake.keep(service_key("green", "s0"), set())
    world.names.remove("dmz.green.s0.0")
    assert set(world.look()) == {Verdict.GO}


@pytest.mark.parametrize(("held", "percent", "most_at_once"), [(8, 25, FLOOR), (100, 25, 25), (100, 0, FLOOR)])
def test_ten_always_may(held: int, percent: int, most_at_once: int) -> None:
    assert limit(held, percent) == most_at_once


@given(gone=st.integers(0, 200), others=st.integers(0, 5))
def test_what_one_project_loses_holds_no_other(gone: int, others: int) -> None:
    world = Gone(gone, held=200)
    world.add("blue", others, others)
    world.look()
    world.clock.advance(GRACE)
    world.look("green")
    assert world.look("blue") == [Verdict.GO] * others


def test_nor_do_two_projects_that_lose_masses() -> None:
    world = Gone(40, held=40)
    world.add("red", 30, 30)
    world.add("blue", 1, 1)
    world.look_twice()
    assert world.names == [
        f"dmz.{project}.s{number}.0" for project, n in (("green", 40), ("red", 30)) for number in range(n)
    ]


def test_many_projects_that_lose_a_few_each_are_a_mass() -> None:
    """As when the backup that is restored knows none of them: each alone would be none."""
    world = Gone(5, held=5)
    for number in range(20):
        world.add(f"p{number}", 5, 5)
    assert world.look_twice() == {Verdict.STOPPED}
    assert most(sorted(world.held), world.brake.pending("dmz"), world.figures()) == 26


def test_a_large_project_whose_mass_is_stopped_does_not_let_the_small_ones_go() -> None:
    world = Gone(1000, held=1000)
    for number in range(20):
        world.add(f"p{number}", 5, 5)
    assert world.look_twice() == {Verdict.STOPPED}


def test_a_stopped_project_is_counted_once_for_all_of_its_leases() -> None:
    world = Gone(2000, held=2000)
    world.look()
    world.clock.advance(GRACE)
    counted = []

    def figures() -> Figures:
        counted.append(1)
        return world.figures()

    for number in range(2000):
        world.brake.ask("dmz", f"dmz.green.s{number}.0", service_key("green", f"s{number}"), figures)
    assert len(counted) == 1


def test_what_is_confirmed_goes_and_is_none_of_the_others_mass() -> None:
    world = Gone(FLOOR, held=0)
    confirmed = [f"dmz.green.c{number}.0" for number in range(3 * FLOOR)]

    def look_at_confirmed() -> set[Verdict]:
        return {world.brake.ask("dmz", name, service_key("green", name), None) for name in confirmed}

    assert look_at_confirmed() == {Verdict.LATER}
    world.look()
    world.clock.advance(GRACE)
    assert set(world.look()) == {Verdict.GO}
    assert look_at_confirmed() == {Verdict.GO}
    assert not world.brake.pending("dmz")
