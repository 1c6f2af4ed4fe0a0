# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Many leases by one task: all in a dry run before anything is written, then in order up to the first that fails."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Callable, Collection, Generic, Iterator, Mapping, Protocol, Sequence, TypeVar

from ...api.errors import Conflict, EgressError
from ...api.resources import KubeObject
from ...client.kube_client import KubeClient
from ...ipam.leases import Slot
from ...ipam.store import LeaseStore
from ..item_errors import after_changes, of_item
from ..result import Result
from .dry_run import ChanceDraw, DryRunStore, as_told
from .snapshot import Change, LeaseSnapshot
from .snapshot_store import SnapshotStore
from .view import LeasingView

ATTEMPTS = 5
"""How often a change is decided anew when somebody else changes the lease between our read and our write."""


class Item(Protocol):
    """What is asked for one lease."""

    @property
    def slot(self) -> Slot:
        """The lease's place."""


T = TypeVar("T", bound=Item)


@dataclass(frozen=True)
class Step:
    """One lease brought, or to be brought, into the state that is asked for."""

    slot: Slot
    after: KubeObject | None
    changes: Mapping[str, Change]
    """Of this lease and of the one that its address comes from, by name; none where all was as it is to be."""
    warnings: Sequence[str] = ()

    @property
    def changed(self) -> bool:
        return bool(self.changes)


@dataclass(frozen=True)
class Context:
    """What one item is decided on and written to, for real or in a dry run."""

    store: LeaseStore
    view: LeasingView
    snapshot: LeaseSnapshot
    draw: ChanceDraw


@dataclass(frozen=True)
class Task(Generic[T]):
    """How items are dealt with."""

    prepare: Callable[[LeaseSnapshot, Sequence[T]], None]
    bring: Callable[[Context, T], Sequence[str]]
    """Brings a lease into the state that is asked for, and gives warnings."""
    listed: bool
    """Whether the items are of a list, whose numbers help to find the one that an error is about."""


def carry_out(
    cluster: KubeClient, items: Sequence[T], projects: Collection[str], task: Task[T], check_mode: bool
) -> list[Step]:
    """A step for each item; in check mode as a dry run takes it.

    The lists that all is decided on are read again when somebody else has written in between.
    """
    done: list[Step] = []
    failures = 0
    while failures < ATTEMPTS and len(done) < len(items):
        before, pending = len(done), items[len(done) :]
        view = LeasingView(cluster, projects)
        snapshot = view.snapshot()
        task.prepare(snapshot, pending)
        try:
            tried = dry_run(view, snapshot.copy(), pending, task, done)
            if check_mode:
                return tried
            for item, step in zip(pending, tried):
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


def dry_run(
    view: LeasingView, snapshot: LeaseSnapshot, pending: Sequence[T], task: Task[T], done: Sequence[Step] = ()
) -> list[Step]:
    """The steps as they would be taken, one after the other; the snapshot is as it would be after them."""
    steps: list[Step] = []
    store = DryRunStore(snapshot)
    for number, item in enumerate(pending, len(done)):
        with _told_before(done), telling(number if task.listed else None, item.slot):
            draw = ChanceDraw(snapshot, item.slot.network)
            steps.append(_as_told(_step(Context(store, view, snapshot, draw), item, task), draw.free))
    return steps


def result_of(steps: Sequence[Step], values: Mapping[str, Any]) -> Result:
    """What the steps come to, with the diff of all leases that they are about."""
    changes = [change for step in steps for change in step.changes.values() or [(step.after, step.after)]]
    warnings = [warning for step in steps for warning in step.warnings]
    return Result(any(step.changed for step in steps), _told(changes, 0), _told(changes, 1), values, warnings)


@contextmanager
def telling(number: int | None, slot: Slot) -> Iterator[None]:
    """Say which item of a list an error is about."""
    try:
        yield
    except EgressError as error:
        if number is None or isinstance(error, Conflict):
            raise
        raise of_item(f"leases[{number}]", slot.lease, error) from error


def _take(cluster: KubeClient, view: LeasingView, snapshot: LeaseSnapshot, item: T, task: Task[T]) -> Step:
    """A step really taken."""
    draw = ChanceDraw(snapshot, item.slot.network)
    return _step(Context(SnapshotStore(cluster, snapshot), view, snapshot, draw), item, task)


def _step(context: Context, item: T, task: Task[T]) -> Step:
    warnings = task.bring(context, item)
    return Step(item.slot, context.snapshot.get(item.slot), context.snapshot.take_changes(), warnings)


def _as_told(step: Step, free: int) -> Step:
    """A step of a dry run, whose lease may have an address that was drawn from ``free`` ones."""
    own = step.slot.lease
    changes = {
        name: (before, as_told(before, after, free if name == own else 0))
        for name, (before, after) in step.changes.items()
    }
    return replace(step, after=changes[own][1] if own in changes else step.after, changes=changes)


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


def _told(changes: Sequence[Change], side: int) -> dict[str, Any]:
    """One side of the diff: what each lease is about, without the moments, which no one can foretell."""
    told: dict[str, Any] = {}
    for change in changes:
        if lease := change[side]:
            status, name = lease.get("status") or {}, f"EgressLease {lease['metadata']['name']}"
            fields = {key: status[key] for key in ("phase", "address") if key in status}
            told[name] = fields if side else told.get(name, fields)
    return told
