# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A real Kubernetes on one Linux machine, in network namespaces of its own: `python -m tests.cluster up`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.errors import ClusterError

__all__ = ["Cluster", "ClusterError"]

_HOMES = {"Cluster": "tests.cluster.cluster", "ClusterError": "tests.cluster.errors"}


def __getattr__(name: str) -> object:
    # The package's small programs start many times and need none of the libraries that Cluster needs.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
