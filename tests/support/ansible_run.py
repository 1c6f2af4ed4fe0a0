# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Real ``ansible-playbook`` runs, and what their tasks gave back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.checkout import CHECKOUT

HOST = "localhost"


@dataclass(frozen=True)
class Run:
    """One finished run."""

    tasks: list[dict[str, Any]]
    """The result of each task on the one host, in order; ``task`` is its name."""
    stats: dict[str, int]
    custom_stats: dict[str, Any]
    """What ``set_stats`` gave to whoever runs a workflow."""
    output: str
    """All that the program printed."""

    def result(self, task: str) -> dict[str, Any]:
        """The last result of the task whose name ends so."""
        return next(item for item in reversed(self.tasks) if item["task"].endswith(task))

    @property
    def failure(self) -> str:
        """What the task that ended the run had to say; empty if all went well."""
        if not self.stats["failures"]:
            return ""
        return next(str(item["msg"]) for item in reversed(self.tasks) if item.get("failed"))


@dataclass(frozen=True)
class Ansible:
    """Runs Ansible against one API server, from a collections folder of its own."""

    folder: Path
    kubeconfig: Path
    program: tuple[str, ...] = (str(Path(sys.executable).with_name("ansible-playbook")),)

    def playbook(self, playbook: str, *arguments: str, environment: dict[str, str] | None = None) -> Run:
        """Run a playbook (a path, or ``avi.egress.NAME``), and others that the arguments begin with; it may fail."""
        done = self.finished(playbook, *arguments, environment=environment)
        try:
            report = _last_report(done.stdout)
        except ValueError as error:
            raise AssertionError(f"{playbook} printed no report:\n{done.stdout}\n{done.stderr}") from error
        tasks = [
            {"task": task["task"]["name"], **task["hosts"][HOST]}
            for play in report["plays"]
            for task in play["tasks"]
            if HOST in task["hosts"]
        ]
        return Run(tasks, report["stats"][HOST], report["global_custom_stats"], done.stdout + done.stderr)

    def tasks(
        self,
        *tasks: dict[str, Any],
        defaults: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        variables: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The results of some tasks, all of which are run, with their diffs; each is a dictionary as in a playbook."""
        return self.playbook(self._written(tasks, defaults, variables), environment=environment).tasks

    def recap(self, *tasks: dict[str, Any], variables: dict[str, Any] | None = None) -> dict[str, int]:
        """How many of some tasks were ``ok``, ``changed``, ``failed``, from what users see by default."""
        environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
        done = self.finished(self._written(tasks, None, variables), environment=environment)
        found = re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])
        return {name: int(count) for name, count in found}

    def _written(
        self, tasks: Sequence[dict[str, Any]], defaults: dict[str, Any] | None, variables: dict[str, Any] | None
    ) -> str:
        """The path of a playbook with these tasks."""
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
        return str(path)

    def finished(
        self, playbook: str, *arguments: str, environment: dict[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        """One run of the program, whatever came of it; AssertionError where it shows a traceback."""
        done = subprocess.run(
            [*self.program, playbook, *arguments],
            env={**os.environ, **self.environment(), **(environment or {})},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def environment(self) -> dict[str, str]:
        """What its programs find the collection and the cluster by."""
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(collections(self.folder)),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "K8S_AUTH_KUBECONFIG": str(self.kubeconfig),
        }


def _last_report(printed: str) -> dict[str, Any]:
    """There is one after each playbook, and each has the plays of those before it, too."""
    start = printed.rindex("\n{\n", 0) + 1 if "\n{\n" in printed else 0
    report: dict[str, Any] = json.loads(printed[start:])
    return report


def collections(folder: Path) -> Path:
    """A collections folder in which this checkout is ``avi.egress``."""
    link = folder / "collections/ansible_collections/avi/egress"
    if not link.is_symlink():
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)
    return folder / "collections"
