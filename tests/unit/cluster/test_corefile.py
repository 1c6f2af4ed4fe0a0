# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The Corefile is replaced when it changes, and never by nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import corefile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Corefile"
    corefile.write(path, ".:53 {\n}\n")
    return path


def test_a_change_replaces_the_file(file: Path) -> None:
    before = file.stat().st_ino
    corefile.write(file, ".:53 {\n    errors\n}\n")
    assert "errors" in file.read_text()
    assert file.stat().st_ino != before
    assert [path.name for path in file.parent.iterdir()] == ["Corefile"]


@pytest.mark.parametrize("text", [".:53 {\n}\n", ""])
def test_the_same_and_the_empty_change_nothing(file: Path, text: str) -> None:
    before = file.stat()
    corefile.write(file, text)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.read_text() == ".:53 {\n}\n"
