# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The jobs of AWX's job templates, run by ansible-runner as AWX runs them, and the artifacts that they leave.

AWX itself is not here. What it gives a job is known from its sources, and made here by hand: the answers to the survey
as extra variables that may not be templates, the inventory, and a credential's variables in the environment.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Mapping

import ansible_runner
import yaml

from tests.support.ansible_run import collections
from tests.support.checkout import CHECKOUT

SETUP = CHECKOUT / "playbooks/vars/awx.yml"
TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Job:
    """One finished job."""

    status: str
    """``successful`` or ``failed``."""
    artifacts: Mapping[str, Any]
    """What ``set_stats`` left for the jobs that follow."""
    changed: int
    """How many tasks changed something."""
    failure: str
    """What the task that ended the job had to say."""
    output: str


@dataclass(frozen=True)
class Awx:
    """Runs job templates from a folder of its own, with one credential and one inventory."""

    folder: Path
    credential: Mapping[str, str]
    site: Mapping[str, Any]
    """The inventory's variables."""

    def job(self, template: str, *, check: bool = False, passed: Mapping[str, Any] | None = None, **given: Any) -> Job:
        """Run a job template with the answers that are given to its survey, or what a workflow passes on to it."""
        answers = passed if passed is not None else _accepted(template, given)
        definition = self._prepare(template, {**_defaults(template), **answers})
        (self.folder / "env/cmdline").write_text("--check --diff" if check else "")
        run = ansible_runner.run(
            private_data_dir=str(self.folder),
            playbook=definition["playbook"],
            quiet=True,
            timeout=TIMEOUT_SECONDS,
        )
        events = list(run.events)
        output = "".join(f"{event['stdout']}\n" for event in events)
        assert "Traceback" not in output, output
        ended = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
        assert ended, output
        failed = [event["event_data"]["res"] for event in events if event["event"] == "runner_on_failed"]
        return Job(
            status=run.status,
            artifacts=ended[-1]["artifact_data"],
            changed=sum(ended[-1]["changed"].values()),
            failure=failed[-1]["msg"] if failed else "",
            output=output,
        )

    def _prepare(self, template: str, answers: Mapping[str, Any]) -> dict[str, Any]:
        definition = templates()[template]
        for name in ("env", "inventory"):
            (self.folder / name).mkdir(exist_ok=True)
        project = self.folder / "project"
        if not project.is_symlink():
            project.symlink_to(CHECKOUT)
        hosts = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}, "vars": self.site}}
        (self.folder / "inventory/hosts.json").write_text(json.dumps(hosts))
        (self.folder / "env/envvars").write_text(yaml.safe_dump(self._environment()))
        own = yaml.safe_dump(definition["extra_vars"]) if definition.get("extra_vars") else ""
        (self.folder / "env/extravars").write_text(own + yaml.dump(answers, Dumper=_Untrusted))
        return definition

    def _environment(self) -> dict[str, str]:
        return {
            **self.credential,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(collections(self.folder)),
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        }


@cache
def templates() -> dict[str, dict[str, Any]]:
    """The job templates that ``avi.egress.awx_setup`` makes, by name."""
    return {item["name"]: item for item in yaml.safe_load(SETUP.read_text())["egress_awx_templates"]}


class _Untrusted(yaml.SafeDumper):
    """Marks text as AWX does, so that no answer is a template."""

    def represent_data(self, data: Any) -> yaml.Node:
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


def _accepted(template: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answers that AWX launches a job with: those to the survey's questions, and to all that must be answered."""
    survey = {item["variable"]: item for item in templates()[template]["survey"]}
    unknown = set(given) - set(survey)
    missing = {name for name, item in survey.items() if item["required"]} - set(given)
    assert not unknown | missing, f"the survey of {template} does not know {unknown}, and asks for {missing}"
    return given


def _defaults(template: str) -> dict[str, Any]:
    """What AWX takes for the answers to the other questions; it leaves out a default that is no answer."""
    return {
        item["variable"]: item["default"]
        for item in templates()[template]["survey"]
        if "default" in item and (item["default"] != "" or item["type"] in ("text", "textarea"))
    }
