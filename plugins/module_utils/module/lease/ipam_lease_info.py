# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who holds which source address, who held it when, and what is left: what ``avi_ipam_lease_info`` tells."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Iterable, Iterator, Mapping

from ...api.addresses import canonical, family_of
from ...api.errors import InvalidInput, NotFound
from ...api.resources import KubeObject
from ...api.timestamps import read_moment, timestamp
from ...client.kube_client import KubeClient
from ...ipam import lease_status, leases, locks
from ...ipam.lease_status import BOUND, EXPIRED, RELEASED, Binding
from ...ipam.network import EgressNetwork
from ...ipam.usage import PoolUsage, scarcest, usage_of
from ..argument_specs import ArgumentSpec, refuse_empty
from ..result import Result
from .snapshot import LeaseSnapshot
from .view import LeasingView

SUBJECT = "avi_ipam_lease_info"
PHASES = (BOUND, RELEASED, EXPIRED)

SPEC = ArgumentSpec(
    {
        "network": {"type": "str"},
        "namespace": {"type": "str", "aliases": ["project"]},
        "service": {"type": "str"},
        "address": {"type": "str"},
        "phases": {"type": "list", "elements": "str", "choices": list(PHASES)},
        "at": {"type": "str"},
    }
)

Options = Mapping[str, Any]
Told = Mapping[str, Any]
"""A lease or a network as the module returns it."""


def validate(options: Options) -> None:
    """Refuse a filter that can't mean anything, or would be taken for none."""
    refuse_empty(SUBJECT, options, ("network", "namespace", "service"))
    if options["address"] is not None and canonical(options["address"]) is None:
        raise InvalidInput(SUBJECT, "address", options["address"], "give an IPv4 or IPv6 address")
    _moment(options)


def report(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """The leases that pass the filters, and the networks; nothing is ever changed."""
    view = LeasingView(cluster)
    snapshot = view.snapshot()
    names = _networks(view, options["network"])
    told = sorted(_leases(snapshot.leases(), options), key=_order)
    return Result(False, {}, {}, {"leases": told, "networks": [_network(view, snapshot, name) for name in names]})


def _networks(view: LeasingView, wanted: str | None) -> list[str]:
    """Their names; none where ``avi.egress.uninstall`` has kept the leases and nothing else."""
    with suppress(NotFound):
        return [name for name in sorted(view.network_objects) if wanted in (None, name)]
    return []


def tell(lease: KubeObject) -> Told:
    """A lease as it is now."""
    return _lease(lease, _holding(lease, None))


def _leases(found: Iterable[KubeObject], options: Options) -> Iterator[Told]:
    moment, wanted = _moment(options), canonical(options["address"] or "")
    for lease in found:
        spec = lease["spec"]
        fits = all(options[key] in (None, spec[key]) for key in ("network", "namespace", "service"))
        holding, phase = _holding(lease, moment), lease_status.phase(lease)
        if not fits or (moment and holding is None) or (options["phases"] and phase not in options["phases"]):
            continue
        if wanted in (None, holding.address if holding else None):
            yield _lease(lease, holding)


def _holding(lease: KubeObject, moment: datetime | None) -> Binding | None:
    """The present or last one; at a given moment, the one of then."""
    if moment:
        return lease_status.at(lease, moment)
    known = lease_status.of(lease)
    return known[-1] if known and lease_status.phase(lease) else None


def _lease(lease: KubeObject, holding: Binding | None) -> Told:
    spec, status = lease["spec"], lease.get("status") or {}
    return {
        "network": spec["network"],
        "namespace": spec["namespace"],
        "service": spec["service"],
        "slot": spec["slot"],
        "phase": status.get("phase"),
        "claimed_by": leases.claimed_by(lease),
        **_told(holding),
        "history": [_told(item) for item in lease_status.of(lease)[: len(status.get("history") or ())]],
    }


def _told(holding: Binding | None) -> Told:
    if holding is None:
        return dict.fromkeys(("address", "bound_at", "released_at", "reason"))
    return {
        "address": holding.address,
        "bound_at": timestamp(holding.bound_at),
        "released_at": timestamp(holding.released_at) if holding.released_at else None,
        "reason": holding.reason,
    }


def _order(told: Told) -> tuple[Any, ...]:
    """By network, IP version and number; those without an address last."""
    address = ip_address(told["address"]) if told["address"] else None
    number = (address.version, int(address)) if address else (9, 0)
    return (told["network"], *number, told["namespace"], told["service"], told["slot"], told["bound_at"] or "")


def _network(view: LeasingView, snapshot: LeaseSnapshot, name: str) -> Told:
    held = [lease for lease in snapshot.leases() if lease["spec"]["network"] == name and lease_status.phase(lease)]
    taken = snapshot.locked(name)
    phases = Counter((lease_status.phase(lease), family_of(lease_status.address(lease) or "")) for lease in held)
    strangers = Counter(family_of(address) for address, lock in taken.items() if locks.in_conflict(lock))
    network = view.leasable.get(name)
    of_families = usage_of(network, list(taken)) if network else []
    families = [_family(network, usage, phases, strangers) for usage in of_families if network]
    scarce = scarcest(of_families)
    keys = ("capacity", "reserved", "available", "bound", "released", "conflicts")
    return {
        "name": name,
        "error": None if network else _error(view, name),
        **{key: sum(family[key] for family in families) if network else None for key in keys},
        "percent": _percent(scarce),
        "families": [family for family in families if family["capacity"]],
    }


def _family(
    network: EgressNetwork, usage: PoolUsage, phases: Counter[tuple[str | None, str]], strangers: Counter[str]
) -> Told:
    """One family's figures; leases of addresses that the network does not lease any more count too."""
    return {
        "ip_family": usage.ip_family,
        "capacity": network.pool.of(usage.ip_family).size,
        "reserved": usage.reserved,
        "available": max(usage.free, 0),
        "bound": phases[BOUND, usage.ip_family],
        "released": phases[RELEASED, usage.ip_family],
        "conflicts": strangers[usage.ip_family],
        "percent": _percent(usage),
    }


def _percent(usage: PoolUsage | None) -> int | None:
    """The share that is held of what claims draw from, rounded down."""
    return usage.held * 100 // usage.size if usage and usage.size else None


def _error(view: LeasingView, name: str) -> str | None:
    try:
        view.network(name)
    except InvalidInput as error:
        return str(error)
    return None


def _moment(options: Options) -> datetime | None:
    return None if options["at"] is None else read_moment(SUBJECT, "at", options["at"])
