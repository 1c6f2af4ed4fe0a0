# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection under two versions of ansible-core: sanity tests, and a playbook with every module.

One is that of requirements-dev.txt; the other, the newest, is in a root of its own, see ``trixie``: what it says of the
collection itself is asked here. All of its sanity tests, the unit tests on it, and older ones are in
``tests/versions``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.release import __version__ as OURS

from images.build import CACHE
from tests.conventions import sanity, smoke
from tests.conventions.trixie import ENVIRONMENT, Trixie
from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.checkout import CHECKOUT

ITS_OWN = ("action-plugin-docs", "ansible-doc", "runtime-metadata", "validate-modules")
"""The sanity tests in which a core itself reads what users install, and documents it."""


def test_ansible_test_sanity_ignores_nothing_and_finds_nothing(collection: Path) -> None:
    home = CACHE / "ansible-test"
    sanity.prepare(home)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    program = ["env", f"HOME={home}", "ansible-test"]

    sanity.check(collection, home, python, program)


def test_the_newest_core_reads_and_documents_all_of_it(tmp_path: Path, trixie: Trixie) -> None:
    sanity.check_newest(trixie, tmp_path, ITS_OWN)


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
