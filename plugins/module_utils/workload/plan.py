# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Desired against observed for one secure egress service: who admits it, and which writes are still to be done.

Level-triggered: each function looks at what is there now and gives the writes that lead on from it, none where all
is in place. Nothing here talks to a server: a plan is carried out by ``apply``, or shown by check mode.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Collection, Iterable, Mapping, Sequence

from ..annotations import service_type
from ..api.errors import EgressError, InvalidInput, Refused
from ..api.merge_patch import merge_patch, patched
from ..api.resources import (
    EGRESS_POD_ANNOTATION,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    READY_CONDITION,
    REPLICATION_CONTROLLER,
    SERVED_CONDITION,
    SERVICE,
    SOURCE_IPS_ANNOTATION,
    STATEFUL_SET,
    KubeObject,
    Resource,
    egress_pod_name,
    object_key,
    resource_of,
)
from ..model import EgressCloud, EgressNetwork, EgressService, choose_network
from . import manifests
from .accounts import scc_users, security_context_constraints, service_account

MAX_LABEL_LENGTH = 63
REVISION_HASH_LENGTH = 11
"""What a StatefulSet adds to its name in its pods' label ``controller-revision-hash``."""
WAITING_MESSAGE_LENGTH = 120
"""Characters of a container's waiting message that a condition repeats."""
WAITS_FOR = "its log says whether it waits for the name of a destination to resolve or for its source address"


@dataclass(frozen=True)
class Write:
    """One write: ``create`` (body is the object), ``patch`` (body is a JSON merge patch) or ``delete`` (no body)."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str
    body: KubeObject = field(default_factory=dict)
    uid: str | None = None
    """Of a delete: the one object meant, so that its successor of the same name is spared."""

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.verb} {self.resource.kind} {where}"


@dataclass(frozen=True)
class Condition:
    """The Service's ``EgressReady`` condition (Kubernetes API conventions, "Typical status properties")."""

    ready: bool
    reason: str
    message: str

    @property
    def status(self) -> str:
        return "True" if self.ready else "False"


@dataclass(frozen=True)
class Plan:
    """The writes to be done now, in order, and what the Service's condition says after them."""

    writes: tuple[Write, ...]
    condition: Condition | None
    settled: bool = True
    """Whether no pod of an older rendering is left, so that addresses it may hold can be released."""


@dataclass(frozen=True)
class Observed:
    """What is there of one service, as the API server has it."""

    service: KubeObject | None = None
    controller: KubeObject | None = None
    """The ReplicationController."""
    stateful_set: KubeObject | None = None
    disruption_budget: KubeObject | None = None
    network_policy: KubeObject | None = None
    service_account: KubeObject | None = None
    pods: tuple[KubeObject, ...] = ()
    """Pods that carry the egress pod's label, terminating ones too."""
    scc: KubeObject | None = None
    has_scc: bool = False
    """Whether the platform serves SecurityContextConstraints at all."""

    def parts(self) -> list[KubeObject]:
        """The objects that carry the egress pod's name and must be the service's own."""
        found = (self.controller, self.stateful_set, self.network_policy, self.disruption_budget)
        return [part for part in found if part]


def admit(
    service: EgressService,
    clouds: Iterable[EgressCloud],
    networks: Mapping[str, EgressNetwork],
    namespace: KubeObject,
) -> tuple[EgressCloud, Sequence[EgressNetwork]]:
    """The cloud that serves a project and the networks it may lease from, best first (design §3.2).

    Refused says which of cloud, mode, IP family, image, ``avi_proxy`` rules or network stands in the way.
    """
    subject = f"Service {service.namespace}/{service.name}"
    including = [cloud for cloud in clouds if cloud.includes(namespace)]
    if not including:
        raise Refused(
            "ProjectNotIncluded", f"{subject}: no EgressCloud includes project {service.namespace}; see spec.projects"
        )
    if len(including) > 1:
        names = ", ".join(sorted(cloud.name for cloud in including))
        raise Refused(
            "AmbiguousCloud", f"{subject}: EgressClouds {names} all include project {service.namespace}; one may"
        )
    cloud = including[0]
    if not cloud.secure_egress_mode:
        raise Refused(
            "SecureEgressModeOff",
            f"{subject}: EgressCloud {cloud.name} has spec.secureEgressMode false; set it to true for egress pods",
        )
    _check_supported(service, subject)
    manifests.router_image(cloud, service)
    manifests.network_policy(service)
    check_named(service, networks)
    wanted = service.egress_pod.network
    allowed = choose_network(cloud, networks, namespace, wanted)
    if not allowed:
        which = f"EgressNetwork {wanted} is not of EgressCloud {cloud.name}, or does not allow"
        which = which if wanted else f"no EgressNetwork of EgressCloud {cloud.name} allows"
        raise Refused(
            "NetworkNotAllowed", f"{subject}: {which} project {service.namespace}; see spec.allowedNamespaces"
        )
    return cloud, allowed


