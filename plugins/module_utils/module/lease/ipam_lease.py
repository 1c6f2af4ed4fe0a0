# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings leases of source addresses into the state that a playbook asks for.

All is foretold before anything is written, from one list of each kind of object: what is refused leaves nothing behind,
and what is as it should be costs no more than those lists.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, Mapping

from ...api.addresses import IP_FAMILIES
from ...api.resources import KubeObject
from ...client.kube_client import KubeClient
from ...ipam import lease_status, leases, transfers
from ..argument_specs import STATE, ArgumentSpec
from ..result import Outcome, returned
from . import reservations
from .bulk import Step, Task, carry_out, outcome
from .dry_run import ask, family_to_ask_for, foretell, giver_of
from .requests import LeaseRequest, read
from .snapshot import LeaseSnapshot
from .snapshot_store import SnapshotStore
from .view import LeasingView

RELEASED_BY_MODULE = "ReleasedByModule"

_SLOT = {
    "namespace": {"type": "str", "required": True, "aliases": ["project"]},
    "service": {"type": "str", "required": True},
    "slot": {"type": "int", "default": 0},
}
_LEASE: Mapping[str, Mapping[str, Any]] = {
    "network": {"type": "str", "required": True},
    **_SLOT,
    "address": {"type": "str"},
    "ip_family": {"type": "str", "choices": list(IP_FAMILIES)},
    "transfer_from": {"type": "dict", "options": {**_SLOT, "namespace": {"type": "str", "aliases": ["project"]}}},
}

SPEC = STATE + ArgumentSpec(
    {
        **{name: {key: value for key, value in option.items() if key != "required"} for name, option in _LEASE.items()},
        "leases": {"type": "list", "elements": "dict", "options": {**_LEASE, **STATE.options}},
    },
    mutually_exclusive=[("leases", name) for name in (*_LEASE, "state")],
    required_one_of=[("network", "leases"), ("namespace", "leases"), ("service", "address", "leases")],
)


def validate(options: Mapping[str, Any]) -> None:
    """Refuse what no lease, and no reservation, can be made of."""
    reservations.validate(options) if _is_reservation(options) else read(options)


def reconcile(cluster: KubeClient, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Each lease Bound to an address, or Released into quarantine; in the order given, up to the first that fails.

    An address without a service is one to be reserved for the project.
    """
    if _is_reservation(options):
        return reservations.reconcile(cluster, options, check_mode)
    requests, listed = read(options), options.get("leases") is not None
    projects = {slot.namespace for request in requests for slot in (request.slot, request.giver) if slot}
    task = Task(ask, foretell, _take, listed)
    steps = carry_out(cluster, requests, projects, task, check_mode)
    return outcome(steps, {"leases": list(map(_item, steps))} if listed else _values(steps[0]))


def _is_reservation(options: Mapping[str, Any]) -> bool:
    return options.get("leases") is None and options["service"] is None


def _take(store: SnapshotStore, view: LeasingView, snapshot: LeaseSnapshot, request: LeaseRequest) -> KubeObject | None:
    lease, now = snapshot.get(request.slot), datetime.now(UTC)
    if not request.present:
        return _release(store, lease, now) if lease else None
    if request.giver and (source := giver_of(view, snapshot, request, request.giver)):
        source = leases.release(store, source, now, transfers.TRANSFERRED)
        return transfers.transfer(store, source, request.slot, now, leases.ADMINISTRATOR)
    network, ip_family = view.leasable[request.slot.network], family_to_ask_for(lease, request)
    draw, kin = leases.at_random(snapshot.taken(network.name)), partial(snapshot.project, request.slot)
    return transfers.claim(
        store, network, request.slot, draw, kin, now, request.wanted, ip_family, leases.ADMINISTRATOR
    )


def _release(store: SnapshotStore, lease: KubeObject, now: datetime) -> KubeObject | None:
    if lease_status.is_bound(lease):
        return leases.release(store, lease, now, RELEASED_BY_MODULE)
    leases.free(store, lease)  # A claim that was never finished.
    return {**lease, "status": lease_status.expired(lease)} if lease_status.address(lease) else None


def _item(step: Step) -> dict[str, Any]:
    slot = step.slot
    of_slot = {"network": slot.network, "namespace": slot.namespace, "service": slot.service, "slot": slot.number}
    return {**of_slot, "changed": step.changed, **_values(step)}


def _values(step: Step) -> dict[str, Any]:
    after = step.after
    return {
        "lease": returned(after) if after else None,
        "address": lease_status.address(after),
        "phase": lease_status.phase(after),
    }
