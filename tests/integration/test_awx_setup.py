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
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.support.ansible_run import Ansible, Run
from tests.support.awx.credential_types import rendered
from tests.support.awx.server import AwxServer
from tests.support.checkout import CHECKOUT, files

SETUP = yaml.safe_load((CHECKOUT / "playbooks/vars/awx.yml").read_text())
TEMPLATES = [f"avi.egress {item['name']}" for item in SETUP["egress_awx_templates"]]
WORKFLOW = "avi.egress project with service"
NAMES = [name.removeprefix("avi.egress ") for name in (*TEMPLATES, WORKFLOW)]
VARIABLES: dict[str, Any] = {
    "egress_awx_execution_environment": "registry.example/avi-egress-ee:0.2.0",
    "egress_awx_cluster_host": "https://api.example:6443",
    "egress_awx_cluster_token": "hidden-token",
    "egress_awx_cluster_ca": "-----BEGIN CERTIFICATE-----",
    "egress_awx_site": {"egress_networks": []},
    "egress_awx_secrets": {"egress_registry_password": "hidden-word"},
}
PUSHING, SECRETS = "egress_registry_password", "avi.egress secrets"
OPTIONS: dict[str, Any] = {
    "deliver images": {"execution_environment": "builder", "credentials": ["registry"]},
    "audit": {"notifications": ["pager"], "labels": ["nightly"], "instance_groups": ["far"]},
    "project with service": {"teams": ["green"]},
}
CONCERNED = ("deliver images", "audit", "onboard projects", "egress service")
"""The templates that are mended, and those that the workflow runs."""
LABELS = ("egress", "nightly")
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
        item.get("_ansible_item_label", task["task"])
        for task in run.tasks
        for item in task.get("results", [task])
        if item.get("changed")
    }


def test_bad_variables_are_told_before_awx_is_asked(ansible: Ansible, awx: AwxServer) -> None:
    nothing = play(ansible, awx, egress_awx_execution_environment="")
    blind = play(ansible, awx, egress_awx_cluster_ca="")
    misgiven = play(ansible, awx, egress_awx_secrets={"tower": "hidden-word", "a-b": "c", "pin": 1234, "empty": ""})
    mistyped = play(ansible, awx, egress_awx_labels="nightly", egress_awx_secrets="hidden-word", egress_awx_scm_url=5)
    misspelt = play(ansible, awx, egress_awx_site={"egress_netwroks": [], "stage": "test"})
    options = play(
        ansible, awx, egress_awx_template_options={"audit": {"labels": "nightly"}, NAMES[-1]: {"credentials": []}}
    )

    assert nothing.failure.startswith("egress_awx_execution_environment is empty; give the image that is built from")
    assert "give the token, and the authority's certificate, without which AWX verifies nothing" in blind.failure
    assert misspelt.failure == (
        "egress_awx_site has egress_netwroks, which no job would ask for; mend the name, to egress_networks"
    )
    assert misgiven.failure.startswith("egress_awx_secrets has a-b, empty, pin, tower; give names of variables, and")
    assert mistyped.failure == (
        "egress_awx_labels is 'nightly'; give a list of texts; egress_awx_scm_url is 5; give text, in quotes; "
        "egress_awx_secrets is a secret, and not shown; give a dictionary. Nothing was changed."
    )
    assert "hidden-word" not in misgiven.output + mistyped.output
    audit, of_workflow = [told["msg"] for told in options.tasks[-1]["results"] if told.get("failed")]
    assert audit.startswith('egress_awx_template_options.audit is {"labels": "nightly"}; give labels, notifications, ')
    assert of_workflow.endswith(f"give labels, notifications, teams as lists of names, for one of {', '.join(NAMES)}")
    assert awx.requests == []


def test_secrets_among_the_clear_variables_are_refused_by_name(ansible: Ansible, awx: AwxServer) -> None:
    secret, word = ansible.folder / "site.yml", ansible.folder / "word"
    word.write_text("of the vault\n")
    encrypted = VaultLib([("default", VaultSecret(b"of the vault"))]).encrypt("hidden-word").decode()
    site = f"{{{PUSHING}: hidden-word, clear: 1, nested: {{list: [!vault {json.dumps(encrypted)}]}}}}"
    secret.write_text(f"egress_awx_site: {site}\n")

    run = play(ansible, awx, "-vvv", "-e", f"@{secret}", "--vault-password-file", str(word))

    assert run.failure.startswith(f"egress_awx_site has {PUSHING}, nested, which everybody who may read the inventory")
    assert "give secrets in egress_awx_secrets" in run.failure
    assert "hidden-word" not in run.output
    assert awx.requests == []


