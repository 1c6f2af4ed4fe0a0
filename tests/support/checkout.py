# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Where the files of this checkout are."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def files(*patterns: str, below: Path = CHECKOUT) -> list[Path]:
    """The files that glob patterns find, each pattern's in order; AssertionError where one of them finds nothing.

    A test that looks at no file would pass for ever after a move.
    """
    found = [sorted(below.glob(pattern)) for pattern in patterns]
    empty = [pattern for pattern, paths in zip(patterns, found) if not paths]
    assert not empty, f"nothing in {below} is named {', '.join(empty)}: where has it moved?"
    return [path for paths in found for path in paths]


def compiled() -> dict[str, str]:
    """What has a program keep compiled Python where this process does, which is not beside the sources."""
    kept = sys.pycache_prefix
    return {"PYTHONPYCACHEPREFIX": kept} if kept else {"PYTHONDONTWRITEBYTECODE": "1"}