def check_named(service: EgressService, networks: Collection[str]) -> None:
    """Refused where a service names a network that is none of these."""
    wanted = service.egress_pod.network
    if wanted and wanted not in networks:
        raise Refused(
            "NetworkNotFound",
            f"Service {service.namespace}/{service.name}: egress_pod.network names EgressNetwork {wanted!r}, and there "
            "is none",
        )


def check_stays(service: EgressService, networks: Iterable[EgressNetwork], held: Collection[str]) -> None:
    """Refused where a service would leave the networks that it ``held`` addresses of, and nothing but an edit of theirs
    sends it away: an address does not change under a running service.

    A network or an address that its annotation names is the service's own wish.
    """
    wish = service.egress_pod
    if wish.network or wish.source_ips or not held or {network.name for network in networks} & set(held):
        return
    raise Refused(
        "NetworkNotAllowed",
        f"Service {service.namespace}/{service.name}: it holds an address of EgressNetwork {', '.join(sorted(held))}, "
        f"which project {service.namespace} may not lease from any more; allow it there again, or send the service to "
        "another one by egress_pod.network",
    )


def _check_supported(service: EgressService, subject: str) -> None:
    """Refuse what the egress pod or its leases cannot do, before anything is made for it."""
    longest = MAX_LABEL_LENGTH - len(egress_pod_name("")) - (REVISION_HASH_LENGTH if service.egress_pod.ha else 0)
    if len(service.name) > longest:
        raise InvalidInput(
            subject, "metadata.name", service.name, f"give a name of up to {longest} characters: a pod label holds it"
        )
    if service.ip_family not in service.ip_families:
        raise Refused(
            "IPFamilyMissing",
            f"{subject}: spec.ipFamilies is {', '.join(service.ip_families)}, and {EGRESS_POD_ANNOTATION} asks for "
            f"{service.ip_family}; set spec.ipFamilyPolicy to PreferDualStack and add {service.ip_family} to "
            "spec.ipFamilies",
        )


def serve(
    service: EgressService,
    cloud: EgressCloud,
    network: EgressNetwork,
    sources: Sequence[str],
    observed: Observed,
) -> Plan:
    """The writes that make an admitted service with its leased addresses work.

    Isolation comes before the pod, and the Service points to the pod last. A ReplicationController would start the
    new pod beside the old one, so it is held at 0 replicas while pods of an older rendering are there: no two
    pods are ever asked to hold one address. A StatefulSet sees to that by itself, ordinal by ordinal; only pods that
    another controller made have to end first.
    """
    for part in observed.parts():
        _check_owned(service, part)
    render = manifests.stateful_set if service.egress_pod.ha else manifests.replication_controller
    rendered = render(service, cloud, network, sources)
    running = [pod for pod in observed.pods if not is_finished(pod)]
    outdated = [pod for pod in running if manifests.is_outdated(pod, rendered)]
    in_the_way = [pod for pod in outdated if not (service.egress_pod.ha and made_by(pod) == STATEFUL_SET.kind)]
    if in_the_way:
        rendered = render(service, cloud, network, sources, replicas=0)
    writes = [
        *account_writes(cloud.uuid, service.namespace, observed),
        *ensure(manifests.network_policy(service), observed.network_policy),
        *_end(observed.controller if service.egress_pod.ha else observed.stateful_set, observed.pods),
        *ensure(rendered, observed.stateful_set if service.egress_pod.ha else observed.controller),
        *_budget_writes(service, observed.disruption_budget),
        *_service_writes(_service_part(service, sources, observed.service), observed.service),
    ]
    condition = _readiness(observed.pods, in_the_way, sources)
    return Plan(tuple(writes), condition, settled=not outdated)


def withdraw(namespace: str, name: str, observed: Observed) -> Plan:
    """The writes that end egress for a service that is gone, or no longer asks for it.

    The controller is scaled to 0, and deleted when its pods are gone (article, "Deleting the egress pod"); a
    Service that is still there loses only what this project had added to it.
    """
    writes: list[Write] = []
    ended = all(is_finished(pod) for pod in observed.pods)
    for controller in (observed.controller, observed.stateful_set):
        if controller and _owned_by_service(controller, name):
            writes += _end(controller, observed.pods)
    for guard in (observed.network_policy, observed.disruption_budget):
        if guard and _owned_by_service(guard, name) and ended:
            writes += [delete(guard)]
    if observed.service:
        writes += _service_writes(_service_without_egress(observed.service, namespace, name), observed.service)
    return Plan(tuple(writes), None, settled=ended)