def test_what_awx_is_to_have_already_is_looked_for_before_anything_is_made(ansible: Ansible, awx: AwxServer) -> None:
    run = play(ansible, awx, egress_awx_cluster_host="", egress_awx_credential="theirs")

    (told,) = [item["msg"] for item in run.tasks[-1]["results"] if item.get("failed")]
    assert told.startswith('organization Default of AWX has [] of the credentials ["theirs"], and each is needed')
    assert awx.writes == []


def test_check_mode_of_a_new_awx_skips_what_hangs_on_the_new(ansible: Ansible, awx: AwxServer) -> None:
    run = play(ansible, awx, "--check")

    assert run.failure == ""
    assert changes(run) == {"Make the organization"}
    assert awx.writes == []


def test_an_update_that_fails_is_told_with_its_output(ansible: Ansible, awx: AwxServer) -> None:
    failed = play(ansible, awx, egress_awx_scm_branch="gone")
    awx.runs_jobs = False
    stuck = play(ansible, awx, egress_awx_update_timeout=1)
    awx.runs_jobs = True

    assert failed.failure.startswith("project avi.egress: update 1 has failed: fatal: [localhost]: FAILED! => Failed")
    assert stuck.failure.startswith("project avi.egress: update 2 has not ended within 1 seconds; see whether AWX has")


def test_one_run_makes_everything(ansible: Ansible, awx: AwxServer) -> None:
    run = play(ansible, awx, "-vvv")

    assert run.failure == ""
    assert not [word for word in ("hidden-word", VARIABLES["egress_awx_cluster_token"]) if word in run.output]
    assert awx.names("job_templates") == TEMPLATES
    assert awx.names("workflow_job_templates") == [WORKFLOW]
    assert awx.one("schedules", NIGHTLY)["unified_job_template"] == awx.one("job_templates", AUDIT)["id"]
    assert awx.one("inventories", "avi.egress")["variables"] == '{"egress_networks": []}'
    for template in TEMPLATES:
        assert awx.related("job_templates", template, "credentials") == ["avi.egress", SECRETS]
    nodes = {node["identifier"]: node for node in awx.objects.all("workflow_job_template_nodes")}
    assert nodes["audit"]["unified_job_template"] == awx.one("job_templates", AUDIT)["id"]
    for name in ("onboard", "service"):
        (after,) = awx.objects.members("workflow_job_template_nodes", nodes[name]["id"], "failure_nodes")
        assert (after["identifier"], after["extra_data"]) == ("audit after a failure", {"egress_audit_failed": "true"})


def test_the_token_is_kept_as_a_secret_and_never_printed(ansible: Ansible, awx: AwxServer) -> None:
    tasks = yaml.safe_load((CHECKOUT / "playbooks/awx_setup.yml").read_text())[0]["tasks"]

    assert [task["no_log"] for task in tasks if "egress_awx_cluster_token }}" in str(task)] == [True]
    assert awx.one("credentials", "avi.egress")["inputs"]["bearer_token"] == "hidden-token"
    _status, shown = awx.answer("GET", "/api/v2/credentials/", {})
    assert shown["results"][0]["inputs"]["bearer_token"] == "$encrypted$"


def test_secrets_become_variables_of_jobs_and_are_never_told_again(ansible: Ansible, awx: AwxServer) -> None:
    own, kept = awx.one("credential_types", SECRETS), awx.one("credentials", SECRETS)
    _status, shown = awx.answer("GET", f"/api/v2/credentials/?name={SECRETS}", {})

    assert kept["credential_type"] == own["id"]
    assert {name: rendered(text, kept["inputs"]) for name, text in own["injectors"]["extra_vars"].items()} == {
        PUSHING: "hidden-word"
    }
    assert shown["results"][0]["inputs"] == {PUSHING: "$encrypted$"}
    assert "hidden-word" not in str(awx.one("inventories", "avi.egress"))


def test_check_mode_tells_what_differs_and_writes_nothing(ansible: Ansible, awx: AwxServer) -> None:
    awx.one("job_templates", "avi.egress onboard projects")["name"] = "renamed by hand"
    awx.objects.delete("schedules", awx.one("schedules", NIGHTLY)["id"])

    run = play(ansible, awx, "--check")

    assert run.failure == ""
    assert awx.writes == []
    assert changes(run) == {"onboard projects", "Have the audit run every night"}


