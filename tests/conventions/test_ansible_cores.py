# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection under the oldest and the newest ansible-core that it is for: sanity tests, unit tests, and a playbook.

The oldest is the one of requirements-dev.txt, whose unit tests are ``tests/unit`` itself; the other's is in a root of
its own, see ``trixie``.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as OURS

from images.build import CACHE
from tests.conventions import sanity
from tests.conventions.checkout import copy_collection
from tests.conventions.programs import printed_by
from tests.conventions.trixie import ENVIRONMENT, PYTHON, Trixie
from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.checkout import CHECKOUT, files
from tests.support.site import SITE

SMOKE = Path(__file__).with_name("smoke.yml")
OTHER_WAY = "Every module in a process of its own"
TASKS = Counter(
    key.rpartition(".")[2]
    for play in yaml.safe_load(SMOKE.read_text())
    if play["name"] == OTHER_WAY
    for task in play["tasks"]
    for key in task
    if key.startswith("avi.egress.")
)
"""How often that play runs each module."""

UNIT_TESTS = ("tests/unit/core", "tests/unit/modules", "tests/unit/role")
"""Those of what users install; the images have a Python of their own."""


def test_ansible_test_sanity_ignores_nothing_and_finds_nothing(collection: Path) -> None:
    home = CACHE / "ansible-test"
    sanity.prepare(home)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    program = ["env", f"HOME={home}", "ansible-test"]

    sanity.check(collection, home, python, program)


def test_ansible_test_sanity_of_the_newest_core_finds_nothing_either(tmp_path: Path, trixie: Trixie) -> None:
    collection = copy_collection(tmp_path)
    sanity.prepare(trixie.home)
    program = trixie.command(f"{ENVIRONMENT}/bin/ansible-test", folder=collection, writable=[tmp_path])

    sanity.check(collection, trixie.home, PYTHON, program)


def test_unit_tests_pass_under_the_newest_core(trixie: Trixie) -> None:
    paths = [CHECKOUT, CHECKOUT / ".collections", *files("images/egress_*")]
    environment = ["PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={':'.join(map(str, paths))}"]
    pytest_run = [f"{ENVIRONMENT}/bin/python", "-m", "pytest", "-o", "cache_dir=/tmp/pytest", "-q", *UNIT_TESTS]
    command = trixie.command(
        "env", *environment, *pytest_run, folder=CHECKOUT, readable=[CHECKOUT, CACHE / "collections"]
    )

    text = printed_by(command, CHECKOUT)

    assert re.fullmatch(r"\d+ passed.*", text.strip().splitlines()[-1].strip("= ")), text


@pytest.fixture
def other_python(tmp_path: Path) -> Callable[[str], Path]:
    """The same Python under a name that is not Ansible's own, so that a module gets a process of its own."""

    def named(python: str) -> Path:
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
        script.chmod(0o755)
        return script

    return named


def smoke(ansible: Ansible, sent: Path, core: str, python: Path) -> None:
    """Install, then every module in Ansible's process and in one of its own, whose files go to ``sent``."""
    variables = {**SITE, "smoke_core": core, "smoke_other_python": str(python)}
    run = ansible.playbook(
        str(SMOKE),
        "-e",
        json.dumps(variables),
        environment={"ANSIBLE_REMOTE_TMP": str(sent), "ANSIBLE_KEEP_REMOTE_FILES": "1"},
    )

    assert run.failure == ""
    assert run.result("Say that all went as it should")["msg"] == "both ways"
    modules = Counter(path.stem.removeprefix("AnsiballZ_") for path in sent.rglob("AnsiballZ_avi_*"))
    assert modules == TASKS, "one way of the two"
    assert modules.keys() == {path.stem for path in files("plugins/modules/avi_*.py")}


def test_a_playbook_runs_every_module_both_ways(
    api: ApiServer, tmp_path: Path, other_python: Callable[[str], Path]
) -> None:
    smoke(Ansible(tmp_path, api.kubeconfig), tmp_path / "sent", OURS, other_python(sys.executable))


def test_the_newest_core_runs_every_module_both_ways(
    api: ApiServer, trixie: Trixie, tmp_path: Path, other_python: Callable[[str], Path]
) -> None:
    python = other_python(f"{ENVIRONMENT}/bin/python")
    program = trixie.command(
        f"{ENVIRONMENT}/bin/ansible-playbook",
        folder=tmp_path,
        readable=[CHECKOUT, api.kubeconfig.parent],
        writable=[tmp_path],
    )

    smoke(Ansible(tmp_path, api.kubeconfig, program), tmp_path / "sent", "2.21", python)
