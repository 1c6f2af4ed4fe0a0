# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings leases of source addresses into the state that a playbook asks for.

All is tried in a dry run before anything is written, from one list of each kind of object: what is refused leaves
nothing behind, and what is as it should be costs no more than those lists.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Mapping, Sequence

from ...api.addresses import IP_FAMILIES
from ...api.timestamps import utc_now
from ...client.kube_client import KubeClient
from ...ipam import lease_status, leases, transfers
from ...ipam.leases import Slot
from ...ipam.network import EgressNetwork
from ..argument_specs import STATE, ArgumentSpec
from ..result import Result, returned
from . import reservations
from .bulk import Context, Step, Task, carry_out, result_of
from .givers import giver_of, refuse_if_used
from .requests import LeaseRequest, read
from .snapshot import LeaseSnapshot

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


def reconcile(cluster: KubeClient, options: Mapping[str, Any], check_mode: bool) -> Result:
    """Each lease Bound to an address, or Released into quarantine; in the order given, up to the first that fails.

    An address without a service is one to be reserved for the project.
    """
    if _is_reservation(options):
        return reservations.reconcile(cluster, options, check_mode)
    requests, listed = read(options), options.get("leases") is not None
    projects = {slot.namespace for request in requests for slot in (request.slot, request.giver) if slot}
    task = Task(ask, bring, listed)
    steps = carry_out(cluster, requests, projects, task, check_mode)
    return result_of(steps, {"leases": list(map(_item, steps))} if listed else _values(steps[0]))


def _is_reservation(options: Mapping[str, Any]) -> bool:
    return options.get("leases") is None and options["service"] is None


def ask(snapshot: LeaseSnapshot, requests: Sequence[LeaseRequest]) -> None:
    """Note the free addresses that requests are for: what one draws must not be what another one needs."""
    for request in requests:
        if not request.present or request.giver:
            continue
        lease, address = snapshot.get(request.slot), request.wanted
        # One that is Bound needs no other, unless an item before it takes its address; then it asks for a certain one.
        if lease and not address and not lease_status.is_bound(lease):
            address = leases.address_to_keep(lease, None, request.family(lease))
        if address:
            snapshot.ask(request.slot.network, address)


def bring(context: Context, request: LeaseRequest) -> Sequence[str]:
    """A lease Bound, or Released, as it is asked for; warnings."""
    if not request.present:
        return _release(context, request)
    network = context.view.admitting(request.slot)
    if request.giver:
        return _transfer(context, request, request.giver)
    return _claim(context, request, network)


def _claim(context: Context, request: LeaseRequest, network: EgressNetwork) -> Sequence[str]:
    lease, slot = context.snapshot.get(request.slot), request.slot
    if not lease_status.is_bound(lease):
        # Two lists more, and what is Bound keeps its address whether or not the network leases it still.
        network = context.view.leasable[network.name]
    transfers.claim(
        context.store,
        network,
        leases.Claim(slot, request.wanted, request.family(lease), project=context.view.uid(slot.namespace)),
        context.draw,
        partial(context.snapshot.project, slot),
        utc_now(),
    )
    return ()


def _transfer(context: Context, request: LeaseRequest, giver: Slot) -> Sequence[str]:
    source, now = giver_of(context.view, context.snapshot, request, giver), utc_now()
    if source:
        uid = context.view.uid(request.slot.namespace)
        source = leases.release(context.store, source, now, transfers.TRANSFERRED)
        transfers.transfer(context.store, source, request.slot, now, leases.ADMINISTRATOR, uid)
    elif context.snapshot.get(giver) is None:
        gone = f"EgressLease {giver.lease} is gone"
        return [f"{gone}: whether the address of EgressLease {request.slot.lease} came from it cannot be seen"]
    return ()


def _release(context: Context, request: LeaseRequest) -> Sequence[str]:
    lease = context.snapshot.get(request.slot)
    if lease is None or lease_status.is_released(lease) or lease_status.is_expired(lease):
        return ()
    refuse_if_used(context.view, lease)
    if lease_status.is_bound(lease):
        leases.release(context.store, lease, utc_now(), RELEASED_BY_MODULE)
    else:
        leases.free(context.store, lease)  # A claim that was never finished.
    return ()


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
