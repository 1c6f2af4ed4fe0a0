# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""When a router ends to tell what keeps it from serving; with packets: tests/e2e/test_router_takeover.py."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path

import pytest
from egress_router import faults
from egress_router.last_words import CONFLICT, LastWords, Told, Trouble, conflict, of_fault

MAC = bytes.fromhex("020000000001")
SOURCE = ip_address("10.70.112.155")
WORDS = "conflict address=10.70.112.155 held-by=02:00:00:00:00:01"
PATIENCE = 20.0
HELD = conflict(SOURCE, MAC)
SILENT = of_fault(faults.gateway_silent(SOURCE, ip_address("10.70.112.1"), SOURCE, "eth1", 3.2))


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

    def __init__(self, log: Path, mark: type[Mark] = Mark) -> None:
        self.log = log
        self.now = 0.0
        self._marks: defaultdict[str, Mark] = defaultdict(mark)
        self.router = self.restart()

    def restart(self) -> LastWords:
        self.router = LastWords(self.log, PATIENCE, self._marks.__getitem__, lambda: self.now)
        return self.router

    def waits(self, seconds: float, trouble: Trouble = HELD) -> bool:
        """Whether the router lives on while the trouble lasts for that long."""
        end = self.now + seconds
        try:
            while self.now < end:
                self.router.troubled(trouble)
                self.now += 1.0
        except Told:
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
    pod.router.untroubled()
    assert pod.waits(PATIENCE)
    assert not pod.waits(1)


def test_once_the_address_was_the_routers_the_next_conflict_is_told_again(pod: Pod) -> None:
    assert not pod.waits(60)
    pod.restart().over(CONFLICT)
    assert not pod.waits(60)


def test_where_no_kubelet_reads_it_the_router_waits_on_and_leaves_no_file(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "missing")
    assert pod.waits(3600)
    assert not pod.log.exists()


def test_a_router_that_could_not_remember_having_told_does_not_tell(log: Path) -> None:
    pod = Pod(log, BrokenMark)
    assert pod.waits(3600)
    assert pod.log.read_text() == ""


def test_ipv6_addresses_are_written_in_one_way_only() -> None:
    source = ip_address("fd70:0112::0155")
    assert conflict(source, MAC).message == "conflict address=fd70:112::155 held-by=02:00:00:00:00:01"


def test_each_kind_of_trouble_is_told_once(pod: Pod) -> None:
    assert not pod.waits(60)
    pod.log.write_text("")
    pod.restart()
    assert not pod.waits(60, SILENT)
    assert pod.log.read_text() == SILENT.message
    pod.restart()
    assert pod.waits(600, SILENT)
    assert pod.waits(600)


def test_what_is_over_is_told_when_it_comes_again(pod: Pod) -> None:
    assert not pod.waits(60, SILENT)
    pod.restart().over()
    assert not pod.waits(60, SILENT)


def test_the_message_of_a_fault_has_fields_and_then_a_sentence() -> None:
    fields, _separator, sentence = SILENT.message.partition(" message=")
    assert fields == "fault reason=GatewaySilent address=10.70.112.155"
    assert sentence.startswith(
        "the gateway 10.70.112.1 has not answered 10.70.112.155 by the node's uplink eth1 for 3 s; "
    )
    assert "\n" not in sentence


def test_every_message_fits_into_what_the_kubelet_keeps() -> None:
    source, name = ip_address("2001:db8:1234:5678:9abc:def0:1234:5678"), "x" * 15
    made = (
        faults.node_firewall(source, source, name),
        faults.node_masquerades(source, str(source), name),
        faults.other_interface(source, name, name),
        faults.wrong_route(source, f"the node's route to {source} leaves by {name}, not by the uplink {name}"),
        faults.gateway_silent(source, source, source, name, 1e9),
        faults.no_way_out(source, f"the node has no default route by a gateway on its uplink {name}"),
        faults.lan_proxy(source, MAC),
        faults.node_kernel(source, name, "x" * 10_000),
        faults.name_unknown(source, {f"{n}{'x' * 252}": "y" * 10_000 for n in range(3)}),
        faults.uplink_unusable(
            source, f"EGRESS_UPLINK={name!r} is not usable: this node has no interface of that name."
        ),
        faults.no_carrier(source, name),
        faults.failed(source, "\n\u00e9" * 10_000),
    )
    assert {fault.reason for fault in made} == set(faults.Reason)
    assert all(len(of_fault(fault).message) < 1024 for fault in made)
