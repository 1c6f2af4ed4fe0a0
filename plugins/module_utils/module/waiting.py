# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Waiting by watch: what is looked for are pure predicates, and there is one loop for all of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import Any, Callable, Collection, Dict, Iterable, Mapping, Sequence, Tuple

from ..api.conditions import WrittenCondition, find, is_refused, is_true
from ..api.errors import ApiError, EgressError, Expired, Refused
from ..api.reasons import Reason
from ..api.resources import (
    EGRESS_LEASE,
    EGRESS_NETWORK,
    EVENT,
    NAMESPACE_LABEL,
    READY_CONDITION,
    RELEASES_CONDITION,
    REPLICATION_CONTROLLER,
    SERVICE,
    STATEFUL_SET,
    KubeObject,
    egress_pod_name,
)
from ..client.connection import ConnectionFailed
from ..client.kube_client import KubeClient, Selection
from ..ipam.lease_status import BOUND
from ..ipam.leases import CONTROLLER, claimed_by

SETTLE_SECONDS = 3.0
"""How long a condition that was there before may speak of the past: the controller reconciles within 1 s."""
SETTLE_SECONDS_OF_EACH = 0.1
"""How much longer for each further Service that is changed at the same time: they are reconciled in turn."""

ALLOCATORS = frozenset({"ipallocator-repair-controller", "portallocator-repair-controller"})
"""As whom the API server tells in Events that its records of cluster addresses and ports disagree with a Service.

Since Kubernetes 1.33 the first does so now and then of a Service that has just been made, and is right again at once.
"""


class TimedOut(EgressError):
    """What was waited for did not happen in time."""

    reason = Reason.TIMED_OUT


Objects = Dict[str, KubeObject]
"""What is there of the watched objects, by ``key``."""


ServiceName = Tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Awaited:
    """A Service of which some conditions are to become True, EgressReady among them."""

    service: KubeObject
    """As it is when the wait begins."""
    changed: bool
    """Whether it has just been written."""
    kinds: Sequence[str] = (READY_CONDITION,)

    @property
    def key(self) -> str:
        return key(self.service["metadata"])


def key(metadata: Mapping[str, Any]) -> str:
    """``namespace/name``, or only the name of what is in no namespace."""
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def until(cluster: KubeClient, watched: Selection, done: Callable[[Objects], bool], deadline: float) -> Objects:
    """The watched objects as soon as ``done`` is true of them, or as they are at the deadline (``monotonic()``)."""
    while True:
        items, version = cluster.list_with_version(
            watched.resource, watched.namespace, labels=watched.labels, fields=watched.fields
        )
        objects = {key(item["metadata"]): item for item in items}
        try:
            while not done(objects) and (left := deadline - monotonic()) > 0:
                version = _follow(cluster, watched, objects, version, done, left)
            return objects
        except (Expired, ConnectionFailed):
            continue  # what was missed is in the next list; a server that is gone for good fails that one


def _follow(
    cluster: KubeClient,
    watched: Selection,
    objects: Objects,
    version: str,
    done: Callable[[Objects], bool],
    seconds: float,
) -> str:
    """Keep ``objects`` current by one watch request, until they are done or it ends; the version to go on from."""
    with closing(cluster.watch(watched, version=version, timeout=seconds)) as events:  # type: ignore[type-var]
        for kind, obj in events:
            metadata = obj["metadata"]
            version = metadata["resourceVersion"]
            if kind == "DELETED":
                objects.pop(key(metadata), None)
            else:
                objects[key(metadata)] = obj
            if done(objects):
                break
    return version


def ready_condition(service: KubeObject) -> WrittenCondition | None:
    """The Service's ``EgressReady`` condition, if the controller has set one."""
    return find(service, READY_CONDITION)


def is_ready(service: KubeObject) -> bool:
    """Whether the Service says that its traffic leaves from its own addresses."""
    return is_true(service, READY_CONDITION)


def meets(service: KubeObject, kinds: Sequence[str]) -> bool:
    """Whether the Service says that all of these conditions hold."""
    return all(is_true(service, kind) for kind in kinds)


def until_decided(cluster: KubeClient, watched: Selection, awaited: Sequence[Awaited], deadline: float) -> Objects:
    """What is there of the watched Services once each awaited one is as awaited, refused or gone, or at the deadline.

    A condition that was there before a change may still speak of the past, and so may a refusal whose cause has
    just been removed elsewhere: those are believed once they change, or have had time to.
    """
    kinds = {item.key: item.kinds for item in awaited}
    former = {item.key: _said(item.service, item.kinds) for item in awaited}
    doubtful = {
        item.key
        for item in awaited
        if any(former[item.key]) and (item.changed or is_refused(ready_condition(item.service)))
    }
    if doubtful:
        seconds = SETTLE_SECONDS + SETTLE_SECONDS_OF_EACH * (len(doubtful) - 1)
        until(cluster, watched, _Moved(kinds, former, doubtful), min(deadline, monotonic() + seconds))

    def decided(found: Objects) -> bool:
        services = ((found[name], kinds[name]) for name in kinds if name in found)
        return all(meets(service, some) or is_refused(ready_condition(service)) for service, some in services)

    return until(cluster, watched, decided, deadline)


def _said(service: KubeObject, kinds: Sequence[str]) -> Sequence[WrittenCondition | None]:
    return [find(service, kind) for kind in kinds]


