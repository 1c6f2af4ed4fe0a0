# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``docs/conformance.md`` names a proof for each statement of the article, and each of these is really there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENT = CHECKOUT / "docs/conformance.md"
WITHOUT_TEST = ("open", "documentation")
COLUMNS = 5
_CODE = re.compile(r"`([^`]+)`")
_SEPARATOR = re.compile(r"\|(-+\|)+")


@dataclass(frozen=True)
class Row:
    """One statement with its proof."""

    number: str
    statement: str
    places: str
    proof: str
    difference: str

    @property
    def tests(self) -> list[str]:
        return _CODE.findall(self.proof)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read(text: str) -> list[list[str]]:
    """The cells of all table rows, headings left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    headings = {index - 1 for index, line in enumerate(lines) if _SEPARATOR.fullmatch(line)}
    return [cells(line) for index, line in enumerate(lines) if index not in headings and not _SEPARATOR.fullmatch(line)]


ROWS = [Row(*found) for found in read(DOCUMENT.read_text()) if len(found) == COLUMNS]


@cache
def parametrized(path: Path) -> dict[str, bool]:
    """A file's tests, with ``Class::`` before those of a class, and whether each is parametrised.

    An assignment such as ``PLACES = pytest.mark.parametrize(...)`` makes its name a decorator that parametrises.
    """
    tree = ast.parse(path.read_text())
    aliases = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and "parametrize" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def varies(node: ast.FunctionDef | ast.ClassDef) -> bool:
        texts = [ast.unparse(decorator) for decorator in node.decorator_list]
        return any("parametrize" in text or text in aliases for text in texts)

    def tests(body: list[ast.stmt], prefix: str = "", inherited: bool = False) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                found |= tests(node.body, f"{prefix}{node.name}::", inherited or varies(node))
            elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[prefix + node.name] = inherited or varies(node)
        return found

    return tests(tree.body)


def what_is_wrong(node_id: str) -> str | None:
    """Why a node id names no test; None if it does."""
    file, _colons, rest = node_id.partition("::")
    name, bracket, _parameters = rest.partition("[")
    path = CHECKOUT / file
    if not file.startswith("tests/") or not path.is_file():
        return f"there is no file {file}"
    known = parametrized(path)
    if name not in known:
        return f"{file} has no test {name}"
    if bracket and not known[name]:
        return f"{name} is not parametrised"
    return None


def test_every_row_is_read_and_the_numbers_run() -> None:
    """A row with a ``|`` too many would else be passed over."""
    assert {len(found) for found in read(DOCUMENT.read_text())} == {COLUMNS}
    assert [row.number for row in ROWS] == [str(number) for number in range(1, len(ROWS) + 1)]
    assert len(ROWS) > 100


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_statement_has_a_proof_that_exists(row: Row) -> None:
    assert row.statement
    assert row.tests or row.proof in WITHOUT_TEST, f"name tests, or say {' or '.join(WITHOUT_TEST)}"
    rest = _CODE.sub("", row.proof).split()
    assert not row.tests or not rest, f"beside its tests the cell says {rest}"
    assert [wrong for wrong in map(what_is_wrong, row.tests) if wrong] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_statement_lives_where_it_says(row: Row) -> None:
    places = _CODE.findall(row.places)
    assert places
    assert [place for place in places if not (CHECKOUT / place).exists()] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.proof == "documentation"], ids=lambda row: row.number)
def test_what_nobody_tests_says_why(row: Row) -> None:
    assert row.difference


@pytest.mark.parametrize(
    ("node_id", "told"),
    [
        ("tests/unit/test_missing.py::test_it", "there is no file"),
        ("plugins/module_utils/workload/plan.py::test_it", "there is no file"),
        ("tests/unit/test_conformance.py::test_of_nothing", "has no test test_of_nothing"),
        ("tests/unit/test_conformance.py::what_is_wrong", "has no test what_is_wrong"),
        ("tests/unit/test_conformance.py::TestNobody::test_it", "has no test TestNobody::test_it"),
        ("tests/unit/test_conformance.py::test_every_row_is_read_and_the_numbers_run[1]", "is not parametrised"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(node_id: str, told: str) -> None:
    assert told in (what_is_wrong(node_id) or "")


def test_a_parametrised_name_is_found_with_and_without_its_parameters() -> None:
    name = "tests/unit/test_conformance.py::test_a_statement_has_a_proof_that_exists"
    assert what_is_wrong(name) is None
    assert what_is_wrong(f"{name}[1]") is None
