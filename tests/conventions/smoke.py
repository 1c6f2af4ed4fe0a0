# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A playbook that runs every module in Ansible's own process, if its core can, and in one of its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import yaml

from tests.support.ansible_run import Ansible
from tests.support.checkout import files
from tests.support.site import SITE

PLAYBOOK = Path(__file__).with_name("smoke.yml")
OTHER_WAY = "Every module in a process of its own"
TASKS = Counter(
    key.rpartition(".")[2]
    for play in yaml.safe_load(PLAYBOOK.read_text())
    if play["name"] == OTHER_WAY
    for task in play["tasks"]
    for key in task
    if key.startswith("avi.egress.")
)
"""How often that play runs each module."""


def other_python(folder: Path, python: str) -> Path:
    """A Python under a name that is not Ansible's own, so that a module gets a process of its own."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    script.chmod(0o755)
    return script


def run_every_module(ansible: Ansible, core: str, python: Path) -> Counter[str]:
    """Install, then run every module both ways; how often each had a process of its own. AssertionError."""
    sent = ansible.folder / "sent"
    run = ansible.playbook(
        str(PLAYBOOK),
        "-e",
        json.dumps({**SITE, "smoke_core": core, "smoke_other_python": str(python)}),
        environment={"ANSIBLE_REMOTE_TMP": str(sent), "ANSIBLE_KEEP_REMOTE_FILES": "1"},
    )

    assert run.failure == "", [t for t in run.tasks if t.get("failed")]
    assert run.result("Say that all went as it should")["msg"] == "both ways"
    modules = Counter(path.stem.removeprefix("AnsiballZ_") for path in sent.rglob("AnsiballZ_avi_*"))
    assert modules.keys() == {path.stem for path in files("plugins/modules/avi_*.py")}
    return modules
