# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The tests' own house: what they share is in ``tests/support``, and what they look for is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT, files

TESTS = files("tests/**/*.py")
TEST_FILES = [path for path in TESTS if path.name.startswith("test_")]
PAGES = files("docs/**/*.md", "*.md", "roles/*/*.md")
PATH_OF_A_TEST = re.compile(r"\btests/[\w./-]*\w\.(?:py|yml|sh|json)\b")


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def is_test(module: str) -> bool:
    """Whether a dotted name has a test file, or a folder's fixtures, in it."""
    return any(part.startswith("test_") or part == "conftest" for part in module.split("."))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of all that a file imports from the tests, relative names made absolute."""
    package = path.relative_to(CHECKOUT).parts[:-1]
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("tests."))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            if module.split(".", maxsplit=1)[0] == "tests":
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def globs(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each search below a folder that a file has a constant for."""
    for node in _nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("glob", "rglob"):
            folder = node.func.value
            while isinstance(folder, ast.BinOp):
                folder = folder.left
            if isinstance(folder, ast.Name) and folder.id.isupper():
                yield node.lineno, ast.unparse(node)


def test_no_file_imports_from_a_test_file() -> None:
    wrong = [
        f"{path.relative_to(CHECKOUT)}:{line} imports {name}: move it to tests/support"
        for path in TESTS
        for line, name in imported(path)
        if is_test(name)
    ]
    assert len(TEST_FILES) > 100
    assert any(name.startswith("tests.support.") for path in TEST_FILES for _line, name in imported(path))
    assert wrong == []


def test_what_a_file_imports_from_the_tests_is_there() -> None:
    """Most of these files are read by no other check before they run, hours later perhaps."""

    def is_there(name: str) -> bool:
        whole = CHECKOUT.joinpath(*name.split("."))
        return any(place.is_dir() or place.with_suffix(".py").is_file() for place in (whole, whole.parent))

    wrong = [
        f"{path.relative_to(CHECKOUT)}:{line} imports {name}: there is no such module"
        for path in TESTS
        for line, name in imported(path)
        if not is_there(name)
    ]
    assert wrong == []


def test_a_search_below_a_known_folder_is_one_that_must_find_something() -> None:
    wrong = [
        f"{path.relative_to(CHECKOUT)}:{line} {call}: use tests.support.checkout.files, which fails if it finds nothing"
        for path in TESTS
        for line, call in globs(path)
    ]
    assert wrong == []


def test_a_search_that_finds_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="plugins/moved"):
        files("plugins/modules/*.py", "plugins/moved/*.py")


def test_no_document_names_a_file_of_the_tests_that_is_not_there() -> None:
    named = {(page, path) for page in PAGES for path in PATH_OF_A_TEST.findall(page.read_text())}
    wrong = [f"{page.relative_to(CHECKOUT)} names {path}" for page, path in named if not (CHECKOUT / path).exists()]
    assert len(named) > 50
    assert sorted(wrong) == []


def test_the_tests_of_a_folder_that_is_run_are_collected_by_their_names() -> None:
    """A file of another name would never run."""
    assert [
        str(path.relative_to(CHECKOUT))
        for path in TESTS
        if not path.name.startswith("test_") and re.search(r"^def test_|^class Test", path.read_text(), re.M)
    ] == []
