# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a lease's status says: which address its service holds, and which ones it held before.

Bound while the service has the address. Released while it is in quarantine: kept from other projects, for firewalls
may still trust it. Expired when it may be anybody's; the lease stays as the record of who held what, and so that its
service gets the same address again if that is still free. Pure: each status is made here and written elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Iterable

from ..api.resources import KubeObject
from ..api.timestamps import parse_timestamp, timestamp

BOUND = "Bound"
RELEASED = "Released"
EXPIRED = "Expired"

HISTORY_LENGTH = 8
"""Past holdings that a lease remembers: enough to see what happened, and an object of less than 2 kB."""

Status = dict[str, Any]
"""The status of an EgressLease."""


@dataclass(frozen=True)
class Binding:
    """One address, and from when to when a service held it."""

    address: str
    bound_at: datetime
    released_at: datetime | None
    """None as long as it is held."""
    reason: str | None
    """One word for why it ended."""

    def covers(self, moment: datetime) -> bool:
        return self.bound_at <= moment and (self.released_at is None or moment < self.released_at)


def phase(lease: KubeObject | None) -> str | None:
    """Of a lease; None if there is none, or while it is being claimed."""
    return _status(lease).get("phase")


def address(lease: KubeObject | None) -> str | None:
    """What it holds, or held last."""
    return _status(lease).get("address")


def project(lease: KubeObject | None) -> str | None:
    """The UID of the namespace that got its address; None where nobody has noted it."""
    return _status(lease).get("namespaceUID")


def of_project(lease: KubeObject, uid: str | None) -> Status:
    """The status of a lease whose holding is noted to be of a namespace."""
    return {**_status(lease), "namespaceUID": uid}


def is_of_another(lease: KubeObject, uid: str | None) -> bool:
    """Whether its address was another namespace's of this name, as far as both are known."""
    return uid is not None and project(lease) not in (None, uid)


def was_anothers(lease: KubeObject | None, held: str, uid: str | None) -> bool:
    """Whether a lease remembers that another namespace of this name was the last that had an address."""
    owners = [item.get("namespaceUID") for item in _remembered(lease) if item["address"] == held]
    return uid is not None and bool(owners) and owners[-1] not in (None, uid)


def may_have_forgotten(lease: KubeObject | None, held: str) -> bool:
    """Whether a lease may have had an address before all that it remembers."""
    found = _remembered(lease)
    return len(found) > HISTORY_LENGTH and all(item["address"] != held for item in found)


def _remembered(lease: KubeObject | None) -> list[Status]:
    status = _status(lease)
    return [item for item in (*(status.get("history") or ()), status) if "address" in item]


def is_bound(lease: KubeObject | None) -> bool:
    return phase(lease) == BOUND and address(lease) is not None


def is_released(lease: KubeObject | None) -> bool:
    return phase(lease) == RELEASED


def is_expired(lease: KubeObject | None) -> bool:
    return phase(lease) == EXPIRED


def of(lease: KubeObject) -> list[Binding]:
    """All that a lease remembers, the oldest first, the present or last one at the end."""
    status = _status(lease)
    past = [_holding(item) for item in status.get("history") or ()]
    return [*past, _holding(status)] if status.get("address") and status.get("boundAt") else past


def at(lease: KubeObject, moment: datetime) -> Binding | None:
    """What a lease held at a moment, as far as it remembers."""
    return next((item for item in of(lease) if item.covers(moment)), None)


def remembers(lease: KubeObject, moment: datetime) -> bool:
    """Whether a lease knows what it held at a moment: one whose memory is full has forgotten what was before that."""
    known = of(lease)
    return len(known) <= HISTORY_LENGTH or known[0].bound_at <= moment


def reopened(lease: KubeObject) -> Status:
    """The status of a lease that was over and is being claimed again: of no phase, with what it held last."""
    return {key: value for key, value in _status(lease).items() if key != "phase"}


def bound(lease: KubeObject, to: str, now: datetime, uid: str | None = None) -> Status:
    """The status with which a holding begins; the one before it, if any, becomes history.

    ``uid``: of the namespace that holds it, if that is known.
    """
    status = _status(lease)
    past = list(status.get("history") or ())
    if {"address", "boundAt", "releasedAt"} <= status.keys():
        kept = ("address", "boundAt", "releasedAt", "reason", "namespaceUID")
        past.append({key: status[key] for key in kept if key in status})
    history = {"history": past[-HISTORY_LENGTH:]} if past else {}
    owner = {"namespaceUID": uid} if uid else {}
    return {"phase": BOUND, "address": to, "boundAt": timestamp(now), **owner, **history}


def released(lease: KubeObject, now: datetime, reason: str) -> Status:
    """The status with which a holding ends and its quarantine begins."""
    return {**_status(lease), "phase": RELEASED, "releasedAt": timestamp(now), "reason": reason}


def expired(lease: KubeObject, reason: str | None = None) -> Status:
    """The status of a lease whose address may be another's, of the same reason as before unless there is a new one."""
    return {**_status(lease), "phase": EXPIRED, **({"reason": reason} if reason else {})}


def quarantine_over(lease: KubeObject, seconds: int, now: datetime) -> bool:
    """Whether a lease is Released long enough that no firewall should trust its address any more."""
    return is_released(lease) and released_at(lease) + timedelta(seconds=seconds) <= now


def record_over(lease: KubeObject, seconds: int, now: datetime) -> bool:
    """Whether a lease is Expired long enough that nobody asks any more who held its address."""
    return is_expired(lease) and released_at(lease) + timedelta(seconds=seconds) <= now


def released_at(lease: KubeObject) -> datetime:
    """When a lease's address was given back; of a Released or Expired one."""
    return parse_timestamp(_status(lease)["releasedAt"])


def last_released(held: str, holder: KubeObject | None, leases: Iterable[KubeObject]) -> datetime | None:
    """When an address was last given back by any of the leases; None if none of them remembers that it had it.

    ``holder``: the lease that its lock names. Where that one's memory is full, it may have had the address before what
    it remembers, so the beginning of its present holding stands for when it gave it back, at the latest.
    """
    ends = [item.released_at for lease in leases for item in of(lease) if item.address == held and item.released_at]
    status = _status(holder)
    if not ends and len(status.get("history") or ()) >= HISTORY_LENGTH:
        ends.append(parse_timestamp(status["boundAt"]))
    return max(ends, default=None)


def _status(lease: KubeObject | None) -> Status:
    return (lease or {}).get("status") or {}


def _holding(item: Status) -> Binding:
    ended = item.get("releasedAt")
    return Binding(
        item["address"], parse_timestamp(item["boundAt"]), parse_timestamp(ended) if ended else None, item.get("reason")
    )
