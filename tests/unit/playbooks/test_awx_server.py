# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the tests' stand-in for AWX refuses, so that a set-up that AWX would refuse does not pass there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.awx.server import AwxServer

QUESTION = {"question_name": "Q", "question_description": "", "variable": "q", "type": "text", "required": False}
RULE = "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1"
NEEDED: dict[str, Any] = {"name": "new", "unified_job_template": 2}
TEMPLATE: dict[str, Any] = {"name": "new", "project": 1, "inventory": 1, "playbook": "playbooks/audit.yml"}
CREDENTIAL: dict[str, Any] = {"name": "new", "organization": 1, "credential_type": 1}
FIELD: dict[str, Any] = {"id": "pin", "label": "PIN", "type": "string", "secret": True}
OWN_TYPE: dict[str, Any] = {"name": "own", "kind": "cloud", "inputs": {"fields": [FIELD]}, "injectors": {}}


def own_type(*fields: dict[str, Any]) -> dict[str, Any]:
    return {**OWN_TYPE, "inputs": {"fields": list(fields)}}


@pytest.fixture
def awx() -> AwxServer:
    """One organization, inventory, project (1) and job template (2) with a survey and a credential, and an own type."""
    server = AwxServer(["playbooks/audit.yml"])
    for path, body in (
        ("organizations", {"name": "Default"}),
        ("inventories", {"name": "sites", "organization": 1}),
        ("projects", {"name": "code", "organization": 1, "scm_type": "git"}),
        ("projects/1/update", {}),
        ("job_templates", {**TEMPLATE, "name": "audit", "survey_enabled": True}),
        ("job_templates/2/survey_spec", survey(QUESTION)),
        ("credentials", {**CREDENTIAL, "name": "first", "inputs": {"host": "h", "bearer_token": "secret"}}),
        ("credentials", {**CREDENTIAL, "name": "second"}),
        ("job_templates/2/credentials", {"id": 1}),
        ("schedules", {**NEEDED, "name": "nightly", "rrule": RULE}),
        ("credential_types", {**OWN_TYPE, "name": "used", "injectors": {"extra_vars": {"pin": "{{ pin }}"}}}),
        ("credentials", {"name": "pin", "organization": 1, "credential_type": 5, "inputs": {"pin": "0000"}}),
    ):
        status, answer = server.answer("POST", f"/api/v2/{path}/", body)
        assert status < 300, answer
    return server