def test_another_run_mends_what_differs_and_nothing_else(ansible: Ansible, awx: AwxServer) -> None:
    organization = awx.one("organizations", "Default")["id"]
    for endpoint, name, more in (
        ("teams", "green", {}),
        ("notification_templates", "pager", {"notification_type": "irc", "notification_configuration": {"port": 1}}),
        ("execution_environments", "builder", {"image": "builder"}),
        ("instance_groups", "far", {}),
        ("credentials", "registry", {"credential_type": awx.one("credential_types", "Container Registry")["id"]}),
    ):
        awx.objects.create(endpoint, {"name": name, "organization": organization, **more})

    concerned = [item for item in SETUP["egress_awx_templates"] if item["name"] in CONCERNED]
    of_all = {"egress_awx_labels": ["egress"]}
    given = {**of_all, "egress_awx_templates": concerned, "egress_awx_template_options": OPTIONS}
    renewed = {"egress_awx_secrets": {PUSHING: "hidden-too"}, "egress_awx_cluster_token": "renewed"}
    run = play(ansible, awx, **renewed, **given)

    assert run.failure == ""
    # The workflow's node ran the template of another name by now.
    mended = {
        "onboard projects",
        "Make the workflow",
        "Have the audit run every night",
        "Make the cluster's credential",
        "Write the secrets",
    }
    assert changes(run) == {*mended, *CONCERNED, *LABELS, "project with service"}
    assert sorted(awx.names("job_templates")) == sorted([*TEMPLATES, "renamed by hand"])
    nodes = {node["identifier"]: node for node in awx.objects.all("workflow_job_template_nodes")}
    onboard = awx.one("job_templates", "avi.egress onboard projects")
    assert nodes["onboard"]["unified_job_template"] == onboard["id"]
    assert awx.names("schedules") == [NIGHTLY]
    assert awx.one("credentials", "avi.egress")["inputs"]["bearer_token"] == "renewed"
    assert awx.one("credentials", SECRETS)["inputs"] == {PUSHING: "hidden-too"}


def test_a_template_has_what_its_options_name(awx: AwxServer) -> None:
    images = awx.one("job_templates", "avi.egress deliver images")
    granted = awx.objects.role("workflow_job_templates", awx.one("workflow_job_templates", WORKFLOW)["id"], "execute")

    assert images["execution_environment"] == awx.one("execution_environments", "builder")["id"]
    assert sorted(awx.related("job_templates", images["name"], "credentials")) == ["avi.egress", SECRETS, "registry"]
    assert awx.related("job_templates", AUDIT, "notification_templates_error") == ["pager"]
    assert awx.related("job_templates", AUDIT, "labels") == ["nightly"]
    assert awx.related("job_templates", AUDIT, "instance_groups") == ["far"]
    assert awx.related("job_templates", images["name"], "labels") == ["egress"]
    assert awx.related("workflow_job_templates", WORKFLOW, "labels") == ["egress"]
    assert [team["name"] for team in awx.objects.role_members(granted, "teams")] == ["green"]


def test_another_name_among_the_secrets_makes_their_type_anew(ansible: Ansible, awx: AwxServer) -> None:
    two = {PUSHING: "hidden-too", "pin": "hidden-word"}

    run = play(ansible, awx, "-vvv", egress_awx_templates=[], egress_awx_secrets=two)

    assert run.failure == ""
    assert "hidden-" not in run.output
    assert [field["id"] for field in awx.one("credential_types", SECRETS)["inputs"]["fields"]] == [PUSHING, "pin"]
    assert awx.one("credentials", SECRETS)["inputs"] == two


def test_removal_takes_what_has_the_former_name_and_leaves_the_rest(ansible: Ansible, awx: AwxServer) -> None:
    organization = awx.one("organizations", "Default")["id"]
    for endpoint in ("projects", "inventories"):
        awx.objects.create(endpoint, {"name": "new name", "organization": organization})

    run = play(ansible, awx, egress_awx_state="absent")

    assert run.failure == ""
    left = {endpoint: awx.names(endpoint) for endpoint in ("job_templates", "workflow_job_templates", "schedules")}
    assert left == {"job_templates": ["renamed by hand"], "workflow_job_templates": [], "schedules": []}
    assert [awx.names(endpoint) for endpoint in ("projects", "inventories", "hosts")] == [
        ["new name"],
        ["new name"],
        [],
    ]
    assert awx.names("credentials") == ["registry"]
    assert SECRETS not in awx.names("credential_types")
    assert awx.names("execution_environments") == ["builder"]
    assert awx.names("organizations") == ["Default"]
