# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is wrong with the values of variables, by the role's argument specs: a sentence for each mistake.

Ansible's own validation tells no value, and takes text for a list, which the API server refuses then.
"""

from __future__ import annotations

import re
from numbers import Number
from typing import Any, Callable, Iterator, Mapping

from ansible_collections.avi.egress.plugins.module_utils.api.errors import shown
from ansible_collections.avi.egress.plugins.plugin_utils.variables import options

Option = Mapping[str, Any]

_TEXTS = {"bool": re.compile("true|false|yes|no|on|off|1|0", re.IGNORECASE), "int": re.compile(r"-?\d+")}
"""What a form or the command line may give for a whole variable: as the filters bool and int read it."""

_FITS: Mapping[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    # What is vaulted is no str before ansible-core 2.19.
    "str": lambda value: isinstance(value, str) or hasattr(value, "_ciphertext"),
    "list": lambda value: isinstance(value, (list, tuple)),
    "dict": lambda value: isinstance(value, Mapping),
    "raw": lambda value: True,
}
_WANTED = {"bool": "true or false", "int": "a whole number", "str": "text", "dict": "a dictionary"}


def faults(values: Mapping[str, Any], more: Mapping[str, Option] | None = None) -> list[str]:
    """A sentence for each value that a variable cannot have; ``more`` are options of further ones.

    Variables that are nobody's are passed over. Null or an empty text is as good as no variable, but not where that
    would be another value than the variable's default.
    """
    known = {**options(), **(more or {})}
    return [told for name in sorted(known.keys() & values.keys()) for told in _of_variable(name, values[name], known)]


def _of_variable(name: str, value: Any, known: Mapping[str, Option]) -> Iterator[str]:
    option = known[name]
    texts = _TEXTS.get(option["type"])
    if not (texts and isinstance(value, str) and texts.fullmatch(value.strip())):
        yield from _faults(name, value, option, bool(option.get("required") or option.get("default")))


def _faults(place: str, value: Any, option: Option, needed: bool) -> Iterator[str]:
    choices = option.get("choices", ())
    if value in choices:
        return
    if value is None or value == "":
        if needed:
            yield f"{place} is {_told(value, option)}; {_expected(value, option)}"
        return
    if choices or not _FITS[option["type"]](value):
        yield f"{place} is {_told(value, option)}; {_expected(value, option)}"
    elif option["type"] == "list":
        for number, item in enumerate(value):
            yield from _faults(f"{place}[{number}]", item, _element(option), True)
    elif option["type"] == "dict" and "options" in option:
        yield from _of_keys(place, value, option["options"])


def _of_keys(place: str, value: Mapping[str, Any], known: Mapping[str, Option]) -> Iterator[str]:
    for key in value:
        if key not in known:
            yield f"{place}.{key} is {shown(value[key])}, and there is no such key; give some of {', '.join(known)}"
    for key, option in known.items():
        if key in value:
            yield from _faults(f"{place}.{key}", value[key], option, bool(option.get("required")))
        elif option.get("required"):
            yield f"{place}.{key} is not there; {_expected(None, option)}"


def _element(option: Option) -> Option:
    return {"type": option.get("elements", "raw"), **({"options": option["options"]} if "options" in option else {})}


def _told(value: Any, option: Option) -> str:
    if value is None:
        return "null"
    return "a secret, and not shown" if option.get("no_log") else shown(value)


def _expected(value: Any, option: Option) -> str:
    if "choices" in option:
        return f"give one of {', '.join(choice or 'nothing' for choice in option['choices'])}"
    if option["type"] == "list":
        return f"give a list of {_many(_element(option))}"
    quoted = ", in quotes" if option["type"] == "str" and isinstance(value, Number) else ""
    return f"give {_WANTED[option['type']]}{quoted}{_with(option)}"


def _many(element: Option) -> str:
    return {"str": "texts", "dict": "dictionaries"}.get(element["type"], "values") + _with(element)


def _with(option: Option) -> str:
    keys = option.get("options") or {}
    wanted = [key for key, inner in keys.items() if inner.get("required")] or list(keys)
    return f" with {', '.join(wanted)}" if wanted else ""
