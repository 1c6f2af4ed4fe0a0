# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases brought from another cluster: the same services hold the same addresses, since the same moments.

In the order of a claim (the lease, then the lock on its address, then the lease's status), so what breaks off half-way
harms nobody and is completed when it is repeated. A lease that is there already is never changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Hashable, Mapping, Sequence

from ...api.addresses import canonical
from ...api.errors import InvalidInput, Refused
from ...api.reasons import Reason
from ...api.resources import KubeObject
from ...api.timestamps import read_moment, timestamp
from ...client.kube_client import KubeClient
from ...ipam import lease_status, leases, locks
from ...ipam.lease_status import BOUND, EXPIRED, HISTORY_LENGTH, RELEASED, Status
from ...ipam.leases import ADMINISTRATOR, CONTROLLER, IMPORT, Slot
from ...ipam.network import EgressNetwork
from ...ipam.store import LeaseStore
from ..argument_specs import ArgumentSpec
from ..result import Result
from .bulk import Context, Task, carry_out, result_of

_HOLDING: Mapping[str, Mapping[str, Any]] = {
    "address": {"type": "str", "required": True},
    "bound_at": {"type": "str", "required": True},
    "released_at": {"type": "str"},
    "reason": {"type": "str"},
}
_RECORD: Mapping[str, Mapping[str, Any]] = {
    "network": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True, "aliases": ["project"]},
    "service": {"type": "str", "required": True},
    "slot": {"type": "int", "default": 0},
    "phase": {"type": "str", "required": True, "choices": [BOUND, RELEASED, EXPIRED]},
    "claimed_by": {"type": "str", "choices": [CONTROLLER, ADMINISTRATOR, IMPORT], "default": CONTROLLER},
    **_HOLDING,
    "history": {"type": "list", "elements": "dict", "default": [], "options": _HOLDING},
}

SPEC = ArgumentSpec({"leases": {"type": "list", "elements": "dict", "required": True, "options": _RECORD}})

