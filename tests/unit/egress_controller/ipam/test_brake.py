# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A lease is given up at the second sighting, and a mass of them not at all until somebody confirms it."""

from __future__ import annotations

from typing import Any

import pytest
from egress_controller.ipam.brake import FLOOR, Brake, Verdict, limit
from egress_controller.runtime.keys import service_key
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.egress_controller.clock import Clock

GRACE = 3.0


class Gone:
    """A network of some leases, many of whose services have gone."""

    def __init__(self, gone: int, held: int = 100, percent: int = 25) -> None:
        self.clock = Clock()
        self.brake = Brake(GRACE, self.clock)
        self.names = [f"dmz.green.s{number}.0" for number in range(gone)]
        self.held, self.percent = held, percent
        self.released = 0

    def look(self) -> list[Verdict]:
        """Each lease still held is asked for once; those that may are given up."""
        verdicts = [self.ask(name) for name in self.names]
        self.names = [name for name, verdict in zip(self.names, verdicts, strict=True) if verdict is not Verdict.GO]
        return verdicts

    def ask(self, name: str) -> Verdict:
        owner = service_key("green", name.split(".")[2])
        verdict = self.brake.ask("dmz", name, owner, self.released, limit(self.held, self.percent))
        self.released += verdict is Verdict.GO
        return verdict


def test_nothing_is_given_up_at_first_sight() -> None:
    gone = Gone(1)
    assert gone.look() == [Verdict.LATER]
    gone.clock.advance(GRACE / 2)
    assert gone.look() == [Verdict.LATER]
    gone.clock.advance(GRACE / 2)
    assert gone.look() == [Verdict.GO]


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
    most = limit(world.held, percent)
    expected = Verdict.GO if most is None or gone <= most else Verdict.STOPPED
    assert world.look() == [expected] * gone
    assert world.brake.pending("dmz") == (gone if expected is Verdict.STOPPED else 0)


def test_what_was_given_up_a_moment_ago_counts() -> None:
    world = Gone(FLOOR, held=0)
    world.released = 1
    world.look()
    world.clock.advance(GRACE)
    assert set(world.look()) == {Verdict.STOPPED}


def test_when_enough_services_are_back_the_others_may_go() -> None:
    world = Gone(FLOOR + 1, held=20)
    world.look()
    world.clock.advance(GRACE)
    assert set(world.look()) == {Verdict.STOPPED}
    assert len(world.brake.waiting("dmz")) == FLOOR + 1
    world.brake.forget("dmz", world.names.pop())
    assert set(world.look()) == {Verdict.GO}


def test_a_lease_that_somebody_else_gave_up_no_longer_counts() -> None:
    world = Gone(FLOOR + 1, held=20)
    world.look()
    world.clock.advance(GRACE)
    world.brake.keep(service_key("green", "s0"), set())
    world.names.remove("dmz.green.s0.0")
    assert set(world.look()) == {Verdict.GO}


@pytest.mark.parametrize(
    ("held", "percent", "most"), [(8, 25, FLOOR), (100, 25, 25), (100, 0, FLOOR), (100, 100, None)]
)
def test_ten_always_may_and_a_hundred_percent_is_no_brake(held: int, percent: int, most: int | None) -> None:
    assert limit(held, percent) == most


def test_what_is_confirmed_goes_and_is_none_of_the_others_mass() -> None:
    world = Gone(FLOOR, held=0)
    confirmed = [f"dmz.green.c{number}.0" for number in range(3 * FLOOR)]

    def look_at_confirmed() -> set[Verdict]:
        return {world.brake.ask("dmz", name, service_key("green", name), 0, None) for name in confirmed}

    assert look_at_confirmed() == {Verdict.LATER}
    world.look()
    world.clock.advance(GRACE)
    assert set(world.look()) == {Verdict.GO}
    assert look_at_confirmed() == {Verdict.GO}
    assert world.brake.pending("dmz") == 0
