# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One `up` or `down` of a cluster at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.layout import Layout


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Wait until nobody else changes this cluster. The lock file is gone once the last one has finished."""
    layout.state_root.mkdir(parents=True, exist_ok=True)
    path = layout.state_root / f"{layout.name}.lock"
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            # The one before us may have removed the file while we waited for it.
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                break
        except FileNotFoundError:
            pass
        os.close(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)
