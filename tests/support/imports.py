# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The imports of the project's own modules, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.checkout import files

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = "ansible_collections.avi.egress.plugins.module_utils"
_CORE = REPOSITORY / "plugins/module_utils"


@dataclass(frozen=True)
class Import:
    """One import of a module, at the top of a file or inside a function."""

    where: str
    """File and line."""
    module: str
    """The absolute name; of ``from a import b`` it is ``a.b``, be b a module or not."""


def modules_of(folder: str) -> list[Path]:
    """The Python files below a folder of the repository, but empty ``__init__.py``."""
    return [path for path in files(f"{folder}/**/*.py") if path.stat().st_size]


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Everything that a file imports."""
    return tuple(_imports_of(path))


def closure(paths: Iterable[Path]) -> set[Path]:
    """The files of the core that some files import, directly or by one another."""
    found: set[Path] = set()
    left = list(paths)
    while left:
        for item in imports_of(left.pop()):
            file = _file_of(item.module)
            if file and file not in found:
                found.add(file)
                left.append(file)
    return found


def _imports_of(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path.relative_to(REPOSITORY)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(where, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _package(path, node)
            yield from (Import(where, f"{package}.{name.name}") for name in node.names)


def _package(path: Path, node: ast.ImportFrom) -> str:
    """The absolute name of what an import takes names from; a relative one outside the core is left as it is."""
    folder = path.parents[node.level - 1]
    if not node.level or not folder.is_relative_to(_CORE):
        return node.module or ""
    return ".".join([BASE, *folder.relative_to(_CORE).parts, *([node.module] if node.module else [])])


def _file_of(module: str) -> Path | None:
    """The core's file that an import leads to: the module itself, or the one that a name is taken from."""
    if not module.startswith(f"{BASE}."):
        return None
    parts = module.removeprefix(f"{BASE}.").split(".")
    whole, parent = _CORE.joinpath(*parts), _CORE.joinpath(*parts[:-1])
    return next((file for file in (whole.with_suffix(".py"), parent.with_suffix(".py")) if file.is_file()), None)
