# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How much memory objects take as something keeps them."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any, Callable


def kept(pack: Callable[[Any], Any], read: str, count: int) -> tuple[list[Any], float]:
    """So many of an object that is read from JSON anew each time, as kept; and the bytes that each of them takes."""
    tracemalloc.start()
    try:
        found = [pack(json.loads(read)) for _number in range(count)]
        size, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return found, size / count
