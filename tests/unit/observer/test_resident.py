# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A program that stays for the questions to come."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.resident import Ended, Resident
from tests.support.waiting import wait_for

_ANSWERS = """
import json, os, sys, time
for line in sys.stdin:
    question = json.loads(line)
    if question == "end":
        sys.exit("it was told to end")
    if question == "sleep":
        time.sleep(60)
    print(json.dumps({"question": question, "process": os.getpid()}), flush=True)
"""
_ONE_OF_MANY = f"""
import time
from tests.support.resident import Resident
kept = Resident(["python3", "-c", {_ANSWERS!r}])
print(kept.ask(0)["process"], flush=True)
time.sleep(60)
"""


@pytest.fixture
def resident() -> Resident:
    return Resident([sys.executable, "-c", _ANSWERS])


def is_there(process: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked for does not."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_questions_are_answered_in_turn_by_one_process(resident: Resident) -> None:
    answers = [resident.ask(["a question", number]) for number in range(3)]
    assert [answer["question"] for answer in answers] == [["a question", number] for number in range(3)]
    assert len({answer["process"] for answer in answers}) == 1


def test_a_large_answer_is_read_whole(resident: Resident) -> None:
    assert resident.ask("x" * 300_000)["question"] == "x" * 300_000


def test_a_program_that_has_ended_since_is_started_anew(resident: Resident) -> None:
    first = resident.ask(1)["process"]
    os.kill(first, 9)
    answer = resident.ask(2)
    assert answer["question"] == 2
    assert answer["process"] != first


def test_a_program_that_ends_instead_of_answering_is_told_with_its_words(resident: Resident) -> None:
    with pytest.raises(Ended, match=r"^it was told to end$"):
        resident.ask("end")
    assert resident.ask("again")["question"] == "again"


def test_an_answer_that_is_too_late_is_nobodys(resident: Resident) -> None:
    first = resident.ask(1)["process"]
    with pytest.raises(subprocess.TimeoutExpired):
        resident.ask("sleep", seconds=0.05)
    assert resident.ask(2)["question"] == 2
    assert not is_there(first)


def test_the_program_ends_when_nobody_can_ask_any_more() -> None:
    resident = Resident([sys.executable, "-c", _ANSWERS])
    process = resident.ask(0)["process"]
    del resident
    assert not is_there(process)


def test_the_program_ends_with_the_process_that_asks_though_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _ONE_OF_MANY], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout
        process = int(asking.stdout.readline())
        assert is_there(process)
        asking.kill()
    wait_for("the program to end", lambda: not is_there(process))
