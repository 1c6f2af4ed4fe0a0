# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The story of one AWX that ``avi.egress.awx_setup`` sets up, told in order, with the real modules of awx.awx.

AWX can't be had where these tests run. ``tests.support.awx`` answers in its place, as strictly as AWX's API does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.ansible_run import Ansible, Run
from tests.support.awx.server import AwxServer
from tests.support.checkout import CHECKOUT, files

SETUP = yaml.safe_load((CHECKOUT / "playbooks/vars/awx.yml").read_text())
TEMPLATES = [f"avi.egress {item['name']}" for item in SETUP["egress_awx_templates"]]
WORKFLOW = "avi.egress project with service"
VARIABLES: dict[str, Any] = {
    "egress_awx_execution_environment": "registry.example/avi-egress-ee:0.2.0",
    "egress_awx_cluster_host": "https://api.example:6443",
    "egress_awx_cluster_token": "secret",
    "egress_awx_cluster_ca": "-----BEGIN CERTIFICATE-----",
    "egress_awx_site": {"egress_networks": []},
}
AUDIT = "avi.egress audit"
NIGHTLY = "avi.egress nightly audit"


@pytest.fixture(scope="module")
def awx() -> Iterator[AwxServer]:
    with AwxServer([f"playbooks/{path.name}" for path in files("playbooks/*.yml")]) as server:
        yield server


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    folder = tmp_path_factory.mktemp("ansible")
    return Ansible(folder, folder / "no-kubeconfig")


def play(ansible: Ansible, awx: AwxServer, *arguments: str, **changed: Any) -> Run:
    """One run of the playbook; what it asked of AWX is in ``awx.requests``."""
    awx.requests.clear()
    variables = json.dumps({**VARIABLES, **changed})
    return ansible.playbook("avi.egress.awx_setup", "-e", variables, *arguments, environment=awx.environment)


def changes(run: Run) -> set[str]:
    """The tasks that changed something, and of loops the items."""
    return {
        item["item"]["name"] if "item" in item else task["task"]
        for task in run.tasks
        for item in task.get("results", [task])
        if item.get("changed")
    }


def test_bad_variables_are_told_before_awx_is_asked(ansible: Ansible, awx: AwxServer) -> None:
    nothing = play(ansible, awx, egress_awx_execution_environment="")
    blind = play(ansible, awx, egress_awx_cluster_ca="")

    assert nothing.failure.startswith("egress_awx_execution_environment is empty; give the image that is built from")
    assert "give the token, and the authority's certificate, without which AWX verifies nothing" in blind.failure
    assert awx.requests == []


def test_one_run_makes_everything(ansible: Ansible, awx: AwxServer) -> None:
    run = play(ansible, awx)

    assert run.failure == ""
    assert awx.names("job_templates") == TEMPLATES
    assert awx.names("workflow_job_templates") == [WORKFLOW]
    assert awx.one("schedules", NIGHTLY)["unified_job_template"] == awx.one("job_templates", AUDIT)["id"]
    assert awx.one("inventories", "avi.egress")["variables"] == '{"egress_networks": []}'
    for template in TEMPLATES:
        assert awx.related("job_templates", template, "credentials") == ["avi.egress"]
    (audit,) = [node for node in awx.objects.all("workflow_job_template_nodes") if node["identifier"] == "audit"]
    assert audit["unified_job_template"] == awx.one("job_templates", AUDIT)["id"]


def test_the_token_is_kept_as_a_secret_and_never_printed(ansible: Ansible, awx: AwxServer) -> None:
    tasks = yaml.safe_load((CHECKOUT / "playbooks/awx_setup.yml").read_text())[0]["tasks"]

    assert [task["no_log"] for task in tasks if "bearer_token" in str(task)] == [True]
    assert awx.one("credentials", "avi.egress")["inputs"]["bearer_token"] == "secret"
    _, shown = awx.answer("GET", "/api/v2/credentials/", {})
    assert shown["results"][0]["inputs"]["bearer_token"] == "$encrypted$"


def test_check_mode_tells_what_differs_and_writes_nothing(ansible: Ansible, awx: AwxServer) -> None:
    awx.one("job_templates", "avi.egress install")["name"] = "renamed by hand"
    awx.objects.delete("schedules", awx.one("schedules", NIGHTLY)["id"])

    run = play(ansible, awx, "--check")

    assert run.failure == ""
    assert awx.writes == []
    assert changes(run) == {"install", "Have the audit run every night"}


def test_another_run_mends_what_differs_and_nothing_else(ansible: Ansible, awx: AwxServer) -> None:
    run = play(ansible, awx)

    assert run.failure == ""
    assert changes(run) == {"install", "Have the audit run every night"}
    assert sorted(awx.names("job_templates")) == sorted([*TEMPLATES, "renamed by hand"])
    assert awx.names("schedules") == [NIGHTLY]
