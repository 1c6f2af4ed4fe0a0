# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection under the newest ansible-core, beyond what ``tests/conventions`` asks of it in every run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from images.build import CACHE
from tests.conventions import sanity
from tests.conventions.programs import printed_by
from tests.conventions.trixie import ENVIRONMENT, Trixie, ensure_trixie
from tests.support.checkout import CHECKOUT, files
from tests.versions.core import UNIT_TESTS


@pytest.fixture(scope="module")
def trixie() -> Trixie:
    return ensure_trixie()


def test_sanity_finds_nothing(tmp_path: Path, trixie: Trixie) -> None:
    sanity.check_newest(trixie, tmp_path)


def test_unit_tests_pass(trixie: Trixie) -> None:
    paths = [CHECKOUT, CHECKOUT / ".collections", *files("images/egress_*")]
    environment = ["PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={':'.join(map(str, paths))}"]
    pytest_run = [f"{ENVIRONMENT}/bin/python", "-m", "pytest", "-o", "cache_dir=/tmp/pytest", "-q", *UNIT_TESTS]
    command = trixie.command(
        "env", *environment, *pytest_run, folder=CHECKOUT, readable=[CHECKOUT, CACHE / "collections"]
    )

    text = printed_by(command, CHECKOUT)

    assert re.fullmatch(r"\d+ passed.*", text.strip().splitlines()[-1].strip("= ")), text
