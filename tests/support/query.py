# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the words of a ``kubectl get`` ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """An object by its name, or all objects of some kinds that selectors leave."""

    kinds: tuple[str, ...]
    """By their plurals or singulars."""
    name: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False
    selector: str | None = None
    field_selector: str | None = None

    @classmethod
    def of(cls, words: Sequence[str]) -> Query:
        """ValueError where a word is none of these, though kubectl may know it."""
        given, others = _OPTIONS.parse_known_args(words)
        if given.verb != "get" or others:
            raise ValueError(f"kubectl {' '.join(words)}: not known here: {' '.join(others) or given.verb}")
        kinds, _slash, name = given.kinds.partition("/")
        options = (given.namespace, given.all_namespaces, given.selector, given.field_selector)
        return cls(tuple(kinds.split(",")), given.name or name or None, *options)


_OPTIONS = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
_OPTIONS.add_argument("verb")
_OPTIONS.add_argument("kinds")
_OPTIONS.add_argument("name", nargs="?")
_OPTIONS.add_argument("-n", "--namespace")
_OPTIONS.add_argument("-A", "--all-namespaces", action="store_true")
_OPTIONS.add_argument("-l", "--selector")
_OPTIONS.add_argument("--field-selector")
