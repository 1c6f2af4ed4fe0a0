# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A real Kubernetes on one Linux machine, in network namespaces of its own: `python -m tests.cluster up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.errors import ClusterError

__all__ = ["Cluster", "ClusterError"]


def __getattr__(name: str) -> object:
    # The package's small programs start many times and need none of the libraries that Cluster needs.
    if name == "Cluster":
        from tests.cluster.cluster import Cluster

        return Cluster
    if name == "ClusterError":
        from tests.cluster.errors import ClusterError

        return ClusterError
    raise AttributeError(name)
