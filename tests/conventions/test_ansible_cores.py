# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection under two versions of ansible-core: sanity tests, unit tests, and a playbook.

One is that of requirements-dev.txt, whose unit tests are ``tests/unit`` itself; the other, the newest, is in a root of
its own, see ``trixie``. Older ones are in ``tests/versions``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ansible.release import __version__ as OURS

from images.build import CACHE
from tests.conventions import sanity, smoke
from tests.conventions.checkout import copy_collection
from tests.conventions.programs import printed_by
from tests.conventions.trixie import ENVIRONMENT, PYTHON, Trixie
from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.checkout import CHECKOUT, files

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


def test_a_playbook_runs_every_module_both_ways(api: ApiServer, tmp_path: Path) -> None:
    python = smoke.other_python(tmp_path, sys.executable)

    assert smoke.run_every_module(Ansible(tmp_path, api.kubeconfig), OURS, python) == smoke.TASKS, "one way of the two"


def test_the_newest_core_runs_every_module_both_ways(api: ApiServer, trixie: Trixie, tmp_path: Path) -> None:
    python = smoke.other_python(tmp_path, f"{ENVIRONMENT}/bin/python")
    program = trixie.command(
        f"{ENVIRONMENT}/bin/ansible-playbook",
        folder=tmp_path,
        readable=[CHECKOUT, api.kubeconfig.parent],
        writable=[tmp_path],
    )
    ansible = Ansible(tmp_path, api.kubeconfig, program)

    assert smoke.run_every_module(ansible, "2.21", python) == smoke.TASKS, "one way of the two"
