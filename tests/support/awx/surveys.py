# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""AWX's rules for surveys, and for variables that a schedule or a workflow's node hands to a template."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

TYPES = {
    **{"text": str, "textarea": str, "password": str, "multiplechoice": str, "multiselect": str},
    **{"integer": int, "float": float},
}
_NEEDED = ("type", "question_name", "variable", "required")


def survey_error(survey: Any) -> str | None:
    """Why AWX takes no such survey; None if it does."""
    if not isinstance(survey, dict):
        return "Survey spec must be a dictionary."
    for key in ("name", "description", "spec"):
        if key not in survey:
            return f"'{key}' missing from survey spec."
    if not isinstance(survey["spec"], list) or not survey["spec"]:
        return "'spec' must be a non-empty list of items."
    seen: set[str] = set()
    for number, item in enumerate(survey["spec"]):
        for error in _item_errors(number, item, seen):
            return error
    return None


def _item_errors(number: int, item: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    where = f"survey question {number}"
    yield from (f"'{key}' missing from {where}." for key in _NEEDED if key not in item)
    if item["type"] not in TYPES:
        yield f"'{item['type']}' in {where} is not one of the allowed types."
        return
    if item["variable"] in seen:
        yield f"'variable' '{item['variable']}' duplicated in {where}."
    seen.add(item["variable"])
    default = item.get("default", "")
    if default != "" and not isinstance(default, TYPES[item["type"]]):
        yield f"Default value of {where} must be of type {TYPES[item['type']].__name__}."
    if not isinstance(item["required"], bool):
        yield f"'required' of {where} must be a boolean."
    yield from (
        f"'{key}' of {where} must be an integer." for key in ("min", "max") if not isinstance(item.get(key, 0), int)
    )
    if item["type"] in ("multiplechoice", "multiselect"):
        yield from _choices_errors(where, item.get("choices"), default)


def _choices_errors(where: str, choices: Any, default: Any) -> Iterator[str]:
    if not choices:
        yield f"{where} must specify choices."
    elif any(answer and answer not in choices for answer in str(default).split("\n")):
        yield f"Default choice of {where} must be answered from the choices listed."


def answers_errors(survey: Mapping[str, Any], answers: Mapping[str, Any], *, ask_variables: bool) -> list[str]:
    """Why a template takes no such extra variables."""
    questions = {item["variable"]: item for item in survey.get("spec", ())}
    errors = []
    unknown = [name for name in answers if name not in questions]
    if unknown and not ask_variables:
        errors.append(f"Variables {', '.join(unknown)} are not allowed on launch. Check the Prompt on Launch setting.")
    for name, item in questions.items():
        if name in answers and item["type"] == "multiplechoice" and answers[name] not in item["choices"]:
            errors.append(f"Value {answers[name]} for '{name}' expected to be one of {item['choices']}.")
        if name in answers and item["type"] in ("text", "textarea") and not isinstance(answers[name], str):
            errors.append(f"Value {answers[name]} for '{name}' expected to be a string.")
    return errors
