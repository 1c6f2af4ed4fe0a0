# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Many leases by one task: all foretold before anything is written, then taken in order up to the first that fails."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Collection, Generic, Iterator, Mapping, Protocol, Sequence, TypeVar

from ...api.errors import Conflict, EgressError
from ...api.resources import KubeObject
from ...client.kube_client import KubeClient
from ...ipam.leases import Slot
from ..item_errors import after_changes, of_item
from ..result import Outcome
from .snapshot import Change, LeaseSnapshot
from .snapshot_store import SnapshotStore
from .view import LeasingView

ATTEMPTS = 5
"""How often a change is decided anew when somebody else changes the lease between our read and our write."""


class Item(Protocol):
    """What is asked for one lease."""

    @property
    def slot(self) -> Slot: ...


T = TypeVar("T", bound=Item)


@dataclass(frozen=True)
class Step:
    """One lease brought, or to be brought, into the state that is asked for."""

    slot: Slot
    changed: bool
    before: KubeObject | None
    after: KubeObject | None
    giver: Change | None = None
    """The lease that its address comes from."""
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Task(Generic[T]):
    """How items are dealt with; ``foretell`` keeps in the snapshot what it foretells."""

    prepare: Callable[[LeaseSnapshot, Sequence[T]], None]
    foretell: Callable[[LeasingView, LeaseSnapshot, T], Step]
    take: Callable[[SnapshotStore, LeasingView, LeaseSnapshot, T], KubeObject | None]
    """Gives the lease as it is then, None if there is none any more."""
    listed: bool
    """Whether the items are of a list, whose numbers help to find the one that an error is about."""


def carry_out(
    cluster: KubeClient, items: Sequence[T], projects: Collection[str], task: Task[T], check_mode: bool
) -> list[Step]:
    """A step for each item; in check mode as they are foretold.

    The lists that all is decided on are read again when somebody else has written in between.
    """
    done: list[Step] = []
    failures = 0
    while failures < ATTEMPTS and len(done) < len(items):
        before, pending = len(done), items[len(done) :]
        view = LeasingView(cluster, projects)
        snapshot = view.snapshot()
        task.prepare(snapshot, pending)
        foretold = _foretell(view, snapshot.copy(), pending, task, done)
        if check_mode:
            return foretold
        try:
            for item, step in zip(pending, foretold):
                with _told_before(done), telling(len(done) if task.listed else None, item.slot):
                    done.append(_take(cluster, view, snapshot, item, task) if step.changed else step)
        except Conflict:
            failures = 0 if len(done) > before else failures + 1
    if len(done) < len(items):
        with _told_before(done):
            raise EgressError(
                f"EgressLease {items[len(done)].slot.lease}: others changed it {ATTEMPTS} times while this task did; "
                "run it again"
            )
    return done


def outcome(steps: Sequence[Step], values: Mapping[str, Any]) -> Outcome:
    """What the steps come to, with the diff of all leases that they are about."""
    changes = [change for step in steps for change in (step.giver, (step.before, step.after)) if change]
    warnings = [warning for step in steps for warning in step.warnings]
    return Outcome(any(step.changed for step in steps), _told(changes, 0), _told(changes, 1), values, warnings)


@contextmanager
def telling(number: int | None, slot: Slot) -> Iterator[None]:
    """Say which item of a list an error is about."""
    try:
        yield
    except EgressError as error:
        if number is None or isinstance(error, Conflict):
            raise
        raise of_item(f"leases[{number}]", slot.lease, error) from error


def _foretell(
    view: LeasingView, imagined: LeaseSnapshot, pending: Sequence[T], task: Task[T], done: Sequence[Step]
) -> list[Step]:
    foretold = []
    for number, item in enumerate(pending, len(done)):
        with _told_before(done), telling(number if task.listed else None, item.slot):
            foretold.append(task.foretell(view, imagined, item))
    return foretold


def _take(cluster: KubeClient, view: LeasingView, snapshot: LeaseSnapshot, item: T, task: Task[T]) -> Step:
    """A step really taken."""
    before = snapshot.get(item.slot)
    after = task.take(SnapshotStore(cluster, snapshot), view, snapshot, item)
    if after is None:
        return Step(item.slot, True, before, None)
    return Step(item.slot, True, before, after, snapshot.enter(after))


@contextmanager
def _told_before(done: Sequence[Step]) -> Iterator[None]:
    """Whoever is told of a failure is told what had been changed before."""
    try:
        yield
    except EgressError as error:
        changed = [step.slot.lease for step in done if step.changed]
        if isinstance(error, Conflict) or not changed:
            raise
        raise after_changes(changed, error) from error


def _told(changes: Sequence[tuple[KubeObject | None, KubeObject | None]], side: int) -> dict[str, Any]:
    """One side of the diff: what each lease is about, without the moments, which no one can foretell."""
    told: dict[str, Any] = {}
    for change in changes:
        if lease := change[side]:
            status, name = lease.get("status") or {}, f"EgressLease {lease['metadata']['name']}"
            fields = {key: status[key] for key in ("phase", "address") if key in status}
            told[name] = fields if side else told.get(name, fields)
    return told
