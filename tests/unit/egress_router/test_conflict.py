# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""When a router ends to tell that another host has its address; with packets: tests/e2e/test_router_takeover.py."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from egress_router.conflict import Conflict, ConflictTold, message

MAC = bytes.fromhex("020000000001")
WORDS = "conflict address=10.70.112.155 held-by=02:00:00:00:00:01"
PATIENCE = 20.0


class Mark:
    """The pod's memory, in this process'."""

    def __init__(self) -> None:
        self.there = False

    def is_set(self) -> bool:
        return self.there

    def set(self) -> None:
        self.there = True

    def remove(self) -> None:
        self.there = False


class BrokenMark(Mark):
    def set(self) -> None:
        raise OSError("nftables: refused")


class Pod:
    """Routers of one pod, one after the other, and a clock that is set by hand."""

    def __init__(self, log: Path, mark: Mark | None = None) -> None:
        self.log = log
        self.now = 0.0
        self._mark = mark or Mark()
        self.router = self.restart()

    def restart(self) -> Conflict:
        self.router = Conflict(ip_address("10.70.112.155"), self.log, PATIENCE, self._mark, lambda: self.now)
        return self.router

    def waits(self, seconds: float) -> bool:
        """Whether the router lives on while the host has the address for that long."""
        end = self.now + seconds
        try:
            while self.now < end:
                self.router.held_by(MAC)
                self.now += 1.0
        except ConflictTold:
            return False
        return True


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """As the kubelet makes it."""
    path = tmp_path / "termination-log"
    path.touch()
    return path


@pytest.fixture
def pod(log: Path) -> Pod:
    return Pod(log)


def test_a_host_that_keeps_the_address_is_told_by_the_last_words(pod: Pod) -> None:
    assert pod.waits(PATIENCE)
    assert pod.log.read_text() == ""
    assert not pod.waits(1)
    assert pod.log.read_text() == WORDS


def test_it_is_told_once_however_long_it_lasts(pod: Pod) -> None:
    assert not pod.waits(60)
    pod.restart()
    assert pod.waits(3600)


def test_a_break_begins_the_patience_anew(pod: Pod) -> None:
    assert pod.waits(PATIENCE)
    pod.router.not_held()
    assert pod.waits(PATIENCE)
    assert not pod.waits(1)


def test_once_the_address_was_the_routers_the_next_conflict_is_told_again(pod: Pod) -> None:
    assert not pod.waits(60)
    pod.restart().over()
    assert not pod.waits(60)


def test_where_no_kubelet_reads_it_the_router_waits_on_and_leaves_no_file(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "missing")
    assert pod.waits(3600)
    assert not pod.log.exists()


def test_a_router_that_could_not_remember_having_told_does_not_tell(log: Path) -> None:
    pod = Pod(log, BrokenMark())
    assert pod.waits(3600)
    assert pod.log.read_text() == ""


def test_ipv6_addresses_are_written_in_one_way_only() -> None:
    source = ip_address("fd70:0112::0155")
    assert message(source, MAC) == "conflict address=fd70:112::155 held-by=02:00:00:00:00:01"
