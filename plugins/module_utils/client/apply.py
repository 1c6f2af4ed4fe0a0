# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Carries out a plan's writes: the only place where a decision of the core becomes a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable

from ..api.errors import AlreadyExists, ApiError, Conflict, NotFound
from ..api.resources import KubeObject
from ..api.writes import Write
from .kube_client import KubeClient

ATTEMPTS = 5
"""How often a write is decided anew when somebody else changes the object between our read and our write."""


@dataclass(frozen=True)
class Change:
    """An object as it is, and the write, if any, that makes it as it is to be."""

    before: KubeObject | None
    write: Write | None


def apply(cluster: KubeClient, writes: Iterable[Write], *, dry_run: bool = False) -> list[KubeObject | None]:
    """The stored object after each write, in order (None after a delete); stops at the first that fails.

    With ``dry_run`` the API server validates, defaults and admits each write without keeping it.
    """
    return [_carry_out(cluster, write, dry_run) for write in writes]


def settle(
    cluster: KubeClient,
    change: Change,
    read: Callable[[], KubeObject | None],
    decide: Callable[[KubeObject | None], Write | None],
    *,
    dry_run: bool = False,
) -> tuple[Change, KubeObject | None]:
    """Make a change, and tell what it was and what the object is now.

    Where somebody else was faster, the object is read again and the change decided anew: what they did stays, and what
    they did in our place is not ours any more.
    """
    for _attempt in range(ATTEMPTS - 1):
        if change.write is None:
            return change, change.before
        try:
            return change, _carry_out(cluster, change.write, dry_run)
        except ApiError as error:
            if not _was_overtaken(change.write, error):
                raise
        before = read()
        change = Change(before, decide(before))
    return change, _carry_out(cluster, change.write, dry_run) if change.write else change.before


def _was_overtaken(write: Write, error: ApiError) -> bool:
    gone = write.verb == "patch" and isinstance(error, NotFound)
    return gone or isinstance(error, (Conflict, AlreadyExists))


def _carry_out(cluster: KubeClient, write: Write, dry_run: bool) -> KubeObject | None:
    if write.verb == "create":
        return cluster.create(write.resource, write.body, dry_run=dry_run)
    if write.verb == "patch":
        return cluster.patch(write.resource, write.name, write.body, write.namespace, dry_run=dry_run)
    preconditions = {"uid": write.uid} if write.uid else None
    cluster.delete_named(write.resource, write.name, write.namespace, preconditions, dry_run=dry_run)
    return None
