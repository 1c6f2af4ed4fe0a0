# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings one lease of a source address into the state that a playbook asks for."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Callable, Iterable, Iterator, Mapping, TypeVar

from . import addresses, leases, territory
from .argument_specs import STATE, ArgumentSpec
from .cluster import Cluster, NotFound
from .errors import EgressError, InvalidInput, PoolExhausted, Refused
from .leases import BOUND, RELEASED, Changed, Slot
from .model import EgressNetwork, read_cloud, read_network
from .outcome import Outcome, returned
from .resources import (
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    NODE,
    SERVICE,
    KubeObject,
)
from .service_definition import is_egress_service

T = TypeVar("T")

ATTEMPTS = 5
"""How often a change is decided anew when somebody else changes the lease between our read and our write."""

SPEC = STATE + ArgumentSpec(
    {
        "network": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True, "aliases": ["project"]},
        "service": {"type": "str", "required": True},
        "slot": {"type": "int", "default": 0},
        "address": {"type": "str"},
        "ip_family": {"type": "str", "choices": list(addresses.IP_FAMILIES)},
    }
)


def validate(options: Mapping[str, Any]) -> None:
    """Refuse what no lease can be made of."""
    subject = f"EgressLease {_slot(options).lease}"
    address, ip_family = options["address"], options["ip_family"]
    if address is not None and addresses.canonical(address) is None:
        raise InvalidInput(subject, "address", address, "give an IPv4 or IPv6 address")
    if address and ip_family and addresses.family_of(address) != ip_family:
        raise InvalidInput(subject, "ip_family", ip_family, f"{address} is of the other family; give one of them")
    if options["slot"] < 0:
        raise InvalidInput(subject, "slot", options["slot"], "give 0, or 1 for the second address under ha")
    for field in ("network", "namespace", "service"):
        if "." in options[field] or not options[field]:
            raise InvalidInput(subject, field, options[field], "give a name without dots")


