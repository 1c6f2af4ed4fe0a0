# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi.egress.awx_setup`` as far as it goes without an AWX: to the door of its API.

Ansible templates all of its tasks and runs the real modules of awx.awx, which judge their options before they look for
an AWX. None listens where they look, so a task whose options are right ends at the connection, and at nothing else.
"""

from __future__ import annotations

import itertools
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ansible_run import Ansible, Run
from tests.support.checkout import CHECKOUT

PLAYBOOKS = CHECKOUT / "playbooks"
TEMPLATES = yaml.safe_load((PLAYBOOKS / "vars/awx.yml").read_text())["egress_awx_templates"]
VARIABLES = {
    "egress_awx_execution_environment": "registry.example/avi-egress-ee:0.2.0",
    "egress_awx_cluster_host": "https://api.example:6443",
    "egress_awx_cluster_token": "secret",
    "egress_awx_cluster_ca": "-----BEGIN CERTIFICATE-----",
    "egress_awx_site": {"egress_networks": []},
}


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    folder = tmp_path_factory.mktemp("ansible")
    return Ansible(folder, folder / "no-kubeconfig")


def going_on(folder: Path) -> Path:
    """The playbook, going on after each task that fails and hiding nothing; its files are where it looks for them."""
    plays = yaml.safe_load((PLAYBOOKS / "awx_setup.yml").read_text())
    plays[0]["ignore_errors"] = True
    for task in plays[0]["tasks"]:
        task.pop("no_log", None)
    (folder / "vars").symlink_to(PLAYBOOKS / "vars")
    path = folder / "awx_setup.yml"
    path.write_text(yaml.safe_dump(plays, sort_keys=False))
    return path


def play(ansible: Ansible, playbook: str, variables: dict[str, Any]) -> Run:
    nobody = {"CONTROLLER_HOST": f"http://127.0.0.1:{_unused_port()}", "CONTROLLER_OAUTH_TOKEN": "token"}
    return ansible.playbook(playbook, "-e", json.dumps(variables), environment=nobody)


def test_every_module_takes_its_options_and_looks_for_awx(ansible: Ansible, tmp_path: Path) -> None:
    run = play(ansible, str(going_on(tmp_path)), VARIABLES)

    messages = {
        task["task"]: [item["msg"] for item in task.get("results", [task])]
        for task in run.tasks
        if task["action"].startswith("awx.awx.")
    }
    assert {name: len(told) for name, told in messages.items()} == {
        "Make the organization": 1,
        "Make the execution environment": 1,
        "Make the project": 1,
        "Update the project": 1,
        "Make the inventory": 1,
        "Have jobs run where AWX runs them": 1,
        "Make the cluster's credential": 1,
        "Make the job templates": len(TEMPLATES),
        "Make the workflow": 1,
        "Have the audit run every night": 1,
    }
    assert [told for told in itertools.chain(*messages.values()) if "Connection refused" not in told] == []


def test_a_credential_that_verifies_nothing_is_refused(ansible: Ansible) -> None:
    run = play(ansible, "avi.egress.awx_setup", {**VARIABLES, "egress_awx_cluster_ca": ""})

    assert "give the token, and the authority's certificate, without which AWX verifies nothing" in run.failure


def test_the_token_is_not_told() -> None:
    tasks = yaml.safe_load((PLAYBOOKS / "awx_setup.yml").read_text())[0]["tasks"]

    assert [task["no_log"] for task in tasks if "bearer_token" in str(task)] == [True]


def test_an_execution_environment_is_asked_for(ansible: Ansible) -> None:
    run = play(ansible, "avi.egress.awx_setup", {})

    assert run.failure.startswith("egress_awx_execution_environment is empty; give the image that is built from")


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
