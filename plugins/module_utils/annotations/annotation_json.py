# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The text of an annotation as strict JSON.

Annotations are written by tenants, so everything here is hostile until it has been read: a grammar accepts the whole
annotation or refuses it whole, and says where it is wrong and what would be right. Nothing else is ever raised.
"""

from __future__ import annotations

import json
from typing import Any, Callable, NoReturn

from ..api.errors import InvalidAnnotation

MAX_LENGTH = 16 * 1024
"""Characters; the largest sensible annotation is a tenth of it."""
MAX_DEPTH = 16
"""Levels of objects and lists; the deepest rule of ``avi_proxy`` has eight."""

_CURLY_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"


def load_json(text: str, subject: str, annotation: str) -> dict[str, Any]:
    """An annotation's JSON object (RFC 8259); refuses duplicate keys, NaN, depth and size beyond reason."""

    def refuse(value: Any, expected: str, where: str = "") -> NoReturn:
        raise InvalidAnnotation(subject, f"{annotation}{where}", value, expected)

    if len(text) > MAX_LENGTH:
        # How long must not be told: the controller keeps no more of it than shows that it is too long.
        refuse(text, f"it is too long; at most {MAX_LENGTH} characters are read")
    value = _parse(text, refuse)
    if isinstance(value, str):
        refuse(text, "it is JSON inside a JSON string; take one quoting away")
    if not isinstance(value, dict):
        refuse(text, 'give a JSON object, such as {"key": "value"}')
    if _depth_exceeds(value, MAX_DEPTH):
        refuse(text, f"it is nested deeper than {MAX_DEPTH} levels")
    return value


def _parse(text: str, refuse: Callable[..., NoReturn]) -> Any:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                refuse(key, "this key stands there twice; keep one")
            found[key] = value
        return found

    def no_constant(word: str) -> NoReturn:
        refuse(word, "JSON knows no such number")

    try:
        return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - 20) : error.pos + 20]
        refuse(near, _hint(text, error), f", line {error.lineno}, column {error.colno}")
    except (RecursionError, ValueError):  # ValueError: more digits than Python reads
        refuse(text, "it is nested too deep or holds an endless number")


def _depth_exceeds(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested deeper; not by recursion, which depth itself would break."""
    layer = [value]
    for _level in range(levels):
        children = [item.values() if isinstance(item, dict) else item for item in layer]
        layer = [item for group in children for item in group if isinstance(item, (dict, list))]
        if not layer:
            return False
    return True


def _hint(text: str, error: json.JSONDecodeError) -> str:
    """What a reader who pasted the article's samples most likely got wrong, likeliest first."""
    missing = text.count("{") - text.count("}")
    hints = (
        (any(mark in text for mark in _CURLY_QUOTES), 'use straight quotes (") instead of typographic ones'),
        (error.msg.startswith("Expecting ':'"), "a ':' is missing between the key and its value"),
        (error.msg.startswith("Unterminated string"), 'the closing quote (") of this string is missing'),
        (not text.strip(), 'it is empty; give a JSON object, such as {"key": "value"}'),
        (
            error.pos >= len(text.rstrip()),
            "the text ends too early" + (f": {missing} closing '}}' missing" if missing > 0 else ""),
        ),
        (text[error.pos :].startswith("\\"), "take the backslashes away: they belong to JSON inside a JSON string"),
        ("'" in text and '"' not in text, "use double quotes, as JSON asks for"),
        (error.msg.startswith("Extra data"), "something follows after the closing '}'; remove it"),
        (True, f"it is no JSON here ({error.msg})"),
    )
    return next(hint for applies, hint in hints if applies)
