# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings one lease of a source address into the state that a playbook asks for."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Callable, Collection, Iterable, Iterator, Mapping, TypeVar

from . import addresses, holdings, leases, locks, territory, transfers
from .argument_specs import STATE, ArgumentSpec
from .cluster import Cluster, NotFound
from .errors import EgressError, InvalidInput, PoolExhausted, Refused
from .holdings import BOUND, RELEASED
from .lease_store import Changed
from .leases import QUOTA_EXCEEDED, Slot
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

RELEASED_BY_MODULE = "ReleasedByModule"
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
    if not holdings.is_bound(before):
        network = _leasable(cluster, network)
    locked = {item["spec"]["address"]: item for item in cluster.list(EGRESS_ADDRESS) if _is_of(item, slot.network)}
    kin = cluster.list(EGRESS_LEASE, labels=leases.project_labels(slot))
    ip_family = options["ip_family"] or family_to_ask_for(before, wanted)
    # Told before anything is written, so that what is refused leaves nothing behind.
    foretold = foretell(network, slot, before, locked, kin, wanted, ip_family)
    if check_mode or not foretold.changed:
        return foretold
    after = transfers.claim(
        cluster, network, slot, locked.keys(), lambda: kin, datetime.now(UTC), wanted, ip_family, leases.ADMINISTRATOR
    )
    return _outcome(True, before, after)


def family_to_ask_for(lease: KubeObject | None, wanted: str | None) -> str:
    """The family where no option names it: the wanted address', else that of what the lease has, else IPv4."""
    address = wanted or holdings.address(lease)
    return addresses.family_of(address) if address else addresses.IPV4


def foretell(
    network: EgressNetwork,
    slot: Slot,
    lease: KubeObject | None,
    locked: Mapping[str, KubeObject],
    kin: Collection[KubeObject],
    wanted: str | None,
    ip_family: str = addresses.IPV4,
) -> Outcome:
    """What a claim would come to, from what is known now.

    ``locked``: the EgressAddress of each address that has one; ``kin``: the leases of the project in this network.
    Which free address it would be is drawn only when it is claimed. Refused and PoolExhausted are as in a claim.
    """
    known, lease = lease, lease or leases.lease_object(slot)
    held = leases.address_to_keep(lease, wanted, ip_family)
    if holdings.is_bound(lease):
        return _outcome(False, lease, lease)
    try:
        if not holdings.is_released(lease):
            leases.check_quota(network, slot, kin)
        address = _foretell_address(network, slot, locked, held, wanted, ip_family)
    except (PoolExhausted, Refused) as error:
        is_short = error.reason in (PoolExhausted.reason, QUOTA_EXCEEDED)
        sources = transfers.to_take_over(network, slot, kin, ip_family) if is_short and not wanted else ()
        if not sources:
            raise
        address = holdings.address(sources[0]) or ""
    return _outcome(True, known, {**lease, "status": {"phase": BOUND, "address": address}})


def _foretell_address(
    network: EgressNetwork,
    slot: Slot,
    locked: Mapping[str, KubeObject],
    held: str | None,
    wanted: str | None,
    ip_family: str,
) -> str:
    def mine(address: str) -> bool:
        lock = locked.get(address)
        free = lock is None or (lock["spec"]["lease"] == slot.lease and not locks.in_conflict(lock))
        return free and network.leases(address, slot.namespace)

    if wanted:
        leases.check_wanted(network, slot.namespace, wanted)
        if not mine(wanted):
            raise leases.taken_by(network, locked[wanted])
        return wanted
    if held and mine(held):
        return held
    own = [address for address, lock in locked.items() if lock["spec"]["lease"] == slot.lease and mine(address)]
    for address in own:
        if addresses.family_of(address) == ip_family:
            return address
    pool = network.drawn.of(ip_family)
    free = pool.size - sum(address in pool for address in locked)
    if free <= 0:
        raise PoolExhausted(network.name, ip_family, pool.size)
    return f"one of {free} free"


def _release(cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    slot = _slot(options)
    before = cluster.get(EGRESS_LEASE, slot.lease)
    if before is None or holdings.is_released(before) or holdings.is_expired(before):
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
    return _outcome(True, before, leases.release(cluster, before, datetime.now(UTC), RELEASED_BY_MODULE))


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
            "address": holdings.address(after),
            "phase": holdings.phase(after),
        },
    )


def _told(lease: KubeObject | None) -> dict[str, Any]:
    """One side of the diff: what the lease is about, without the moments, which no one can foretell."""
    status = (lease or {}).get("status") or {}
    fields = {key: status[key] for key in ("phase", "address") if key in status}
    return {f"EgressLease {lease['metadata']['name']}": fields} if lease else {}


def _is_of(lock: KubeObject, network: str) -> bool:
    return bool(lock["spec"]["network"] == network)


def _slot(options: Mapping[str, Any]) -> Slot:
    return Slot(options["network"], options["namespace"], options["service"], options["slot"])
