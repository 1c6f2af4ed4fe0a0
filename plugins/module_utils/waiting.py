# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Waiting by watch: what is looked for are pure predicates, and there is one loop for all of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import Any, Callable, Dict

from .cluster import ApiError, Cluster, Expired
from .connection import ConnectionFailed
from .errors import EgressError, Refused
from .holdings import BOUND
from .resources import (
    API_GROUP,
    EGRESS_LEASE,
    EVENT,
    READY_CONDITION,
    REPLICATION_CONTROLLER,
    SERVICE,
    STATEFUL_SET,
    KubeObject,
    Resource,
    egress_pod_name,
)

REFUSALS = frozenset(
    {
        "AddressFamilyMismatch",
        "AddressInConflict",
        "AddressMismatch",
        "AddressNotInNetwork",
        "AddressNotReserved",
        "AddressReserved",
        "AddressTaken",
        "AmbiguousCloud",
        "IPFamilyMissing",
        "ImageNotAllowed",
        "InvalidAnnotation",
        "InvalidInput",
        "NameTaken",
        "NetworkNotAllowed",
        "NetworkNotFound",
        "PolicyNotSupported",
        "PoolExhausted",
        "ProjectNotIncluded",
        "QuotaExceeded",
        "SecureEgressModeOff",
        "ServiceTypeNotAllowed",
    }
)
"""Reasons of a False condition that waiting does not cure."""

SETTLE_SECONDS = 3.0
"""How long a condition that was there before may speak of the past: the controller reconciles within 1 s."""


class TimedOut(EgressError):
    """What was waited for did not happen in time."""

    reason = "TimedOut"


@dataclass(frozen=True)
class Watched:
    """The objects that are watched."""

    resource: Resource
    namespace: str | None = None
    labels: str | None = None
    fields: str | None = None


Objects = Dict[str, KubeObject]
"""What is there of the watched objects, by name."""


def until(cluster: Cluster, watched: Watched, done: Callable[[Objects], bool], deadline: float) -> Objects:
    """The watched objects as soon as ``done`` is true of them, or as they are at the deadline (``monotonic()``)."""
    while True:
        items, version = cluster.list_with_version(
            watched.resource, watched.namespace, labels=watched.labels, fields=watched.fields
        )
        objects = {item["metadata"]["name"]: item for item in items}
        try:
            while not done(objects) and (left := deadline - monotonic()) > 0:
                version = _follow(cluster, watched, objects, version, done, left)
            return objects
        except (Expired, ConnectionFailed):
            continue  # what was missed is in the next list; a server that is gone for good fails that one


def _follow(
    cluster: Cluster, watched: Watched, objects: Objects, version: str, done: Callable[[Objects], bool], seconds: float
) -> str:
    """Keep ``objects`` current by one watch request, until they are done or it ends; the version to go on from."""
    events = cluster.watch(
        watched.resource,
        watched.namespace,
        version=version,
        labels=watched.labels,
        fields=watched.fields,
        timeout=seconds,
    )
    with closing(events):  # type: ignore[type-var]
        for kind, obj in events:
            metadata = obj["metadata"]
            version = metadata["resourceVersion"]
            if kind == "DELETED":
                objects.pop(metadata["name"], None)
            else:
                objects[metadata["name"]] = obj
            if done(objects):
                break
    return version


def ready_condition(service: KubeObject) -> dict[str, Any] | None:
    """The Service's ``EgressReady`` condition, if the controller has set one."""
    conditions = (service.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == READY_CONDITION), None)


def is_ready(condition: dict[str, Any] | None) -> bool:
    return condition is not None and condition["status"] == "True"


def is_refused(condition: dict[str, Any] | None) -> bool:
    return condition is not None and condition["status"] == "False" and condition["reason"] in REFUSALS


def wait_until_ready(cluster: Cluster, service: KubeObject, changed: bool, timeout: float) -> KubeObject:
    """The Service once it is EgressReady; Refused if it never will be, TimedOut after ``timeout`` seconds.

    A condition that was there before a change may still speak of the past, and so may a refusal whose cause has
    just been removed elsewhere: those are believed once they change, or have had time to.
    """
    metadata = service["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    watched = Watched(SERVICE, namespace, fields=f"metadata.name={name}")
    deadline = monotonic() + timeout
    former = ready_condition(service)
    if former and (changed or is_refused(former)):
        settled = min(deadline, monotonic() + SETTLE_SECONDS)
        until(cluster, watched, lambda found: name not in found or ready_condition(found[name]) != former, settled)

    def decided(found: Objects) -> bool:
        condition = ready_condition(found[name]) if name in found else None
        return name not in found or is_ready(condition) or is_refused(condition)

    found = until(cluster, watched, decided, deadline).get(name)
    if found is None:
        raise EgressError(f"Service {namespace}/{name}: somebody deleted it while its egress pod was waited for")
    condition = ready_condition(found)
    if is_ready(condition):
        return found
    if condition and is_refused(condition):
        raise Refused(condition["reason"], condition["message"])
    raise TimedOut(
        f"Service {namespace}/{name}: condition {READY_CONDITION} is not True after {timeout:g} s: "
        f"{_condition_told(condition)}; {_last_event(cluster, namespace, name)}"
    )


def wait_until_withdrawn(cluster: Cluster, namespace: str, name: str, timeout: float) -> None:
    """Return once a deleted Service has neither an egress pod's controller nor a Bound lease; else TimedOut."""
    deadline = monotonic() + timeout
    controller = egress_pod_name(name)
    for resource in (REPLICATION_CONTROLLER, STATEFUL_SET):
        watched = Watched(resource, namespace, fields=f"metadata.name={controller}")
        if until(cluster, watched, lambda found: not found, deadline):
            raise TimedOut(
                f"Service {namespace}/{name}: {resource.kind} {controller} is still there after {timeout:g} s; "
                "its egress pod may be on a node that does not answer"
            )
    watched = Watched(EGRESS_LEASE, labels=f"{API_GROUP}/namespace={namespace}")
    bound = bound_leases(until(cluster, watched, lambda found: not bound_leases(found, name), deadline), name)
    if bound:
        raise TimedOut(
            f"Service {namespace}/{name}: EgressLease {bound[0]} is still Bound after {timeout:g} s; "
            "is the egress controller running?"
        )


def bound_leases(leases: Objects, service: str) -> list[str]:
    """Names of the leases that a service still holds."""
    return [
        name
        for name, lease in leases.items()
        if lease["spec"]["service"] == service and (lease.get("status") or {}).get("phase") == BOUND
    ]


def _condition_told(condition: dict[str, Any] | None) -> str:
    if condition is None:
        return "the egress controller has not set it, is it running?"
    return f"it is {condition['status']} ({condition['reason']}: {condition['message']})"


def _last_event(cluster: Cluster, namespace: str, name: str) -> str:
    """The newest Event of the Service, for the person who asks why; their rights may not reach so far."""
    fields = f"involvedObject.kind={SERVICE.kind},involvedObject.name={name}"
    try:
        events = cluster.list(EVENT, namespace, fields=fields)
    except ApiError as error:
        return f"its Events cannot be read: {error}"
    if not events:
        return "it has no Events"
    last = max(events, key=_event_time)
    return f"last Event: {last.get('type')} {last.get('reason')}: {last.get('message')}"


def _event_time(event: KubeObject) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
