# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who goes on and who waits when two stations want or use one address; frames are in tests/e2e/test_router_*.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from egress_router import conflict_detection
from egress_router.config import parse
from egress_router.conflict_detection import ConflictDetection
from egress_router.faults import Faulty, Reason
from egress_router.namespace import Namespace
from egress_router.neighbours import Role, Sighting
from egress_router.not_ready import Held, NotReady
from egress_router.uplink import Uplink

CONTRACT = {
    "EGRESS_SOURCE": "10.70.112.155",
    "EGRESS_PORTS": "80/tcp=10.10.24.85:80",
    "EGRESS_SUBNET": "10.70.112.0/24",
}
OWN, LOWER, HIGHER = b"\2\0\0\0\0\5", b"\2\0\0\0\0\4", b"\2\0\0\0\0\6"
UPLINK = Uplink(2, "up0", OWN, 1500, None, True)


class Talk:
    """A LAN's talk about one address: what a test lets be heard, and what was said."""

    def __init__(self) -> None:
        self.heard: list[Sighting] = []
        self.answers: list[Sighting] = []
        self.probes = self.announcements = 0

    def sightings(self) -> Iterator[Sighting]:
        heard, self.heard = self.heard, []
        yield from heard

    def probe(self, _asker: object) -> None:
        self.probes += 1
        self.heard += self.answers

    def announce(self) -> None:
        self.announcements += 1

    def is_on(self, *_interface: object) -> bool:
        return True


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(conflict_detection, "time", clock)
    return clock


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def detection(clock: Clock, talk: Talk) -> ConflictDetection:
    made = ConflictDetection(
        parse(CONTRACT), cast(Namespace, None), lambda _seconds, _what: bool(talk.heard), lambda: False
    )
    made.neighbours = cast(Any, talk)
    made.listen_on(UPLINK)
    return made


def test_an_address_that_nobody_speaks_of_is_free_after_three_probes(detection: ConflictDetection, talk: Talk) -> None:
    talk.heard = [Sighting(Role.HOLDS, HIGHER)]  # From before the first question.
    detection.make_sure(UPLINK)
    assert talk.probes == 3
    assert not detection.has_heard()


@pytest.mark.parametrize("other", [LOWER, HIGHER])
def test_a_holder_is_waited_for_whatever_its_mac_address(
    monkeypatch: pytest.MonkeyPatch, detection: ConflictDetection, talk: Talk, other: bytes
) -> None:
    monkeypatch.setattr(conflict_detection.Lan, "proxy", lambda *_asked: None)
    talk.answers = [Sighting(Role.HOLDS, other)]
    with pytest.raises(Held) as caught:
        detection.make_sure(UPLINK)
    assert caught.value.mac == other
    assert 0.15 <= caught.value.retry <= 0.3


def test_of_two_that_probe_at_once_the_lower_mac_address_goes_on(detection: ConflictDetection, talk: Talk) -> None:
    talk.answers = [Sighting(Role.PROBES, HIGHER)]
    detection.make_sure(UPLINK)
    talk.answers = [Sighting(Role.PROBES, LOWER)]
    with pytest.raises(NotReady, match="is being claimed by 02:00:00:00:00:04; waiting"):
        detection.make_sure(UPLINK)


def test_one_that_answers_for_all_is_no_holder_and_asked_once(
    monkeypatch: pytest.MonkeyPatch, detection: ConflictDetection, talk: Talk
) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(conflict_detection.Lan, "proxy", lambda _lan, _network, mac: asked.append(mac) or mac)
    talk.answers = [Sighting(Role.HOLDS, HIGHER)]
    for _time in range(2):
        with pytest.raises(Faulty) as caught:
            detection.make_sure(UPLINK)
        assert caught.value.fault.reason is Reason.LAN_PROXY
    assert asked == [HIGHER]


def test_waiting_asks_less_often_until_the_address_was_served(
    monkeypatch: pytest.MonkeyPatch, detection: ConflictDetection, talk: Talk, clock: Clock
) -> None:
    monkeypatch.setattr(conflict_detection.Lan, "proxy", lambda *_asked: None)
    talk.answers = [Sighting(Role.HOLDS, HIGHER)]

    def wait() -> float:
        with pytest.raises(Held) as caught:
            detection.make_sure(UPLINK)
        return caught.value.retry

    assert wait() <= 0.3
    clock.now += 600
    assert 1.0 <= wait() <= 2.0
    detection.served()
    assert wait() <= 0.3


def test_the_address_is_defended_once_in_ten_seconds(detection: ConflictDetection, talk: Talk, clock: Clock) -> None:
    for after in (0.0, 10.0):
        clock.now += after
        talk.heard = [Sighting(Role.HOLDS, HIGHER)]
        detection.defend(is_away=False)
    assert (talk.announcements, detection.conflicts) == (2, 2)
    clock.now += 9.9
    talk.heard = [Sighting(Role.HOLDS, HIGHER)]
    with pytest.raises(NotReady, match="is also used by 02:00:00:00:00:06; gave it up"):
        detection.defend(is_away=False)
    assert talk.announcements == 2


def test_one_that_was_away_yields_without_a_word(detection: ConflictDetection, talk: Talk) -> None:
    talk.heard = [Sighting(Role.PROBES, HIGHER), Sighting(Role.HOLDS, HIGHER)]
    with pytest.raises(NotReady):
        detection.defend(is_away=True)
    assert (talk.announcements, detection.conflicts) == (0, 1)


def test_a_probe_of_another_is_left_to_the_kernel(detection: ConflictDetection, talk: Talk) -> None:
    talk.heard = [Sighting(Role.PROBES, LOWER)]
    detection.defend(is_away=True)
    assert (talk.announcements, detection.conflicts) == (0, 0)


def test_an_address_is_announced_four_times_within_two_seconds(
    detection: ConflictDetection, talk: Talk, clock: Clock
) -> None:
    assert detection.announce_when_due() is None
    detection.announce_from_now()
    dues = []
    while (due := detection.announce_when_due()) is not None:
        dues.append(due - 1000.0)
        clock.now = due
    assert talk.announcements == 4
    assert dues == pytest.approx([0.2, 1.0, 2.0])


def test_a_routed_address_is_asked_of_no_lan(clock: Clock) -> None:
    contract = CONTRACT | {"EGRESS_MODE": "routed"}
    made = ConflictDetection(parse(contract), cast(Namespace, None), lambda _seconds, _what: False, lambda: False)
    made.listen_on(UPLINK)
    made.make_sure(UPLINK)
    made.defend(is_away=False)
    assert (made.neighbours, made.has_heard()) == (None, False)
