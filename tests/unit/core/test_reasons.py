# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Reasons: each has one place, and no refusal is one that a wait outlasts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api import errors, reasons
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason

from tests.support.checkout import files

REPOSITORY = Path(reasons.__file__).resolve().parents[3]
SOURCES = files("plugins/**/*.py", "images/egress_controller/**/*.py")


def test_every_refusal_ends_a_wait() -> None:
    named = {reason for path in SOURCES for reason in _reasons_of_refusals(path)}

    assert len(named) > 20, "the search finds no refusals any more: has Refused another name?"
    assert {reason for reason in named if not Reason[reason].final} == set()


@pytest.mark.parametrize("error", [errors.InvalidInput, errors.InvalidAnnotation, errors.PoolExhausted])
def test_an_error_about_what_was_asked_for_ends_a_wait(error: type[errors.EgressError]) -> None:
    assert error.reason.final


def test_every_reason_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES)

    assert [reason.name for reason in Reason if f"Reason.{reason.name}" not in text] == []


def test_a_strangers_reason_is_not_final() -> None:
    assert Reason.is_final("InvalidAnnotation")
    assert not Reason.is_final("EgressReady")
    assert not Reason.is_final("SomebodyElses")


def _reasons_of_refusals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused" and node.args:
            yield from _members(node.args[0])


def _members(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
        yield node.attr
