# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whether what modules return is what their RETURN says, key by key."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MODULES = "ansible_collections.avi.egress.plugins.modules"
TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list}
ANSIBLES_OWN = frozenset({"changed", "diff", "failed", "msg", "exception", "invocation", "warnings", "action", "task"})

Fields = dict[str, dict[str, Any]]


def text(module: str, name: str) -> Any:
    """``DOCUMENTATION``, ``EXAMPLES`` or ``RETURN`` of a module."""
    return yaml.safe_load(getattr(importlib.import_module(f"{MODULES}.{module}"), name))


@dataclass
class Returned:
    """What was seen of a module's results, by where it stands."""

    module: str
    fields: Fields = field(default_factory=dict)
    seen: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.fields = text(self.module, "RETURN")

    def see(self, result: dict[str, Any]) -> None:
        """Take a result in; AssertionError where it is not as documented."""
        given = {key: value for key, value in result.items() if key not in ANSIBLES_OWN and not key.startswith("_")}
        expected = {name for name, item in self.fields.items() if _is_returned(item["returned"], result)}
        missing = expected - {"reason"} - given.keys()
        assert not missing, f"{self.module} did not return {missing}"
        assert given.keys() <= expected, f"{self.module} returned {given.keys() - expected} too"
        for name, value in given.items():
            self._see(name, self.fields[name], value)

    def unseen(self) -> list[str]:
        """What is documented with a sample, of which nothing like the sample was seen."""
        return [
            where
            for where, item in _all("", self.fields)
            if "sample" in item and not any(_is_like(item["sample"], value) for value in self.seen[where])
        ]

    def _see(self, where: str, item: dict[str, Any], value: Any) -> None:
        if value is None:
            assert _may_be_null(item, self.fields), f"{self.module}: {where} is null"
            return
        self.seen[where].append(value)
        parts: list[Any] = value if "elements" in item else [value]
        assert value.__class__ is TYPES[item["type"]], f"{self.module}: {where} is {value!r}, no {item['type']}"
        for one in parts:
            if "elements" in item:
                assert one.__class__ is TYPES[item["elements"]], f"{self.module}: {where} has {one!r}"
            if "contains" in item:
                assert one.keys() == item["contains"].keys(), f"{self.module}: {where} has other keys"
                for name, inner in item["contains"].items():
                    self._see(f"{where}.{name}", inner, one[name])


def _is_returned(when: str, result: dict[str, Any]) -> bool:
    """As the word ``returned`` says, in one of the forms that are used here."""
    failed, arguments = bool(result.get("failed")), (result.get("invocation") or {}).get("module_args", {})
    for part in when.split(", "):
        with_or_without = re.fullmatch(r"(with|without) O\((\w+)\)", part)
        if with_or_without:
            is_so = (arguments.get(with_or_without[2]) is not None) == (with_or_without[1] == "with")
        elif option := re.fullmatch(r"O\((\w+)=(\w+)\)", part):
            is_so = arguments.get(option[1]) == option[2]
        else:
            is_so = {"success": not failed, "failure": failed}[part]
        if not is_so or (failed and part != "failure"):
            return False
    return True


def _may_be_null(item: dict[str, Any], fields: Fields) -> bool:
    described = " ".join(_strings(item["description"]))
    if seen := re.search(r"See RV\((\w+)\)", described):
        return _may_be_null(fields[seen[1]], fields)
    return "null" in described.lower()


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _all(prefix: str, fields: Fields) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, item in fields.items():
        yield f"{prefix}{name}", item
        yield from _all(f"{prefix}{name}.", item.get("contains") or {})


def _is_like(sample: Any, value: Any) -> bool:
    """Whether a value has all that the sample has, of the same types."""
    if isinstance(sample, dict):
        return isinstance(value, dict) and all(key in value and _is_like(sample[key], value[key]) for key in sample)
    if isinstance(sample, list):
        return isinstance(value, list) and all(any(_is_like(one, other) for other in value) for one in sample)
    return type(sample) is type(value)
