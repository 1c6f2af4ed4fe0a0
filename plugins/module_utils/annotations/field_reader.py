# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the grammars of both annotations share: strict JSON, and a reader that refuses a wrong field by its name.

Annotations are written by tenants, so everything here is hostile until it has been read: a grammar accepts the whole
annotation or refuses it whole, and says where it is wrong and what would be right. Nothing else is ever raised.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Collection, NoReturn

from ..api import addresses
from ..api.errors import InvalidAnnotation, shown

MAX_LENGTH = 16 * 1024
"""Characters; the largest sensible annotation is a tenth of it."""
MAX_DEPTH = 16
"""Levels of objects and lists; the deepest rule of ``avi_proxy`` has eight."""

_CURLY_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.:/-]{1,63}")
_PORT = re.compile(r"[0-9]{1,5}")


def load_json(text: str, subject: str, annotation: str) -> dict[str, Any]:
    """An annotation's JSON object (RFC 8259); refuses duplicate keys, NaN, depth and size beyond reason."""

    def refuse(value: Any, expected: str, where: str = "") -> NoReturn:
        raise InvalidAnnotation(subject, f"{annotation}{where}", value, expected)

    if len(text) > MAX_LENGTH:
        refuse(text, f"it has {len(text)} characters, at most {MAX_LENGTH} are read")
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


class FieldReader:
    """Reads the fields of one annotation of one object, and names both when it refuses one."""

    def __init__(self, subject: str, annotation: str) -> None:
        self._subject = subject
        self._annotation = annotation

    def refuse(self, field: str, value: Any, expected: str) -> NoReturn:
        raise InvalidAnnotation(self._subject, f"{self._annotation}.{field}", value, expected)

    def known_keys(self, field: str, value: dict[str, Any], known: Collection[str]) -> None:
        """Refuse a key that is none of the known ones; ``field`` is empty for the annotation itself."""
        for key, item in value.items():
            if key not in known:
                self.refuse(at(field, key), item, f"this key is not known; known are {', '.join(known)}")

    def boolean(self, field: str, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        self.refuse(field, value, "give true or false")

    def integer(self, field: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.refuse(field, value, f"give a number from {low} to {high}")

    def port(self, field: str, value: Any) -> int:
        """A port as a number, or as a string as the article writes it."""
        digits = isinstance(value, str) and _PORT.fullmatch(value)
        if digits or (isinstance(value, int) and not isinstance(value, bool)):
            port = int(value)
            if 1 <= port <= 65535:
                return port
        self.refuse(field, value, "give a port from 1 to 65535")

    def matching(self, field: str, value: Any, pattern: re.Pattern[str], expected: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self.refuse(field, value, expected)

    def one_of(self, field: str, value: Any, words: Collection[str]) -> str:
        if isinstance(value, str) and value in words:
            return value
        self.refuse(field, value, f"give {' or '.join(words)}")

    def address(self, field: str, value: Any) -> str:
        """An address in its canonical spelling."""
        found = addresses.canonical(value) if isinstance(value, str) else None
        if found is None:
            self.refuse(field, value, "give an IPv4 or IPv6 address")
        return found


def at(field: str, key: str) -> str:
    """The path to a key: ``field.key``; a key that could deceive the eye, or is long, is shown in brackets."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{field}[{shown(key)}]"
    return f"{field}.{key}" if field else key


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
