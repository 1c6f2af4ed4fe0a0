# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a playbook asks of leases: the options of ``avi_ipam_lease``, checked each by itself and against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Hashable, Mapping, Sequence

from ...api import addresses
from ...api.errors import InvalidInput
from ...api.resources import KubeObject
from ...ipam import lease_status
from ...ipam.leases import Slot
from .bulk import telling

Options = Mapping[str, Any]


@dataclass(frozen=True)
class LeaseRequest:
    """One lease as it is to be."""

    slot: Slot
    present: bool
    """Bound; else Released."""
    wanted: str | None = None
    """The one canonical address that will do."""
    ip_family: str | None = None
    giver: Slot | None = None
    """Whose address it is to be."""

    def family(self, lease: KubeObject | None) -> str:
        """The one that is named, else the wanted address', else that of what the lease has, else IPv4."""
        address = self.wanted or lease_status.address(lease)
        return self.ip_family or (addresses.family_of(address) if address else addresses.IPV4)


def read(options: Options) -> list[LeaseRequest]:
    """One request from the options themselves, or one from each item of ``leases``; InvalidInput where that is none."""
    listed = options.get("leases")
    if listed is None:
        return [_read(options)]
    requests = []
    for number, item in enumerate(listed):
        with telling(number, _slot(item)):
            requests.append(_read(item))
    _refuse_twice("slot", listed, [request.slot for request in requests])
    _refuse_twice(
        "address", listed, [request.wanted and (request.slot.network, request.wanted) for request in requests]
    )
    _refuse_twice("transfer_from", listed, [request.giver for request in requests])
    _refuse_detours(requests)
    return requests


def _read(options: Options) -> LeaseRequest:
    slot, giver = _slot(options), _giver(options)
    subject = f"EgressLease {slot.lease}"
    _refuse_bad_names(subject, "", slot)
    address, ip_family = options["address"], options["ip_family"]
    wanted = addresses.canonical(address) if address is not None else None
    if address is not None and wanted is None:
        raise InvalidInput(subject, "address", address, "give an IPv4 or IPv6 address")
    if wanted and ip_family and addresses.family_of(wanted) != ip_family:
        raise InvalidInput(subject, "ip_family", ip_family, f"{address} is of the other family; give one of them")
    if giver:
        _refuse_bad_names(subject, "transfer_from.", giver)
        if giver == slot:
            raise InvalidInput(subject, "transfer_from", giver.lease, "give another lease, for this is its own")
        if ip_family:
            raise InvalidInput(subject, "ip_family", ip_family, "leave it out: transfer_from has its address already")
    present = options["state"] == "present"
    if not present and giver:
        raise InvalidInput(subject, "transfer_from", giver.lease, "leave it out: a lease that is absent gets nothing")
    return LeaseRequest(slot, present, wanted if present else None, ip_family, giver)


def _refuse_bad_names(subject: str, where: str, slot: Slot) -> None:
    if slot.number < 0:
        raise InvalidInput(subject, f"{where}slot", slot.number, "give 0, or 1 for the second address under ha")
    for field, name in (("network", slot.network), ("namespace", slot.namespace), ("service", slot.service)):
        if "." in name or not name:
            raise InvalidInput(subject, where + field, name, "give a name, which has no dots")


def _refuse_twice(field: str, listed: Sequence[Options], values: Sequence[Hashable]) -> None:
    """What two items ask for can't be for both; None is asked for by nobody."""
    first: dict[Hashable, int] = {}
    for number, value in enumerate(values):
        if value is not None and first.setdefault(value, number) != number:
            subject = f"leases[{number}], {_slot(listed[number]).lease}"
            told = listed[number].get(field) if field != "slot" else listed[number]["slot"]
            raise InvalidInput(subject, field, told, f"leases[{first[value]}] has the same; give it once")


def _refuse_detours(requests: Sequence[LeaseRequest]) -> None:
    """An address that is given to one lease, only to go on to the next, need not be given to the first."""
    made: dict[Slot, int] = {}
    for number, request in enumerate(requests):
        if request.giver in made:
            subject, other = f"leases[{number}], {request.slot.lease}", made[request.giver]
            raise InvalidInput(
                subject,
                "transfer_from",
                request.giver.lease,
                f"leases[{other}] acquires that one; leave one of them out",
            )
        if request.present:
            made[request.slot] = number


def _slot(options: Options) -> Slot:
    return Slot(options["network"], options["namespace"], options["service"], options["slot"])


def _giver(options: Options) -> Slot | None:
    given = options.get("transfer_from")
    if given is None:
        return None
    return Slot(options["network"], given["namespace"] or options["namespace"], given["service"], given["slot"])
