# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""AWX's rules for credential types of one's own: what they ask for, and what becomes of it in a job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Mapping

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*")
_FIELD_KEYS: Mapping[str, type] = {
    **{"id": str, "label": str, "type": str, "format": str, "help_text": str, "default": object, "choices": list},
    **{"multiline": bool, "secret": bool, "ask_at_runtime": bool},
}
_OF_TEXT = ("choices", "multiline", "format", "secret")


def inputs_error(inputs: Mapping[str, Any]) -> str | None:
    """Why AWX takes no such inputs; None if it does."""
    return next(_inputs_errors(inputs), None)


def injectors_error(injectors: Mapping[str, Any], inputs: Mapping[str, Any]) -> str | None:
    """Why AWX takes no such injectors for these inputs; None if it does."""
    if unknown := set(injectors) - {"env", "extra_vars", "file"}:
        return f"Additional properties are not allowed ({sorted(unknown)} were unexpected)"
    values = {field["id"]: "EXAMPLE" for field in inputs.get("fields", ())}
    for where in ("env", "extra_vars"):
        for name, template in injectors.get(where, {}).items():
            if not NAME.fullmatch(name):
                return f"'{name}' does not match any of the regexes: '^{NAME.pattern}$'"
            try:
                rendered(template, values)
            except jinja2.UndefinedError as error:
                return f"{name} uses an undefined field ({error})"
            except jinja2.TemplateError as error:
                return f"Syntax error rendering template for {name} inside of {where} ({error})"
    return None


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """What AWX makes of an injector's template for a credential's values."""
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(**values)


def _inputs_errors(inputs: Mapping[str, Any]) -> Iterator[str]:
    if unknown := set(inputs) - {"fields", "required"}:
        yield f"Additional properties are not allowed ({sorted(unknown)} were unexpected)"
    seen: set[str] = set()
    for field in inputs.get("fields", ()):
        yield from _field_errors(field)
        if field["id"] in seen:
            yield f"field IDs must be unique ({field['id']})"
        seen.add(field["id"])
    yield from (f"'{name}' is not a field" for name in inputs.get("required", ()) if name not in seen)


def _field_errors(field: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"'{key}' is a required property" for key in ("id", "label") if key not in field)
    if unknown := set(field) - set(_FIELD_KEYS):
        yield f"Additional properties are not allowed ({sorted(unknown)} were unexpected)"
    yield from (
        f"{value!r} is not of type '{_FIELD_KEYS[key].__name__}'"
        for key, value in field.items()
        if not isinstance(value, _FIELD_KEYS[key])
    )
    if not NAME.fullmatch(field["id"]):
        yield f"'{field['id']}' does not match '^{NAME.pattern}$'"
    if field["id"] == "tower":
        yield "'tower' is a reserved field name"
    kind = field.get("type", "string")
    if kind not in ("string", "boolean"):
        yield f"'{kind}' is not one of ['string', 'boolean']"
    if kind != "string":
        yield from (f"{key} not allowed for {kind} type ({field['id']})" for key in _OF_TEXT if key in field)
