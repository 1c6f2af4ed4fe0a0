# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``ansible-test sanity`` over a copy of the collection, with nothing ignored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from images.build import alone
from tests.conventions.checkout import copy_collection
from tests.conventions.programs import printed_by
from tests.conventions.trixie import ENVIRONMENT, PYTHON, Trixie

PIP_VERSIONS = ("23.1.2", "24.2", "25.2")
"""Which pip the versions of ansible-test want in the environments that they make."""

PIP_FROM_PYPI = """\
# Stands in for the get-pip.py that ansible-test would fetch: the same pip, by way of PyPI alone.
import runpy
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
sys.argv = ["pip", "install", *(option for option in sys.argv[1:] if not option.startswith("--no-"))]
runpy.run_module("pip", run_name="__main__")
"""


def prepare(home: Path) -> None:
    """Make a home folder, where ansible-test keeps the pinned environments of its tests from run to run."""
    scripts = home / ".ansible/test/cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for version in PIP_VERSIONS:
        (scripts / f"get_pip_{version.replace('.', '_')}.py").write_text(PIP_FROM_PYPI)


def check(collection: Path, home: Path, python: str, program: Sequence[str], tests: Sequence[str] = ()) -> None:
    """Some tests, or every one there is, on one Python; AssertionError with what they found.

    ``home`` is where that folder is for us, ``program`` runs ansible-test with it as HOME.
    """
    assert not list(collection.glob("tests/sanity/ignore*")), "nothing is to be ignored"
    wanted = set(tests) or _all_tests(collection, program)
    chosen = [word for test in tests for word in ("--test", test)]
    with alone(home):  # Its environments are made once, by one of those who need them.
        text = printed_by([*program, "sanity", "--python", python, "--color", "no", *chosen], collection)
    run = set(re.findall(r'^Running sanity test "([^"]+)"', text, re.MULTILINE))
    assert wanted <= run, f"not run: {sorted(wanted - run)}\n{text}"
    assert "not found" not in text, f"a program is missing:\n{text}"


def check_newest(trixie: Trixie, folder: Path, tests: Sequence[str] = ()) -> None:
    """The same with the newest ansible-core, on a copy of the collection that it makes in the folder."""
    collection = copy_collection(folder)
    prepare(trixie.home)
    program = trixie.command(f"{ENVIRONMENT}/bin/ansible-test", folder=collection, writable=[folder])
    check(collection, trixie.home, PYTHON, program, tests)


def _all_tests(collection: Path, program: Sequence[str]) -> set[str]:
    listed = printed_by([*program, "sanity", "--list-tests"], collection)
    return set(re.findall(r"^[a-z0-9-]+$", listed, re.MULTILINE))
