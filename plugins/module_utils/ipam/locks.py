# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The locks on addresses: EgressAddresses, whose names can exist only once (docs/explanation/leases.md)."""

from __future__ import annotations

from ..api.conditions import is_true
from ..api.errors import AlreadyExists, Conflict
from ..api.resources import (
    API_GROUP,
    API_VERSION,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    NETWORK_LABEL,
    KubeObject,
    address_name,
)
from . import lease_status
from .store import LeaseStore

CONFLICT = "Conflict"
"""The condition of an EgressAddress that a stranger on the wire answers for."""


def lock(store: LeaseStore, lease: KubeObject, address: str) -> KubeObject | None:
    """Make an address a lease's: create its lock, or find it to be its own (a lost reply, or its own orphan).

    None if that is so, else the lock that stands in the way.
    """
    name = lease["metadata"]["name"]
    body = address_object(lease["spec"]["network"], address, lease)
    try:
        store.create(EGRESS_ADDRESS, body)
        return None
    except AlreadyExists:
        found = store.get(EGRESS_ADDRESS, body["metadata"]["name"])
    if found is None:
        raise Conflict(409, f"EgressAddress {body['metadata']['name']} came and went while it was claimed")
    if found["spec"]["lease"] != name or in_conflict(found):
        return found
    # Read after the lock, so that a claim of a lease that is gone can't take the lock from its successor.
    if not is_holder(found, lease) and not is_same(store.get(EGRESS_LEASE, name), lease):
        raise Conflict(409, f"EgressLease {name} was deleted while it was claimed")
    lock_again(store, found, lease)
    return None


def lock_again(store: LeaseStore, found: KubeObject, lease: KubeObject) -> None:
    """Write a lock for a lease: a decision to delete it meets a newer version, and the count makes it one."""
    spec = address_object(found["spec"]["network"], found["spec"]["address"], lease)["spec"]
    store.replace(EGRESS_ADDRESS, {**found, "spec": {**spec, "claims": found["spec"].get("claims", 1) + 1}})


def is_holder(found: KubeObject, lease: KubeObject) -> bool:
    """Whether a lock is for this lease, and not for an earlier one of its name."""
    spec, metadata = found["spec"], lease["metadata"]
    return (spec["lease"], spec["leaseUID"]) == (metadata["name"], metadata["uid"])


def locks_of(store: LeaseStore, lease: str) -> list[KubeObject]:
    """The EgressAddresses that name a lease as their holder."""
    return [item for item in store.list(EGRESS_ADDRESS) if item["spec"]["lease"] == lease]


def deletable(store: LeaseStore, lease: KubeObject) -> list[KubeObject]:
    """The locks of a lease that may be deleted with it; those in conflict wait for an administrator."""
    held = lease_status.address(lease)
    present = store.get(EGRESS_ADDRESS, address_name(lease["spec"]["network"], held)) if held else None
    locks = [present] if present else []
    locks += [item for item in locks_of(store, lease["metadata"]["name"]) if item["spec"]["address"] != held]
    return [item for item in locks if is_holder(item, lease) and not in_conflict(item)]


def in_conflict(found: KubeObject) -> bool:
    """Whether a stranger on the wire has answered for a locked address."""
    return is_true(found, CONFLICT)


def is_same(current: KubeObject | None, lease: KubeObject) -> bool:
    """Whether what is there under a lease's name is that lease, and not a later one."""
    return current is not None and bool(current["metadata"]["uid"] == lease["metadata"]["uid"])


def address_object(network: str, address: str, lease: KubeObject) -> KubeObject:
    """The lock on an address, naming the lease that holds it."""
    return {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": EGRESS_ADDRESS.kind,
        "metadata": {"name": address_name(network, address), "labels": {NETWORK_LABEL: network}},
        "spec": {
            "network": network,
            "address": address,
            "lease": lease["metadata"]["name"],
            "leaseUID": lease["metadata"]["uid"],
        },
    }