class _Moved:
    """Whether the conditions of each of some Services have once been others than formerly; they may be back since."""

    def __init__(self, kinds: Mapping[str, Sequence[str]], former: Mapping[str, Any], doubtful: Iterable[str]) -> None:
        self._kinds = kinds
        self._former = former
        self._left = set(doubtful)

    def __call__(self, found: Objects) -> bool:
        self._left = {
            name for name in self._left & set(found) if _said(found[name], self._kinds[name]) == self._former[name]
        }
        return not self._left


def why_not_met(
    cluster: KubeClient, service: str, found: Objects, timeout: float, kinds: Sequence[str] = (READY_CONDITION,)
) -> EgressError:
    """Why a Service (its ``key``) is not as awaited that was waited for ``timeout`` seconds."""
    if service not in found:
        return EgressError(f"Service {service}: somebody deleted it while its egress pod was waited for")
    condition = ready_condition(found[service])
    if condition and is_refused(condition):
        return Refused(Reason(condition["reason"]), condition["message"])
    namespace, name = service.split("/")
    kind = next(item for item in kinds if not is_true(found[service], item))
    return TimedOut(
        f"Service {service}: condition {kind} is not True after {timeout:g} s: "
        f"{_condition_told(kind, find(found[service], kind))}; {_last_event(cluster, namespace, name)}"
    )


def what_stays(
    cluster: KubeClient, namespace: str | None, services: Collection[ServiceName], deadline: float, timeout: float
) -> dict[ServiceName, str]:
    """Deleted Services of which something is left at the deadline, each with a sentence about what; else none.

    ``namespace`` is that of all of them, None if there are several.
    """
    controllers = {f"{project}/{egress_pod_name(name)}": (project, name) for project, name in services}
    one = f"metadata.name={egress_pod_name(next(iter(services))[1])}" if len(services) == 1 else None
    for resource in (REPLICATION_CONTROLLER, STATEFUL_SET):
        watched = Selection(resource, namespace, fields=one)
        found = until(cluster, watched, lambda found: not controllers.keys() & found.keys(), deadline)
        if left := [(project, name) for item, (project, name) in controllers.items() if item in found]:
            why = f"is still there after {timeout:g} s; its egress pod may be on a node that does not answer"
            return {
                (project, name): f"Service {project}/{name}: {resource.kind} {egress_pod_name(name)} {why}"
                for project, name in left
            }
    watched = Selection(EGRESS_LEASE, labels=f"{NAMESPACE_LABEL}={namespace}" if namespace else None)
    bound = bound_leases(until(cluster, watched, lambda found: not bound_leases(found, services), deadline), services)
    stopped = _stopped_releases(cluster) if bound else {}
    return {
        (project, name): f"Service {project}/{name}: EgressLease {lease} is still Bound after {timeout:g} s; "
        + stopped.get(lease.split(".")[0], "is the egress controller running?")
        for lease, (project, name) in reversed(bound.items())  # of two leases the first is told
    }


def _stopped_releases(cluster: KubeClient) -> dict[str, str]:
    """What each network says that gives nothing up for now; nothing of those that the user may not read."""
    try:
        networks = cluster.list(EGRESS_NETWORK)
    except ApiError:
        return {}
    found = {network["metadata"]["name"]: find(network, RELEASES_CONDITION) for network in networks}
    return {name: told["message"] for name, told in found.items() if told and told["status"] == "False"}


def bound_leases(leases: Objects, services: Collection[ServiceName]) -> dict[str, ServiceName]:
    """The leases, by name, that some services still hold and that go with them: not those that were taken ahead."""
    held = {
        name: lease
        for name, lease in leases.items()
        if (lease.get("status") or {}).get("phase") == BOUND and claimed_by(lease) == CONTROLLER
    }
    owners = {name: (lease["spec"]["namespace"], lease["spec"]["service"]) for name, lease in held.items()}
    return {name: owner for name, owner in owners.items() if owner in services}


def _condition_told(kind: str, condition: WrittenCondition | None) -> str:
    if condition is None and kind != READY_CONDITION:
        return "the egress controller has heard nothing about it yet"
    if condition is None:
        return "the egress controller has not set it, is it running?"
    return f"it is {condition['status']} ({condition['reason']}: {condition['message']})"


def _last_event(cluster: KubeClient, namespace: str, name: str) -> str:
    """The newest Event of the Service, for the person who asks why; their rights may not reach so far."""
    fields = f"involvedObject.kind={SERVICE.kind},involvedObject.name={name}"
    try:
        events = [event for event in cluster.list(EVENT, namespace, fields=fields) if not _is_bookkeeping(event)]
    except ApiError as error:
        return f"its Events cannot be read: {error}"
    if not events:
        return "it has no Events"
    last = max(events, key=_event_time)
    return f"last Event: {last.get('type')} {last.get('reason')}: {last.get('message')}"


def _is_bookkeeping(event: KubeObject) -> bool:
    """Whether the API server tells of its own records, and so of nothing that the egress pod waits for."""
    return event.get("reportingComponent") in ALLOCATORS


def _event_time(event: KubeObject) -> str:
    """When it was seen last: of one that is repeated, ``series`` tells it (events.k8s.io/v1)."""
    repeated = (event.get("series") or {}).get("lastObservedTime")
    return str(
        repeated or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    )