LARGEST_SLOT = 63
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REASON = re.compile(r"[A-Za-z]{1,64}")

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A lease as it was in the other cluster."""

    slot: Slot
    claimed_by: str
    """Whose it is to be: what was the controller's is the ``import``'s, until its service is there."""
    status: Status

    @property
    def address(self) -> str:
        return str(self.status["address"])

    @property
    def phase(self) -> str:
        return str(self.status["phase"])

    @property
    def holds(self) -> bool:
        """Whether it has its address to itself: it is Bound, or in quarantine."""
        return self.phase != EXPIRED


def read(options: Options) -> list[Record]:
    """The leases of a file; InvalidInput names the first item that can't be one, or that can't be beside another."""
    records = [_read(number, item) for number, item in enumerate(options["leases"])]
    _refuse_twice(records, "lease", [record.slot for record in records])
    held = [(record.slot.network, record.address) if record.holds else None for record in records]
    _refuse_twice(records, "address", held)
    return records


def reconcile(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """Each lease there as its record says, unless one with the same address is there already."""
    records = read(options)
    projects = {record.slot.namespace for record in records}
    steps = carry_out(cluster, records, projects, Task(lambda *_: None, bring, True), check_mode)
    told = [{"name": step.slot.lease, "changed": step.changed} for step in steps]
    return result_of(steps, {"leases": told, "imported": sum(step.changed for step in steps)})


def bring(context: Context, record: Record) -> Sequence[str]:
    """A lease as its record says; warnings. Refused where a firewall would have to be changed after it."""
    network, found = context.view.network(record.slot.network), context.snapshot.get(record.slot)
    _refuse_another(found, record)
    lock = context.snapshot.locked(network.name).get(record.address) if record.holds else None
    if lock and lock["spec"]["lease"] != record.slot.lease:
        raise leases.taken_by(network, lock)
    if found and (phase := lease_status.phase(found)):
        told = f"EgressLease {record.slot.lease} is {phase} here and stays so; it was {record.phase} when exported"
        return [] if phase == record.phase else [told]
    if lock and locks.in_conflict(lock):
        raise leases.taken_by(network, lock)
    if record.holds:
        leases.check_wanted(context.view.leasable[network.name], record.slot.namespace, record.address)
    restore(context.store, network, record)
    return []


def restore(store: LeaseStore, network: EgressNetwork, record: Record) -> KubeObject:
    """The lease with the record's status; one that has an address already is left as it is.

    Refused where it, or its address, is otherwise in use by now, Conflict when somebody else was at the same lease.
    """
    lease = leases.ensure(store, record.slot, record.claimed_by)
    _refuse_another(lease, record)
    if lease_status.phase(lease):
        return lease
    if record.holds and (lock := locks.lock(store, lease, record.address)):
        raise leases.taken_by(network, lock)
    return leases.write_status(store, lease, record.status)


def _refuse_another(found: KubeObject | None, record: Record) -> None:
    held = lease_status.address(found)
    if held not in (None, record.address):
        raise Refused(
            Reason.ADDRESS_MISMATCH,
            f"EgressLease {record.slot.lease} is there with {held}, not {record.address}; nothing is taken from it: "
            "take the lease out of the file, or make room for it here first",
        )


def _read(number: int, item: Options) -> Record:
    subject = f"leases[{number}]"
    slot = Slot(item["network"], item["namespace"], item["service"], item["slot"])
    for field, name in (("network", slot.network), ("namespace", slot.namespace), ("service", slot.service)):
        if not _NAME.fullmatch(name):
            raise InvalidInput(subject, field, name, "give a DNS label: a-z, 0-9 and -, up to 63 of them")
    if not 0 <= slot.number <= LARGEST_SLOT:
        raise InvalidInput(subject, "slot", slot.number, f"give a number from 0 to {LARGEST_SLOT}")
    phase, history = item["phase"], item["history"]
    if len(history) > HISTORY_LENGTH:
        raise InvalidInput(subject, "history", f"{len(history)} items", f"give {HISTORY_LENGTH} at most")
    past = [_holding(subject, f"history[{place}].", old, over=True) for place, old in enumerate(history)]
    status = {"phase": phase, **_holding(subject, "", item, over=phase != BOUND)}
    claimed_by = IMPORT if item["claimed_by"] == CONTROLLER else item["claimed_by"]
    return Record(slot, claimed_by, {**status, "history": past} if past else status)


def _holding(subject: str, where: str, item: Options, *, over: bool) -> Status:
    """One holding as a lease's status has it, with its end exactly if it is over."""
    address, reason, ended = canonical(item["address"]), item["reason"], item["released_at"]
    if address is None:
        raise InvalidInput(subject, f"{where}address", item["address"], "give an IPv4 or IPv6 address")
    if reason is not None and not _REASON.fullmatch(reason):
        raise InvalidInput(subject, f"{where}reason", reason, "give one word of letters, up to 64 of them")
    if over != (ended is not None):
        expected = "give the moment when the address was given back" if over else "leave it out: the lease is Bound"
        raise InvalidInput(subject, f"{where}released_at", ended, expected)
    begun = _moment(subject, f"{where}bound_at", item["bound_at"])
    if not over:
        return {"address": address, "boundAt": begun}
    end = _moment(subject, f"{where}released_at", ended)
    if end < begun:
        raise InvalidInput(subject, f"{where}released_at", end, f"give a moment that is not before {begun}")
    return {"address": address, "boundAt": begun, "releasedAt": end, **({"reason": reason} if reason else {})}


def _moment(subject: str, field: str, text: str) -> str:
    """As the API writes it, and so in the order of time as text too."""
    return timestamp(read_moment(subject, field, text))


def _refuse_twice(records: Sequence[Record], field: str, values: Sequence[Hashable]) -> None:
    first: dict[Hashable, int] = {}
    for number, value in enumerate(values):
        if value is not None and first.setdefault(value, number) != number:
            record = records[number]
            told = record.slot.lease if field == "lease" else record.address
            raise InvalidInput(f"leases[{number}]", field, told, f"leases[{first[value]}] has it too; keep one of them")
