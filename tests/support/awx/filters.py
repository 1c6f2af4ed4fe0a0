# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""AWX's query parameters: which objects of a list a request is about."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .kinds import KINDS
from .objects import Object, Objects, Refused

RESERVED = ("page", "page_size", "order_by", "search", "format")
OPERATORS: Mapping[str, Callable[[Any, str], bool]] = {
    "exact": lambda value, wanted: _text(value) == wanted,
    "iexact": lambda value, wanted: _text(value).lower() == wanted.lower(),
    "startswith": lambda value, wanted: _text(value).startswith(wanted),
    "in": lambda value, wanted: _text(value) in wanted.split(","),
    "isnull": lambda value, wanted: (value is None) == (wanted.lower() in ("true", "1")),
}
_NOT_FILTERED = ("inputs", "notification_configuration", "playbook_files")


def matching(
    objects: Objects, endpoint: str, items: Sequence[Object], query: Sequence[tuple[str, str]]
) -> list[Object]:
    """Those that all parameters allow, and one of the ``or__`` parameters; Refused with 400 for what is no filter."""
    filters = [(name, Filter.read(endpoint, name, value)) for name, value in query if name not in RESERVED]
    needed = [condition for name, condition in filters if not name.startswith("or__")]
    alternatives = [condition for name, condition in filters if name.startswith("or__")]
    return [
        item
        for item in items
        if all(condition.holds(objects, item) for condition in needed)
        and (not alternatives or any(condition.holds(objects, item) for condition in alternatives))
    ]


@dataclass(frozen=True)
class Filter:
    """One parameter: a field, perhaps of a related object, and what its value is to be like."""

    fields: tuple[str, ...]
    targets: tuple[str, ...]
    """The endpoints of the objects that all fields but the last refer to."""
    operator: str
    wanted: str
    negated: bool

    @classmethod
    def read(cls, endpoint: str, name: str, wanted: str) -> Filter:
        """From a parameter for an endpoint's list."""
        negated, path = name.startswith("not__"), name.removeprefix("or__").removeprefix("not__").split("__")
        operator = path.pop() if path[-1] in OPERATORS else "exact"
        targets: list[str] = []
        for number, field in enumerate(path):
            kind = KINDS["job_templates" if endpoint == "unified_job_templates" else endpoint]
            if field not in {"id", "type", *kind.fields, *kind.read_only, *kind.targets} - set(_NOT_FILTERED):
                raise Refused(400, {"detail": f"{kind.title} has no field named '{field}'"})
            is_number = field == "id" or field in kind.targets
            endpoint = kind.targets.get(field, "")
            if number < len(path) - 1:
                if not endpoint:
                    raise Refused(400, {"detail": f"{field} is not a relation"})
                targets.append(endpoint)
            elif is_number and operator == "exact" and not wanted.isdigit():
                raise Refused(400, {"detail": f"Invalid {field} id: {wanted}"})
        return cls(tuple(path), tuple(targets), operator, wanted, negated)

    def holds(self, objects: Objects, item: Object) -> bool:
        value: Any = item
        for field, target in itertools.zip_longest(self.fields, self.targets):
            value = value[field]
            if target is not None:
                if value is None:
                    return self.negated
                value = objects.get(target, value)
        return OPERATORS[self.operator](value, self.wanted) != self.negated


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
