# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection under older versions of ansible-core, the oldest with the oldest libraries that it takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.build import CACHE
from tests.conventions import sanity, smoke
from tests.conventions.checkout import copy_collection
from tests.conventions.programs import printed_by
from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer, api_server
from tests.support.checkout import CHECKOUT
from tests.versions.core import UNIT_TESTS, Core, ensure_core


@pytest.fixture(scope="module", params=["2.16", "2.18"])
def core(request: pytest.FixtureRequest) -> Core:
    return ensure_core(request.param)


@pytest.fixture(scope="module")
def api(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with nothing in it."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


def test_sanity_finds_nothing(core: Core, tmp_path: Path) -> None:
    home = CACHE / "ansible-test"
    sanity.prepare(home)
    program = ["env", f"HOME={home}", core.program("ansible-test")]

    sanity.check(copy_collection(tmp_path), home, f"{sys.version_info.major}.{sys.version_info.minor}", program)


def test_unit_tests_pass(core: Core) -> None:
    text = printed_by(core.tests_command(*UNIT_TESTS), CHECKOUT)

    assert re.search(r"^\d+ passed", text.strip().splitlines()[-1].strip("= ")), text


def test_a_playbook_runs_every_module(core: Core, api: ApiServer, tmp_path: Path) -> None:
    ansible = Ansible(tmp_path, api.kubeconfig, core.playbook_program(tmp_path))

    modules = smoke.run_every_module(ansible, core.version, smoke.other_python(tmp_path, core.program("python")))

    assert modules >= smoke.TASKS + smoke.TASKS, "those of the role too, as none is in Ansible's own process"
