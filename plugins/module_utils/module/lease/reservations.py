# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings an address's reservation for a project into the state that a playbook asks for: a line of an EgressNetwork."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ...api import addresses
from ...api.errors import Conflict, EgressError, InvalidInput, Refused
from ...api.reasons import Reason
from ...api.resources import EGRESS_NETWORK, NAMESPACE, KubeObject
from ...client.kube_client import KubeClient
from ...ipam import lease_status, leases
from ...ipam.leases import slot_of
from ...ipam.network import read_network
from ..result import Result
from .view import LeasingView

ATTEMPTS = 5
"""How often a change is decided anew when somebody else changes the network between our read and our write."""

Reservation = Mapping[str, str]
"""``address`` and ``namespace``, as the EgressNetwork has them."""


def validate(options: Mapping[str, Any]) -> None:
    """Refuse what no reservation can be made of."""
    subject = f"EgressNetwork {options['network']}"
    if addresses.canonical(options["address"]) is None:
        raise InvalidInput(subject, "address", options["address"], "give an IPv4 or IPv6 address")
    for field in ("slot", "ip_family", "transfer_from"):
        if options[field]:
            raise InvalidInput(subject, field, options[field], "leave it out, or name the service that it is about")


def reconcile(cluster: KubeClient, options: Mapping[str, Any], check_mode: bool) -> Result:
    """The address reserved for the project, or not reserved for it any more; leases stay as they are."""
    for _attempt in range(ATTEMPTS):
        try:
            return _once(cluster, options, check_mode)
        except Conflict:
            continue
    raise EgressError(
        f"EgressNetwork {options['network']}: others changed it {ATTEMPTS} times while this task did; run it again"
    )


def _once(cluster: KubeClient, options: Mapping[str, Any], check_mode: bool) -> Result:
    view, name, namespace = LeasingView(cluster), options["network"], options["namespace"]
    address = addresses.canonical(options["address"]) or ""
    view.network(name)  # Refused if there is none.
    network = view.network_objects[name]
    before: Sequence[Reservation] = network["spec"].get("reservations") or ()
    owner = read_network(network).reservations.get(address)
    if options["state"] == "present":
        _check(cluster, view, network, namespace, address, owner)
        after = [*before, {"address": address, "namespace": namespace}] if owner is None else before
    else:
        after = [item for item in before if owner != namespace or addresses.canonical(item["address"]) != address]
    if len(after) != len(before) and not check_mode:
        metadata = {"resourceVersion": network["metadata"]["resourceVersion"]}
        cluster.patch(EGRESS_NETWORK, name, {"metadata": metadata, "spec": {"reservations": after}})
    return Result(
        len(after) != len(before),
        _told(name, before),
        _told(name, after),
        {"lease": None, "phase": None, "address": address},
    )


def _check(
    cluster: KubeClient, view: LeasingView, network: KubeObject, namespace: str, address: str, owner: str | None
) -> None:
    """Refused where the project can't have the address, or another one has it."""
    name = network["metadata"]["name"]
    # A project that is still to come can have one; what its labels will be, nobody knows.
    project = cluster.get(NAMESPACE, namespace) or {"metadata": {"name": namespace}}
    if not view.network(name).allows(project):
        raise Refused(
            Reason.NETWORK_NOT_ALLOWED,
            f"EgressNetwork {name} does not allow project {namespace}; see spec.allowedNamespaces",
        )
    if owner not in (None, namespace):
        raise Refused(Reason.ADDRESS_RESERVED, f"EgressNetwork {name}: {address} is reserved for project {owner}")
    if owner is None:
        leases.check_wanted(view.leasable[name], namespace, address)
    for lease in view.snapshot().leases():
        slot = slot_of(lease)
        holds = lease_status.address(lease) == address and not lease_status.is_expired(lease)
        if holds and slot.network == name and slot.namespace != namespace:
            raise Refused(Reason.ADDRESS_TAKEN, f"EgressNetwork {name}: {address} is held by {slot.lease}")


def _told(network: str, reservations: Sequence[Reservation]) -> dict[str, Any]:
    """One side of the diff."""
    return {f"EgressNetwork {network}": {"reservations": {item["address"]: item["namespace"] for item in reservations}}}
