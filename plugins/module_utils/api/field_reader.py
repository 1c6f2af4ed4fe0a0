# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A reader of an object's fields that refuses a wrong one by its name, its value and what would be right."""

from __future__ import annotations

import re
from typing import Any, Collection, NoReturn

from . import addresses
from .errors import InvalidInput, shown

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.:/-]{1,63}")
_PORT = re.compile(r"[0-9]{1,5}")


class FieldReader:
    """Reads the fields below one field of an object, the ``root``, and names both when it refuses one."""

    error: type[InvalidInput] = InvalidInput

    def __init__(self, subject: str, root: str) -> None:
        self._subject = subject
        self._root = root

    def refuse(self, field: str, value: Any, expected: str) -> NoReturn:
        raise self.error(self._subject, f"{self._root}.{field}", value, expected)

    def known_keys(self, field: str, value: dict[str, Any], known: Collection[str]) -> None:
        """Refuse a key that is none of the known ones; ``field`` is empty for the root itself."""
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