def reconcile(cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    """The lease Bound to an address, or Released into quarantine."""
    operation = _acquire if options["state"] == "present" else _release
    for _attempt in range(ATTEMPTS):
        try:
            return operation(cluster, options, check_mode)
        except Changed:
            continue
    raise EgressError(
        f"EgressLease {_slot(options).lease}: others changed it {ATTEMPTS} times while this task did; run it again"
    )


def _acquire(cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    slot, wanted = _slot(options), options["address"] and addresses.canonical(options["address"])
    network = _network(cluster, slot)
    before = cluster.get(EGRESS_LEASE, slot.lease)
    if _phase(before) != BOUND:
        network = _leasable(cluster, network)
    locks = [item["spec"] for item in cluster.list(EGRESS_ADDRESS)]
    taken = {str(lock["address"]): str(lock["lease"]) for lock in locks if lock["network"] == slot.network}
    ip_family = options["ip_family"] or family_to_ask_for(before, wanted)
    if check_mode:
        return foretell(network, slot, before, taken, wanted, ip_family)
    after = leases.claim(cluster, network, slot, taken.keys(), datetime.now(UTC), wanted, ip_family)
    return _outcome(_phase(before) != BOUND, before, after)


def family_to_ask_for(lease: KubeObject | None, wanted: str | None) -> str:
    """The family where no option names it: the wanted address', else that of what the lease has, else IPv4."""
    address = wanted or ((lease or {}).get("status") or {}).get("address")
    return addresses.family_of(address) if address else addresses.IPV4


def foretell(
    network: EgressNetwork,
    slot: Slot,
    lease: KubeObject | None,
    taken: Mapping[str, str],
    wanted: str | None,
    ip_family: str = addresses.IPV4,
) -> Outcome:
    """What a claim would come to, from what is known now: ``taken`` is the lease that holds each address.

    Which free address it would be is drawn only when it is claimed. Refused and PoolExhausted are as in a claim.
    """
    lease = lease or leases.lease_object(slot)
    held = leases.address_to_keep(lease, wanted, ip_family)
    if _phase(lease) == BOUND:
        return _outcome(False, lease, lease)
    if held and held not in network.pool:
        held = None
    if wanted and wanted not in network.pool:
        raise Refused(
            "AddressNotInNetwork", f"EgressNetwork {network.name}: {wanted} is none of its leasable addresses"
        )
    if wanted and taken.get(wanted, slot.lease) != slot.lease:
        raise Refused("AddressTaken", f"EgressNetwork {network.name}: {wanted} is held by {taken[wanted]}")
    locked = {address: holder for address, holder in taken.items() if address in network.pool}
    held = held or wanted or _held_by(slot.lease, ip_family, locked)
    pool = network.pool.of(ip_family)
    free = pool.size - sum(address in pool for address in taken)
    if not held and free <= 0:
        raise PoolExhausted(network.name, ip_family, pool.size)
    address = held or f"one of {free} free"
    known = lease if "uid" in lease["metadata"] else None
    return _outcome(True, known, {**lease, "status": {"phase": BOUND, "address": address}})


def _release(cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    slot = _slot(options)
    before = cluster.get(EGRESS_LEASE, slot.lease)
    if before is None or _phase(before) == RELEASED:
        return _outcome(False, before, before)
    service = cluster.get(SERVICE, slot.service, slot.namespace)
    if service and is_egress_service(service):
        raise Refused(
            "InUse",
            f"EgressLease {slot.lease}: Service {slot.namespace}/{slot.service} uses it; delete the service first, "
            "with avi_egress_service state=absent",
        )
    if check_mode:
        after = {**before, "status": {**(before.get("status") or {}), "phase": RELEASED}}
        return _outcome(True, before, after)
    return _outcome(True, before, leases.release(cluster, before, datetime.now(UTC)))


def _network(cluster: Cluster, slot: Slot) -> EgressNetwork:
    """The slot's network; Refused if its project may have none of its addresses."""
    found = {item["metadata"]["name"]: item for item in cluster.list(EGRESS_NETWORK)}
    if slot.network not in found:
        known = f"there are: {', '.join(sorted(found))}" if found else "there are none"
        raise Refused("NetworkNotFound", f"EgressNetwork {slot.network} does not exist; {known}")
    network = read_network(found[slot.network])
    namespace = cluster.get(NAMESPACE, slot.namespace)
    if namespace is None:
        raise NotFound(404, f"project {slot.namespace} does not exist; create the namespace first")
    if not network.allows(namespace):
        raise Refused(
            "NetworkNotAllowed",
            f"EgressNetwork {network.name} does not allow project {slot.namespace}; see spec.allowedNamespaces",
        )
    return network


def _leasable(cluster: Cluster, network: EgressNetwork) -> EgressNetwork:
    """The network with what of it may be leased, as the controller sees it too."""
    of_nodes = (address for node in cluster.list(NODE) for address in territory.node_addresses(node))
    kept_back = territory.occupied(of_nodes, _readable(read_cloud, cluster.list(EGRESS_CLOUD)))
    others = (item for item in cluster.list(EGRESS_NETWORK) if item["metadata"]["name"] != network.name)
    return territory.divide([network, *_readable(read_network, others)], kept_back)[network.name]


def _readable(read: Callable[[KubeObject], T], found: Iterable[KubeObject]) -> Iterator[T]:
    """What can't be read is served by no controller, and so in nobody's way."""
    for obj in found:
        with suppress(InvalidInput):
            yield read(obj)


def _outcome(changed: bool, before: KubeObject | None, after: KubeObject | None) -> Outcome:
    return Outcome(
        changed,
        _told(before),
        _told(after),
        {
            "lease": returned(after) if after else None,
            "address": ((after or {}).get("status") or {}).get("address"),
            "phase": _phase(after),
        },
    )


def _told(lease: KubeObject | None) -> dict[str, Any]:
    """One side of the diff: what the lease is about, without the moments, which no one can foretell."""
    status = (lease or {}).get("status") or {}
    fields = {key: status[key] for key in ("phase", "address") if key in status}
    return {f"EgressLease {lease['metadata']['name']}": fields} if lease else {}


def _phase(lease: KubeObject | None) -> str | None:
    return ((lease or {}).get("status") or {}).get("phase")


def _held_by(lease: str, ip_family: str, taken: Mapping[str, str]) -> str | None:
    held = (address for address, holder in taken.items() if holder == lease)
    return next((address for address in held if addresses.family_of(address) == ip_family), None)


def _slot(options: Mapping[str, Any]) -> Slot:
    return Slot(options["network"], options["namespace"], options["service"], options["slot"])