def wanted_parts(service: EgressService) -> tuple[Resource, ...]:
    """The kinds of object that ``serve`` makes for a service, beside the Service itself and the account."""
    if service.egress_pod.ha:
        return (NETWORK_POLICY, STATEFUL_SET, POD_DISRUPTION_BUDGET)
    return (NETWORK_POLICY, REPLICATION_CONTROLLER)


def refuse(error: EgressError) -> Plan:
    """No writes at all: what already runs stays as it was, and the condition says why nothing follows (design §3.1)."""
    return Plan((), Condition(False, error.reason, str(error)), settled=False)


def account_writes(cloud_uuid: str, namespace: str, observed: Observed) -> list[Write]:
    """The project's ServiceAccount and, where the platform has them, its place in the cloud's SCC."""
    writes = ensure(service_account(cloud_uuid, namespace), observed.service_account)
    return writes + scc_writes(cloud_uuid, observed.scc, present=[namespace]) if observed.has_scc else writes


def scc_writes(
    cloud_uuid: str, scc: KubeObject | None, present: Iterable[str] = (), absent: Iterable[str] = ()
) -> list[Write]:
    """The cloud's SCC with the users of some projects (namespaces) added and of others taken away.

    ``users`` is one list, written as a whole: the write is for exactly the version that was read, so that nobody
    who adds a project at the same time is lost (the later one meets a Conflict).
    """
    if scc is None:
        return ensure(security_context_constraints(cloud_uuid, present), None) if present else []
    users = scc_users(scc.get("users") or (), cloud_uuid, present, absent)
    return _for_this_version(ensure({**security_context_constraints(cloud_uuid, ()), "users": users}, scc), scc)


def ensure(desired: KubeObject, observed: KubeObject | None) -> list[Write]:
    """The write, if any, that makes an object hold what is desired of it."""
    metadata, resource = desired["metadata"], resource_of(desired)
    if observed is None:
        return [Write("create", resource, metadata.get("namespace"), metadata["name"], desired)]
    patch = merge_patch(desired, observed)
    return [Write("patch", resource, metadata.get("namespace"), metadata["name"], patch)] if patch else []


def delete(obj: KubeObject) -> Write:
    """The deletion of exactly this object."""
    metadata = obj["metadata"]
    return Write("delete", resource_of(obj), metadata.get("namespace"), metadata["name"], uid=metadata["uid"])


def service_conditions(condition: Condition | None, sources: Sequence[str] = ()) -> dict[str, Condition | None]:
    """What a Service says, by type: whether it is ready (None: not a word), and once it was, with which addresses."""
    if condition is None:
        return {READY_CONDITION: None, SERVED_CONDITION: None}
    served = {SERVED_CONDITION: _served(sources)} if condition.ready else {}
    return {READY_CONDITION: condition, **served}


def has_served(service: KubeObject, sources: Sequence[str]) -> bool:
    """Whether a Service says that it has been ready with these addresses."""
    conditions = (service.get("status") or {}).get("conditions") or ()
    return any(item["type"] == SERVED_CONDITION and item["message"] == _served(sources).message for item in conditions)


def _served(sources: Sequence[str]) -> Condition:
    return Condition(True, "HasBeenReady", f"traffic has left from {','.join(sources)}")


def conditions_patch(service: KubeObject, wanted: Mapping[str, Condition | None], now: str) -> KubeObject:
    """The merge patch of the Service's status that makes it carry the conditions (None: none of a type).

    Empty where it does.
    """
    conditions: list[dict[str, Any]] = (service.get("status") or {}).get("conditions") or []
    present = {item["type"]: item for item in conditions}
    kept = [item for item in conditions if item["type"] not in wanted]
    said = [_said(kind, condition, present.get(kind), now) for kind, condition in wanted.items() if condition]
    desired = [*kept, *said]
    return {} if {item["type"]: item for item in desired} == present else {"status": {"conditions": desired}}


def _said(kind: str, condition: Condition, present: dict[str, Any] | None, now: str) -> dict[str, Any]:
    since = present["lastTransitionTime"] if present and present["status"] == condition.status else now
    said = {"status": condition.status, "reason": condition.reason, "message": condition.message}
    return {**(present or {}), "type": kind, **said, "lastTransitionTime": since}


def _end(controller: KubeObject | None, pods: Sequence[KubeObject]) -> list[Write]:
    """Scale a controller to 0, then delete it when its own pods are gone."""
    if controller is None:
        return []
    if controller["spec"].get("replicas"):
        return [_patch(controller, {"spec": {"replicas": 0}})]
    left = [pod for pod in pods if not is_finished(pod) and made_by(pod) in (None, controller["kind"])]
    return [] if left else [delete(controller)]


def _budget_writes(service: EgressService, observed: KubeObject | None) -> list[Write]:
    if service.egress_pod.ha:
        return ensure(manifests.disruption_budget(service), observed)
    return [delete(observed)] if observed else []


