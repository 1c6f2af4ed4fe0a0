# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Carries out a plan's writes: the only place where a decision of the core becomes a request."""

from __future__ import annotations

from typing import Iterable

from .cluster import Cluster
from .plan import Write
from .resources import KubeObject


def apply(cluster: Cluster, writes: Iterable[Write], *, dry_run: bool = False) -> list[KubeObject | None]:
    """The stored object after each write, in order (None after a delete); stops at the first that fails.

    With ``dry_run`` the API server validates, defaults and admits each write without keeping it.
    """
    return [_carry_out(cluster, write, dry_run) for write in writes]


def _carry_out(cluster: Cluster, write: Write, dry_run: bool) -> KubeObject | None:
    if write.verb == "create":
        return cluster.create(write.resource, write.body, dry_run=dry_run)
    if write.verb == "patch":
        return cluster.patch(write.resource, write.name, write.body, write.namespace, dry_run=dry_run)
    preconditions = {"uid": write.uid} if write.uid else None
    cluster.delete_named(write.resource, write.name, write.namespace, preconditions, dry_run=dry_run)
    return None
