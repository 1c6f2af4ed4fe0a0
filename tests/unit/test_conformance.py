# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``docs/conformance.md`` names a proof for each statement of the article, and each of these is really there."""

from __future__ import annotations

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.conformance import CODE, COLUMNS, DOCUMENT, ROWS, Row, read, what_is_wrong

WITHOUT_TEST = ("open", "documentation")


def test_every_row_is_read_and_the_numbers_run() -> None:
    """A row with a ``|`` too many would else be passed over."""
    assert {len(found) for found in read(DOCUMENT.read_text())} == {COLUMNS}
    assert [row.number for row in ROWS] == [str(number) for number in range(1, len(ROWS) + 1)]
    assert len(ROWS) > 100


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_statement_has_a_proof_that_exists(row: Row) -> None:
    assert row.statement
    assert row.tests or row.proof in WITHOUT_TEST, f"name tests, or say {' or '.join(WITHOUT_TEST)}"
    rest = CODE.sub("", row.proof).split()
    assert not row.tests or not rest, f"beside its tests the cell says {rest}"
    assert [wrong for wrong in map(what_is_wrong, row.tests) if wrong] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_statement_lives_where_it_says(row: Row) -> None:
    places = CODE.findall(row.places)
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
