# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A process is itself only while number, start time and boot agree."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.identity import ProcessIdentity


@pytest.fixture
def this() -> ProcessIdentity:
    found = ProcessIdentity.of(os.getpid())
    assert found is not None
    return found


def test_what_was_written_is_read(this: ProcessIdentity, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(this.dump())
    assert ProcessIdentity.load(path) == this
    assert this.alive()


def test_a_number_used_again_is_a_stranger(this: ProcessIdentity) -> None:
    assert not dataclasses.replace(this, started=this.started - 1).alive()


def test_nothing_lives_from_another_boot(this: ProcessIdentity) -> None:
    assert not dataclasses.replace(this, boot="another").alive()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "started": 2, "boot": "x", "more": 3}'])
def test_an_unreadable_record_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    assert ProcessIdentity.load(path) is None


def test_a_missing_record_names_nobody(tmp_path: Path) -> None:
    assert ProcessIdentity.load(tmp_path / "none.json") is None


def test_the_dead_and_the_unread_are_not_alive() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        known = ProcessIdentity.of(child.pid)
        assert known is not None
        assert known.alive()
        child.kill()
        # Not yet waited for: a zombie still has its number.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not known.alive()
    assert not known.alive()
