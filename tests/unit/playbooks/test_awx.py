# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What ``avi.egress.awx_setup`` makes in AWX, against what the playbooks take and what AWX accepts.

AWX's rules for surveys are those of its API's description of ``survey_spec``, and of the code that refuses one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Iterator, Mapping

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.module.argument_specs import CONNECTION
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service
from ansible_collections.awx.awx.plugins.modules import workflow_job_template
from dateutil.rrule import rrulestr

from tests.support.checkout import CHECKOUT, files

Question = Mapping[str, Any]
Option = Mapping[str, Any]

ROLE = CHECKOUT / "roles/egress"
SETUP: dict[str, Any] = yaml.safe_load((CHECKOUT / "playbooks/vars/awx.yml").read_text())
PLAY: dict[str, Any] = yaml.safe_load((CHECKOUT / "playbooks/awx_setup.yml").read_text())[0]
TEMPLATES = {item["name"]: item for item in SETUP["egress_awx_templates"]}
WORKFLOW = SETUP["egress_awx_workflow"]
NODES = {item["identifier"]: item for item in WORKFLOW["nodes"]}
SCHEDULE = SETUP["egress_awx_schedule"]
SURVEYS = {**{name: item["survey"] for name, item in TEMPLATES.items()}, WORKFLOW["name"]: WORKFLOW["survey"]}
QUESTIONS = [
    pytest.param(name, question, id=f"{name}-{question['variable']}") for name in SURVEYS for question in SURVEYS[name]
]
ENDS = ("audit", "audit after a failure")
"""The nodes that nothing comes after."""
SERVICE_PLAYBOOK = "playbooks/egress_service.yml"

TEXTS = ("text", "textarea")
DEFAULT_TYPES = {
    "text": str,
    "textarea": str,
    "password": str,
    "integer": int,
    "float": float,
    "multiplechoice": str,
    "multiselect": str,
}
"""AWX's types of questions, and of which type their defaults are; an empty string is always allowed."""
KEYS = {
    "question_name": str,
    "question_description": str,
    "variable": str,
    "type": str,
    "required": bool,
    "default": (str, int, float),
    "choices": list,
    "min": int,
    "max": int,
}
BOOLEANS = {"true", "false"}


def tasks_of(playbook: str) -> Iterator[dict[str, Any]]:
    """The tasks of a playbook and of those that it imports."""
    for play in yaml.safe_load((CHECKOUT / playbook).read_text()):
        if "ansible.builtin.import_playbook" in play:
            yield from tasks_of(f"playbooks/{play['ansible.builtin.import_playbook']}")
        yield from play.get("tasks", ())


@cache
def entry_points(playbook: str) -> tuple[str, ...]:
    """Those of the role egress that a playbook runs."""
    includes = (task.get(f"ansible.builtin.{how}_role") for task in tasks_of(playbook) for how in ("include", "import"))
    return tuple(include.get("tasks_from", "main") for include in includes if include)


@cache
def options_of(playbook: str) -> Mapping[str, Option]:
    """The variables of a playbook that an argument spec describes."""
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    found = {name: option for entry in entry_points(playbook) for name, option in specs[entry]["options"].items()}
    if playbook == SERVICE_PLAYBOOK:
        found |= {f"egress_service_{name}": option for name, option in egress_service.SPEC.options.items()}
        found["egress_projects"] = specs["onboard"]["options"]["egress_projects"]
    return found


@cache
def code_of(playbook: str) -> str:
    """What a playbook itself runs, without comments."""
    text = (CHECKOUT / playbook).read_text()
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


@cache
def code_of_role() -> str:
    paths = files("tasks/**/*.*", "templates/**/*.*", "vars/**/*.*", below=ROLE)
    return "\n".join(path.read_text() for path in paths)


def uses(playbook: str, variable: str) -> bool:
    """Whether a variable decides anything: the playbook itself names it, or it is the role's and the role does."""
    name = re.compile(rf"\b{variable}\b")
    is_the_roles = variable in options_of(playbook) and entry_points(playbook)
    return bool(name.search(code_of(playbook)) or (is_the_roles and name.search(code_of_role())))


