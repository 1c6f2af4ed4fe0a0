# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The number of parameters of the product's functions: six at most, or what travels together becomes a dataclass."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.imports import REPOSITORY, modules_of

MOST = 6
PARTS = ("plugins/module_utils", "images/egress_controller/egress_controller", "images/egress_router/egress_router")


def functions(folder: str) -> Iterator[tuple[str, int]]:
    """Each function below a folder, as ``file::Class.name``, and how many parameters its callers may give."""
    for path in modules_of(folder):
        yield from _functions(ast.parse(path.read_text()), f"{path.relative_to(REPOSITORY)}::")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", _parameters(child.args, is_method=isinstance(node, ast.ClassDef))
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _parameters(args: ast.arguments, is_method: bool) -> int:
    positional = [*args.posonlyargs, *args.args]
    bound = is_method and bool(positional) and positional[0].arg in ("self", "cls")
    return len(positional) + len(args.kwonlyargs) - bound


@pytest.mark.parametrize("folder", PARTS)
def test_no_function_takes_more_than_six_parameters(folder: str) -> None:
    found = dict(functions(folder))
    assert found, f"nothing in {folder} defines a function: has it moved?"
    many = [f"{name} takes {number}" for name, number in found.items() if number > MOST]
    assert many == [], "give what always travels together a dataclass of its own"


def test_all_that_a_caller_may_give_counts_but_not_the_object_itself() -> None:
    source = "class A:\n    def f(self, a, /, b, *c, d, **e): ...\n    @staticmethod\n    def g(a, b): ...\n"
    assert list(_functions(ast.parse(source), "")) == [("A.f", 3), ("A.g", 2)]