def survey(*questions: dict[str, Any]) -> dict[str, Any]:
    return {"name": "", "description": "", "spec": list(questions)}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("GET", "job_templates/?colour=red", {}, 400, "no field named 'colour'"),
        ("GET", "job_templates/?organization=Default", {}, 400, "Invalid organization id: Default"),
        ("GET", "job_templates/99/", {}, 404, "Not found."),
        ("GET", "colours/", {}, 404, "Not found."),
        ("PUT", "job_templates/2/", {}, 405, "not allowed"),
        ("POST", "unified_job_templates/", {}, 405, "not allowed"),
        ("POST", "teams/", {"name": "green"}, 400, "organization': ['This field is required."),
        ("POST", "teams/", {"name": "", "organization": 1}, 400, "may not be blank"),
        ("POST", "teams/", {"name": "green", "organization": "Default"}, 400, "Expected pk value, received str"),
        ("POST", "teams/", {"name": "green", "organization": 7}, 400, 'Invalid pk "7"'),
        ("POST", "organizations/", {"name": "Default"}, 400, "already exists"),
        ("PATCH", "job_templates/2/", {"job_type": "try"}, 400, '"try" is not a valid choice'),
        ("PATCH", "job_templates/2/", {"forks": "many"}, 400, "A valid integer is required"),
        ("PATCH", "job_templates/2/", {"survey_enabled": "perhaps"}, 400, "valid boolean"),
        ("PATCH", "job_templates/2/", {"extra_vars": "- a"}, 400, "Cannot parse as JSON or YAML"),
        ("PATCH", "job_templates/2/", {"playbook": "gone.yml"}, 400, "Playbook not found for project."),
        ("POST", "job_templates/", {**TEMPLATE, "inventory": None}, 400, "ask to prompt on launch"),
        ("POST", "credentials/", {**CREDENTIAL, "inputs": {"hosts": "h"}}, 400, "'hosts'"),
        ("POST", "credentials/", {**CREDENTIAL, "organization": None}, 400, "Missing 'user', 'team'"),
        ("POST", "job_templates/2/credentials/", {"id": 2}, 400, "Cannot assign multiple"),
        ("POST", "job_templates/2/credentials/", {"id": "second"}, 400, '"id" field must be an integer'),
        ("DELETE", "credential_types/1/", {}, 403, "managed"),
        ("PATCH", "credential_types/1/", {"description": "mine"}, 403, "managed"),
        ("POST", "credential_types/", {**OWN_TYPE, "kind": "ssh"}, 400, '"ssh" is not a valid choice'),
        ("POST", "credential_types/", own_type({"id": "a-b", "label": "A"}), 400, "'a-b' does not match"),
        ("POST", "credential_types/", own_type({"id": "tower", "label": "A"}), 400, "reserved field name"),
        ("POST", "credential_types/", own_type(FIELD, FIELD), 400, "field IDs must be unique (pin)"),
        ("POST", "credential_types/", own_type({"id": "a"}), 400, "'label' is a required property"),
        ("POST", "credential_types/", own_type({**FIELD, "type": "text"}), 400, "'text' is not one of"),
        ("POST", "credential_types/", own_type({**FIELD, "type": "boolean"}), 400, "secret not allowed for boolean"),
        ("POST", "credential_types/", own_type({**FIELD, "secret": "yes"}), 400, "'yes' is not of type 'bool'"),
        ("POST", "credential_types/", own_type({**FIELD, "hidden": True}), 400, "'hidden'"),
        ("POST", "credential_types/", {**OWN_TYPE, "injectors": {"vars": {}}}, 400, "'vars'"),
        ("POST", "credential_types/", {**OWN_TYPE, "injectors": {"extra_vars": {"a b": "c"}}}, 400, "'a b' does not"),
        ("POST", "credential_types/", {**OWN_TYPE, "injectors": {"env": {"A": "{{ b }}"}}}, 400, "undefined field"),
        ("POST", "credential_types/", {**OWN_TYPE, "injectors": {"env": {"A": "{{ b"}}}, 400, "Syntax error"),
        ("PATCH", "credential_types/5/", {"inputs": {"fields": []}, "injectors": {}}, 403, "types that are in use"),
        ("DELETE", "credential_types/5/", {}, 403, "in use cannot be deleted"),
        ("POST", "schedules/", {**NEEDED, "rrule": "RRULE:FREQ=DAILY;INTERVAL=1"}, 400, "Valid DTSTART required"),
        ("POST", "schedules/", {**NEEDED, "rrule": RULE.removesuffix(";INTERVAL=1")}, 400, "INTERVAL required"),
        ("POST", "schedules/", {**NEEDED, "rrule": RULE, "extra_data": {"x": "1"}}, 400, "x are not allowed on launch"),
        ("POST", "schedules/", {**NEEDED, "rrule": RULE, "job_type": "check"}, 400, "not configured to prompt"),
        ("POST", "job_templates/2/survey_spec/", {"name": "", "description": "", "spec": []}, 400, "non-empty"),
        ("POST", "job_templates/2/survey_spec/", survey(QUESTION, QUESTION), 400, "duplicated"),
        ("POST", "job_templates/2/survey_spec/", survey({**QUESTION, "type": "number"}), 400, "not one of the allowed"),
        ("POST", "job_templates/2/survey_spec/", survey({**QUESTION, "default": 1}), 400, "must be of type str"),
        ("POST", "job_templates/2/survey_spec/", survey({**QUESTION, "type": "multiselect"}), 400, "specify choices"),
    ],
)
def test_a_request_that_awx_refuses_is_refused(
    awx: AwxServer, method: str, path: str, body: dict[str, Any], status: int, told: str
) -> None:
    before = repr(awx.objects.__dict__)

    answered, message = awx.answer(method, f"/api/v2/{path}", body)

    assert (answered, told in str(message)) == (status, True), message
    assert repr(awx.objects.__dict__) == before


def test_what_goes_takes_along_what_needs_it_and_frees_the_rest(awx: AwxServer) -> None:
    awx.answer("DELETE", "/api/v2/credentials/1/", {})
    awx.answer("DELETE", "/api/v2/inventories/1/", {})

    assert awx.related("job_templates", "audit", "credentials") == []
    assert awx.one("job_templates", "audit")["inventory"] is None

    awx.answer("DELETE", "/api/v2/job_templates/2/", {})

    assert awx.objects.all("schedules") == []


def test_a_list_comes_in_pages(awx: AwxServer) -> None:
    for number in range(30):
        awx.objects.create("labels", {"name": f"label-{number}", "organization": 1})

    _status, first = awx.answer("GET", "/api/v2/labels/?name__startswith=label-", {})
    _status, second = awx.answer("GET", first["next"], {})

    assert (first["count"], len(first["results"]), len(second["results"]), second["next"]) == (30, 25, 5, None)


def test_secrets_are_not_told_and_stay_where_they_are_given_back(awx: AwxServer) -> None:
    _status, shown = awx.answer("GET", "/api/v2/credentials/1/", {})
    awx.answer("PATCH", "/api/v2/credentials/1/", {"inputs": {**shown["inputs"], "host": "other"}})

    assert shown["inputs"] == {"host": "h", "bearer_token": "$encrypted$"}
    assert awx.one("credentials", "first")["inputs"] == {"host": "other", "bearer_token": "secret"}