def playbooks_of(survey: str) -> list[str]:
    """Whom an answer reaches: AWX passes the answers to a workflow's survey on to all of its jobs."""
    if survey in TEMPLATES:
        return [TEMPLATES[survey]["playbook"]]
    return [template_of(node)["playbook"] for node in NODES.values()]


def template_of(node: Mapping[str, Any]) -> dict[str, Any]:
    name = node["unified_job_template"]["name"].removeprefix("{{ egress_awx_name }} ")
    return TEMPLATES[name]


def question_types(option: Option) -> tuple[str, ...]:
    """The types of questions whose answers an option takes."""
    kind, choices = option.get("type", "str"), option.get("choices")
    if choices:
        return ("multiselect",) if kind == "list" else ("multiplechoice",)
    if kind == "int" and default_answer(option) == "":
        return TEXTS  # AWX's form shows an error for an empty number.
    return {"bool": ("multiplechoice",), "int": ("integer",)}.get(kind, TEXTS)


def default_answer(option: Option) -> Any:
    """What the answer is to be that changes nothing."""
    default = option.get("default")
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default in (None, [], {}) else default


def is_kept(variable: str) -> bool:
    """Whether the service playbook takes no answer for what the service has, and the survey gives none by default."""
    defaults = {item["default"] for survey in SURVEYS.values() for item in survey if item["variable"] == variable}
    return defaults == {""} and "egress_service_" in variable


@pytest.mark.parametrize(("survey", "question"), QUESTIONS)
def test_a_question_is_one_that_awx_accepts(survey: str, question: Question) -> None:
    kind, default = question["type"], question.get("default", "")

    assert {"question_name", "question_description", "variable", "type", "required"} <= set(question) <= set(KEYS)
    assert [key for key, value in question.items() if not isinstance(value, KEYS[key])] == []
    assert kind in DEFAULT_TYPES
    assert default == "" or default.__class__ is DEFAULT_TYPES[kind]
    assert ("choices" in question) == kind.startswith("multi")
    assert all(isinstance(choice, str) for choice in question.get("choices", []))
    if kind.startswith("multi"):
        assert set(default.splitlines()) <= set(question["choices"])
    else:
        assert question.get("min", 0) < question["max"]


@pytest.mark.parametrize("survey", SURVEYS)
def test_a_survey_asks_each_question_once(survey: str) -> None:
    variables = [question["variable"] for question in SURVEYS[survey]]

    assert variables
    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize(("survey", "question"), QUESTIONS)
def test_an_answer_reaches_a_playbook_that_uses_it(survey: str, question: Question) -> None:
    assert any(uses(playbook, question["variable"]) for playbook in playbooks_of(survey))


@pytest.mark.parametrize(("survey", "question"), QUESTIONS)
def test_an_answer_is_of_the_type_that_its_playbook_takes(survey: str, question: Question) -> None:
    variable = question["variable"]
    options = [options_of(name)[variable] for name in playbooks_of(survey) if variable in options_of(name)]

    for option in options:
        assert question["type"] in question_types(option)
        if option.get("choices") or option.get("type") == "bool":
            assert set(question["choices"]) == set(option.get("choices") or BOOLEANS)
    if not options and question["type"] == "multiplechoice":
        assert set(question["choices"]) == BOOLEANS
        assert re.search(rf"\b{variable} \| default\(false\) \| bool", "".join(map(code_of, playbooks_of(survey))))


@pytest.mark.parametrize(("survey", "question"), QUESTIONS)
def test_a_question_that_is_not_answered_changes_nothing(survey: str, question: Question) -> None:
    variable = question["variable"]
    options = [options_of(name)[variable] for name in playbooks_of(survey) if variable in options_of(name)]

    assert question["required"] != ("default" in question)
    if not question["required"]:
        assert {str(default_answer(option)) for option in options} <= {str(question["default"])} or is_kept(variable)
        assert options or question["default"] in ("", "false")