def made_by(pod: KubeObject) -> str | None:
    """The kind of the controller that made the pod; None if that has let go of it."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), None)


def _readiness(pods: Sequence[KubeObject], outdated: Sequence[KubeObject], sources: Sequence[str]) -> Condition:
    if outdated:
        return Condition(False, "Replacing", "the egress pod of the former configuration is ending")
    ready = [pod for pod in pods if is_ready(pod)]
    if len(ready) >= len(sources):
        return Condition(True, "EgressReady", f"traffic leaves from {','.join(sources)}")
    if ready:
        waiting = [pod for pod in pods if pod not in ready]
        told = f"{len(ready)} of {len(sources)} egress pods are ready; {_why_waiting(waiting)}"
        return Condition(True, "Degraded", told)
    return Condition(False, "WaitingForPod", _why_waiting(pods))


def is_finished(pod: KubeObject) -> bool:
    """Whether all of a pod's containers have ended for good, as an evicted pod's have: it holds no address any more.

    Such a pod may stay for days, and a ReplicationController that is scaled to 0 does not remove it.
    """
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: KubeObject) -> bool:
    """Whether the pod may have traffic: its Ready condition is True and nobody has asked it to end."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _why_waiting(pods: Sequence[KubeObject]) -> str:
    """What kubelet or the scheduler say about the pod that is not ready, so that nobody has to look for it."""
    for pod in pods:
        status = pod.get("status") or {}
        for container in status.get("containerStatuses") or ():
            waiting = (container.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") != "ContainerCreating":
                message = str(waiting.get("message", ""))[:WAITING_MESSAGE_LENGTH]
                return f"pod {pod['metadata']['name']}: {waiting.get('reason')}: {message}"
        for item in status.get("conditions") or ():
            if item["type"] == "PodScheduled" and item["status"] == "False":
                message = str(item.get("message", ""))[:WAITING_MESSAGE_LENGTH]
                return f"pod {pod['metadata']['name']}: {item.get('reason')}: {message}"
        if any("running" in (item.get("state") or {}) for item in status.get("containerStatuses") or ()):
            return f"pod {pod['metadata']['name']} runs and is not ready: {WAITS_FOR}"
    return "the egress pod is starting"


def _check_owned(service: EgressService, obj: KubeObject | None) -> None:
    if obj and not _owned_by_service(obj, service.name):
        raise Refused(
            "NameTaken",
            f"Service {service.namespace}/{service.name}: {object_key(obj)} exists and is not the egress controller's; "
            "rename or delete it",
        )


def _owned_by_service(obj: KubeObject, service: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner["kind"] == SERVICE.kind and owner["name"] == service for owner in owners)


def _service_part(service: EgressService, sources: Sequence[str], observed: KubeObject | None) -> KubeObject:
    ports = (observed or {}).get("spec", {}).get("ports") or ()
    part = manifests.service_part(service, sources, ports)
    return service_type.without_node_ports(part, observed) if observed else part


def _service_without_egress(service: KubeObject, namespace: str, name: str) -> KubeObject:
    desired: KubeObject = {"kind": SERVICE.kind, "metadata": {"name": name, "namespace": namespace}}
    if SOURCE_IPS_ANNOTATION in (service["metadata"].get("annotations") or {}):
        desired["metadata"]["annotations"] = {SOURCE_IPS_ANNOTATION: None}
    if (service["spec"].get("selector") or {}) == {"name": egress_pod_name(name)}:
        desired["spec"] = {"selector": None}
    ports = service["spec"].get("ports") or []
    own = manifests.own_ports(ports)
    if own and own != ports:  # a Service keeps at least one port
        desired.setdefault("spec", {})["ports"] = own
    return service_type.with_node_ports(desired, service)


def _service_writes(desired: KubeObject, observed: KubeObject | None) -> list[Write]:
    """The write to a Service that is there; one that is gone is never made anew.

    ``ports`` is one list, written as a whole: such a write is for exactly the version that was read, lest a port that
    the user adds meanwhile is lost.
    """
    if observed is None:
        return []
    writes = ensure(desired, observed)
    if "ports" not in desired.get("spec", {}):
        return writes
    return _for_this_version(writes, observed)


def _for_this_version(writes: Iterable[Write], observed: KubeObject) -> list[Write]:
    """The same patches, each to meet a Conflict unless the object is still as it was observed."""
    version = {"resourceVersion": observed["metadata"]["resourceVersion"]}
    return [replace(write, body=patched(write.body, {"metadata": version})) for write in writes]


def _patch(obj: KubeObject, body: KubeObject) -> Write:
    metadata = obj["metadata"]
    return Write("patch", resource_of(obj), metadata["namespace"], metadata["name"], body)
