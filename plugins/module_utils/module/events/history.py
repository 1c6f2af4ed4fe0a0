# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The events that an object's present state tells of. Pure.

A lease tells of all holdings that it remembers, so what began and ended while nobody looked is not lost. Other objects
tell of the trouble that they are in, if any.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from ...api.addresses import family_of
from ...api.conditions import find
from ...api.reasons import Reason
from ...api.resources import (
    API_GROUP,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    READY_CONDITION,
    SERVICE,
    KubeObject,
    Resource,
)
from ...api.timestamps import timestamp
from ...ipam import lease_status
from ...ipam.locks import CONFLICT as CONFLICT_CONDITION

BOUND = "bound"
RELEASED = "released"
CONFLICT = "conflict"
EXHAUSTED = "exhausted"
NOT_READY = "not_ready"

TOLD_BY: Mapping[str, Resource] = {
    BOUND: EGRESS_LEASE,
    RELEASED: EGRESS_LEASE,
    CONFLICT: EGRESS_ADDRESS,
    EXHAUSTED: EGRESS_NETWORK,
    NOT_READY: SERVICE,
}
"""By the kind of an event, whose state it is told by."""

AVAILABLE_CONDITION = str(Reason.ADDRESSES_AVAILABLE)
"""Where a network has some, the reason is the type's own word."""
LEASE_DELETED = "LeaseDeleted"
"""The reason of a release that nobody wrote down, as the lease is gone."""

LEASE_NAME_PARTS = 4
"""See ``api.resources.lease_name``."""

_IDENTITIES = uuid.uuid5(uuid.NAMESPACE_DNS, API_GROUP)


@dataclass(frozen=True)
class Event:
    """What became so, once."""

    kind: str
    identity: tuple[str, ...]
    """What tells it from all others of its kind; the same whoever tells it, and whenever."""
    facts: Mapping[str, Any]

    def is_same(self, other: Event) -> bool:
        """Whether both tell of the same, in whatever words."""
        return (self.kind, self.identity) == (other.kind, other.identity)

    @property
    def content(self) -> dict[str, Any]:
        """As a rulebook gets it: ``meta.uuid`` is made from the identity."""
        told = {name: value for name, value in self.facts.items() if value is not None}
        identity = str(uuid.uuid5(_IDENTITIES, "\0".join((self.kind, *self.identity))))
        return {"kind": self.kind, **told, "meta": {"uuid": identity}}


@dataclass(frozen=True)
class History:
    """What one object tells, the oldest first; the last event is its present state, without any it is in none."""

    uid: str
    events: Sequence[Event]


def read(obj: KubeObject) -> History:
    """What an object of a kind in ``TOLD_BY`` tells."""
    return History(obj["metadata"]["uid"], tuple(_READERS[obj["kind"]](obj)))


def end_of(event: Event | None) -> Sequence[Event]:
    """What is told when the object is gone that told an event last: a lease is released then."""
    if event is None or event.kind != BOUND:
        return ()
    return (Event(RELEASED, event.identity, {**event.facts, "since": None, "reason": LEASE_DELETED}),)


def _of_lease(lease: KubeObject) -> list[Event]:
    spec, uid = lease["spec"], lease["metadata"]["uid"]
    found = []
    for holding in lease_status.of(lease):
        identity = (uid, holding.address, timestamp(holding.bound_at))
        facts = {
            "lease": lease["metadata"]["name"],
            "project": spec["namespace"],
            "service": spec["service"],
            "slot": spec["slot"],
            "network": spec["network"],
            **_address(holding.address),
        }
        found.append(Event(BOUND, identity, {**facts, "since": timestamp(holding.bound_at)}))
        if holding.released_at:
            ended = {"since": timestamp(holding.released_at), "reason": holding.reason}
            found.append(Event(RELEASED, identity, {**facts, **ended}))
    return found


def _of_address(lock: KubeObject) -> list[Event]:
    spec = lock["spec"]
    parts = spec["lease"].split(".")
    project, service = parts[1:3] if len(parts) == LEASE_NAME_PARTS else (None, None)
    facts = {"project": project, "service": service, "network": spec["network"], **_address(spec["address"])}
    return _trouble(lock, CONFLICT, CONFLICT_CONDITION, "True", facts)


def _of_network(network: KubeObject) -> list[Event]:
    found = _trouble(network, EXHAUSTED, AVAILABLE_CONDITION, "False", {"network": network["metadata"]["name"]})
    return [event for event in found if event.facts["reason"] == Reason.POOL_EXHAUSTED]


def _of_service(service: KubeObject) -> list[Event]:
    metadata = service["metadata"]
    facts = {"project": metadata["namespace"], "service": metadata["name"]}
    return _trouble(service, NOT_READY, READY_CONDITION, "False", facts)


def _trouble(obj: KubeObject, kind: str, condition: str, status: str, facts: Mapping[str, Any]) -> list[Event]:
    """The event of a condition that has a status; another reason is news, other words are not."""
    found = find(obj, condition)
    if found is None or found["status"] != status:
        return []
    since, reason = found["lastTransitionTime"], found["reason"]
    told = {**facts, "since": since, "reason": reason, "message": found["message"]}
    return [Event(kind, (obj["metadata"]["uid"], since, reason), told)]


def _address(address: str) -> dict[str, Any]:
    return {"address": address, "ip_family": family_of(address)}


_READERS: Mapping[str, Callable[[KubeObject], Sequence[Event]]] = {
    EGRESS_LEASE.kind: _of_lease,
    EGRESS_ADDRESS.kind: _of_address,
    EGRESS_NETWORK.kind: _of_network,
    SERVICE.kind: _of_service,
}
