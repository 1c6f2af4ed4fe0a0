# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``docs/conformance.md`` as data: the article's statements and the tests that prove them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.checkout import CHECKOUT

DOCUMENT = CHECKOUT / "docs/conformance.md"
COLUMNS = 5
CODE = re.compile(r"`([^`]+)`")
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
        return CODE.findall(self.proof)


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