def test_every_playbook_for_the_cluster_has_its_template() -> None:
    playbooks = {f"playbooks/{path.name}" for path in files("playbooks/*.yml")}
    others = {"playbooks/awx_setup.yml", "playbooks/firewall.yml"}
    """What makes the templates, and what needs an inventory of firewalls and the way to log in to them."""

    assert sorted(item["playbook"] for item in TEMPLATES.values()) == sorted(playbooks - others)


def test_what_a_template_sets_is_a_variable_of_its_playbook() -> None:
    settings = [(item["playbook"], name) for item in TEMPLATES.values() for name in item.get("extra_vars", {})]

    assert settings
    assert [name for playbook, name in settings if not uses(playbook, name)] == []


def test_the_service_playbook_has_a_variable_for_every_option() -> None:
    (task,) = [task for task in tasks_of(SERVICE_PLAYBOOK) if "avi.egress.avi_egress_service" in task]
    options = task["avi.egress.avi_egress_service"]

    assert set(options) == set(egress_service.SPEC.options) - set(CONNECTION.options) - {"services"}
    assert {name for name, value in options.items() if f"egress_service_{name} " not in f"{value} "} == {"namespace"}


def test_the_workflow_is_made_of_what_the_module_documents() -> None:
    documented = yaml.safe_load(workflow_job_template.DOCUMENTATION)["options"]["workflow_nodes"]

    assert [
        problem for node in NODES.values() for problem in undocumented(node, documented["suboptions"], "node")
    ] == []


def undocumented(value: Mapping[str, Any], options: Mapping[str, Any], path: str) -> Iterator[str]:
    """Keys that a module's documentation does not know, and required ones that are not there."""
    yield from (f"{path}.{key} is missing" for key in options if options[key].get("required") and key not in value)
    for key, item in value.items():
        if key not in options:
            yield f"{path}.{key} is not documented"
            continue
        for nested in item if isinstance(item, list) else [item]:
            if isinstance(nested, dict) and "suboptions" in options[key]:
                yield from undocumented(nested, options[key]["suboptions"], f"{path}.{key}")


def test_the_workflow_goes_through_its_templates_in_order() -> None:
    assert followers("success_nodes") == {"onboard": ["service"], "service": ["audit"], **{name: [] for name in ENDS}}
    names = [template_of(node)["name"] for node in NODES.values()]
    assert names == ["onboard projects", "egress service", "audit", "audit"]


def test_a_failure_in_the_workflow_leads_to_an_audit_that_fails() -> None:
    after = "audit after a failure"

    assert followers("failure_nodes") == {"onboard": [after], "service": [after], **{name: [] for name in ENDS}}
    assert NODES[after]["extra_data"] == {"egress_audit_failed": "true"}


def followers(how: str) -> dict[str, list[str]]:
    """The nodes that come after each node."""
    return {name: [item["identifier"] for item in node.get("related", {}).get(how, [])] for name, node in NODES.items()}


def test_the_workflow_asks_all_that_its_jobs_need() -> None:
    asked = {question["variable"] for question in WORKFLOW["survey"]}
    needed = {
        question["variable"]
        for node in NODES.values()
        for question in template_of(node)["survey"]
        if question["required"]
    }

    # The service's project is the one that was onboarded.
    assert needed - asked == {"egress_service_namespace"}
    assert "egress_projects" in asked


def test_the_schedule_runs_the_audit_every_night() -> None:
    start, rule = PLAY["vars"]["egress_awx_audit_rrule"].split(" ")
    first = datetime.strptime(start, "DTSTART;TZID=UTC:%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    nights = rrulestr(rule, dtstart=first)
    survey = {question["variable"]: question for question in TEMPLATES[SCHEDULE["template"]]["survey"]}

    assert TEMPLATES[SCHEDULE["template"]]["playbook"] == "playbooks/audit.yml"
    assert nights[1] - nights[0] == timedelta(days=1)
    assert nights[0].hour == 2
    assert "INTERVAL=" in rule
    assert {value in survey[name]["choices"] for name, value in SCHEDULE["extra_data"].items()} == {True}
    assert [name for name, question in survey.items() if question["required"]] == []
