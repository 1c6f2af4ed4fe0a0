# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Real ``ansible-playbook`` runs, and what their tasks gave back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
HOST = "localhost"


@dataclass(frozen=True)
class Run:
    """One finished run."""

    tasks: list[dict[str, Any]]
    """The result of each task on the one host, in order; ``task`` is its name."""
    stats: dict[str, int]

    def result(self, task: str) -> dict[str, Any]:
        """The last result of the task whose name ends so."""
        return next(item for item in reversed(self.tasks) if item["task"].endswith(task))

    @property
    def failure(self) -> str:
        """What the task that ended the run had to say."""
        return next(str(item["msg"]) for item in reversed(self.tasks) if item.get("failed"))


@dataclass(frozen=True)
class Ansible:
    """Runs Ansible against one API server, from a collections folder of its own."""

    folder: Path
    kubeconfig: Path

    def playbook(self, playbook: str, *arguments: str, environment: dict[str, str] | None = None) -> Run:
        """Run a playbook (a path, or ``avi.egress.NAME``); it may fail."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), playbook, *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, **self._environment(), **(environment or {})},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        try:
            report = json.loads(done.stdout)
        except ValueError as error:
            raise AssertionError(f"{command} printed no report:\n{done.stdout}\n{done.stderr}") from error
        tasks = [
            {"task": task["task"]["name"], **task["hosts"][HOST]}
            for play in report["plays"]
            for task in play["tasks"]
            if HOST in task["hosts"]
        ]
        return Run(tasks, report["stats"][HOST])

    def tasks(
        self,
        *tasks: dict[str, Any],
        defaults: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        variables: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The results of some tasks, all of which are run, with their diffs; each is a dictionary as in a playbook."""
        play = {
            "hosts": HOST,
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable, **(variables or {})},
            "module_defaults": {"group/avi.egress.all": defaults or {}},
            "tasks": [{"ignore_errors": True, "diff": True, **task} for task in tasks],
        }
        path = self.folder / "tasks.yml"
        path.write_text(json.dumps([play]))
        return self.playbook(str(path), environment=environment).tasks

    def _environment(self) -> dict[str, str]:
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(collections(self.folder)),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "K8S_AUTH_KUBECONFIG": str(self.kubeconfig),
        }


def collections(folder: Path) -> Path:
    """A collections folder in which this checkout is ``avi.egress``."""
    link = folder / "collections/ansible_collections/avi/egress"
    if not link.is_symlink():
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)
    return folder / "collections"
