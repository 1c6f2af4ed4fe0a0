# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The plan for one secure egress service: desired against observed, and the writes still to be done.

Level-triggered: each function looks at what is there now and gives the writes that lead on from it, none where all
is in place. Nothing here talks to a server: a plan is carried out by ``apply``, or shown by check mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Iterable, Sequence

from ..annotations import service_type
from ..annotations.egress_service import EgressService
from ..api.conditions import Condition
from ..api.errors import EgressError, Refused
from ..api.merge_patch import merge_patch, patched
from ..api.reasons import Reason
from ..api.resources import (
    EGRESS_POD_ANNOTATION,
    MANAGED_LABEL,
    MANAGER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    REPLICATION_CONTROLLER,
    SERVICE,
    SOURCE_IPS_ANNOTATION,
    STATEFUL_SET,
    KubeObject,
    Resource,
    account_name,
    egress_pod_name,
    object_key,
    resource_of,
)
from ..api.writes import Write, delete, ensure
from ..ipam.cloud import EgressCloud
from ..ipam.network import EgressNetwork
from . import endpoint_slice, manifests, node_ports, placement, pod_template
from .accounts import scc_users, security_context_constraints, service_account, with_user_namespaces
from .pods import Refusal, is_finished, made_by, readiness


@dataclass(frozen=True)
class Plan:
    """The writes to be done now, in order, and what the Service's condition says after them."""

    writes: tuple[Write, ...]
    condition: Condition | None
    settled: bool = True
    """Whether no pod of an older rendering is left, so that addresses it may hold can be released."""
    successor: KubeObject | None = None
    """The pod for which these writes would begin to end one that runs; None if they do not."""


@dataclass(frozen=True)
class Observed:
    """What is there of one service, as the API server has it."""

    service: KubeObject | None = None
    controller: KubeObject | None = None
    """The ReplicationController."""
    stateful_set: KubeObject | None = None
    disruption_budget: KubeObject | None = None
    network_policy: KubeObject | None = None
    endpoint_slice: KubeObject | None = None
    service_account: KubeObject | None = None
    pods: tuple[KubeObject, ...] = ()
    """Pods that carry the egress pod's label, terminating ones too."""
    refusal: Refusal | None = None
    """Why pods that are missing can't be made."""
    scc: KubeObject | None = None
    has_scc: bool = False
    """Whether the platform serves SecurityContextConstraints at all."""
    elsewhere: Observed | None = None
    """What is there of its egress pods in the other placement, as long as they change it."""

    def parts(self) -> list[KubeObject]:
        """The objects that carry the egress pod's name and must be the service's own."""
        found = (self.controller, self.stateful_set, self.network_policy, self.disruption_budget)
        return [part for part in found if part]

    @property
    def running(self) -> list[KubeObject]:
        """Pods that may hold an address."""
        return [pod for pod in self.pods if not is_finished(pod)]

    @property
    def may_run(self) -> bool:
        """Whether pods run, or are still asked for."""
        controllers = filter(None, (self.controller, self.stateful_set))
        return bool(self.running) or any(controller["spec"].get("replicas") for controller in controllers)


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
    another controller made have to end first, and all those in the other placement.
    """
    for part in [*observed.parts(), *filter(None, [observed.endpoint_slice])]:
        _check_ours(service, cloud, part)
    elsewhere = observed.elsewhere or Observed()
    cloud = _as_told(service, cloud, network, sources, observed)
    render, found = _kept_controller(service, observed)
    rendered = render(service, cloud, network, sources)
    outdated = [pod for pod in observed.running if manifests.is_outdated(pod, rendered)]
    in_the_way = [pod for pod in outdated if not (service.egress_pod.ha and made_by(pod) == STATEFUL_SET.kind)]
    in_the_way += elsewhere.running
    ends_some = bool(outdated or elsewhere.running) and not (found and manifests.is_same_rendering(rendered, found))
    if in_the_way or elsewhere.may_run:
        rendered = render(service, cloud, network, sources, replicas=0)
    service_part = _service_part(service, sources, observed.service)
    writes = [
        *account_writes(cloud.uuid, placement.of(service, cloud).namespace, observed),
        *ensure(manifests.network_policy(service, cloud), observed.network_policy),
        *_end_all(elsewhere, service.name),
        *_end(observed.controller if service.egress_pod.ha else observed.stateful_set, observed.pods),
        *_controller_writes(rendered, found),
        *_budget_writes(service, cloud, observed.disruption_budget),
        *_slice_writes(service, cloud, service_part, observed),
        *_service_writes(service_part, observed.service),
    ]
    condition = readiness(observed.pods, in_the_way, sources, observed.refusal)
    return Plan(
        tuple(writes),
        condition,
        settled=not (outdated or elsewhere.may_run),
        successor=manifests.pod_of(rendered) if ends_some else None,
    )


def _as_told(
    service: EgressService, cloud: EgressCloud, network: EgressNetwork, sources: Sequence[str], observed: Observed
) -> EgressCloud:
    """The cloud with what the pods have been told of the cluster's own networks, if nothing else is to change in them.

    A node that comes or goes replaces no pod; a pod that is replaced anyway hears of all there are then.
    """
    render, controller = _kept_controller(service, observed)
    told = manifests.told_networks(controller)
    if controller is None or told in (None, cloud.inside.told(service.ip_family)):
        return cloud
    as_told = replace(cloud, told=told)
    rendered = render(service, as_told, network, sources)
    return as_told if manifests.is_same_rendering(rendered, controller) else cloud


def _kept_controller(service: EgressService, observed: Observed) -> tuple[Callable[..., KubeObject], KubeObject | None]:
    """How the object that keeps the service's pods is rendered, and as it is; None if it is not there yet."""
    if service.egress_pod.ha:
        return manifests.stateful_set, observed.stateful_set
    return manifests.replication_controller, observed.controller


def withdraw(namespace: str, name: str, observed: Observed) -> Plan:
    """The writes that end egress for a service that is gone, or no longer asks for it.

    The controller is scaled to 0, and deleted when its pods are gone (article, "Deleting the egress pod"); a
    Service that is still there loses only what this project had added to it.
    """
    elsewhere = observed.elsewhere or Observed()
    writes = _end_all(observed, name) + _end_all(elsewhere, name)
    if observed.endpoint_slice and _is_marked(observed.endpoint_slice):
        writes += [delete(observed.endpoint_slice)]
    if observed.service:
        writes += _service_writes(_service_without_egress(observed.service, namespace, name), observed.service)
    return Plan(tuple(writes), None, settled=not (observed.running or elsewhere.running))


def _end_all(observed: Observed, name: str) -> list[Write]:
    """The writes that end the egress pods of one placement, and then what they were kept by."""
    writes: list[Write] = []
    for controller in (observed.controller, observed.stateful_set):
        if controller and (_is_marked(controller) or _owned_by_service(controller, name)):
            writes += _end(controller, observed.pods)
    for guard in (observed.network_policy, observed.disruption_budget):
        if guard and (_is_marked(guard) or _owned_by_service(guard, name)) and not observed.running:
            writes += [delete(guard)]
    return writes


def wanted_parts(service: EgressService) -> tuple[Resource, ...]:
    """The kinds of object that ``serve`` makes for a service, beside the Service itself and the account."""
    if service.egress_pod.ha:
        return (NETWORK_POLICY, STATEFUL_SET, POD_DISRUPTION_BUDGET)
    return (NETWORK_POLICY, REPLICATION_CONTROLLER)


def shut(service: KubeObject, found: KubeObject | None) -> list[Write]:
    """The writes after which nobody comes in from outside by a Service that has egress, whatever else is wrong with it.

    A balancer's node ports are freed, as ever. A Service that is open in another way leads to no egress pod any more.
    ``found`` is its EndpointSlice.
    """
    metadata, spec = service["metadata"], service["spec"]
    is_led = (spec.get("selector") or {}).get("name") == egress_pod_name(metadata["name"])
    if EGRESS_POD_ANNOTATION not in (metadata.get("annotations") or {}) or not is_led:
        return []
    head = {"kind": SERVICE.kind, "metadata": {key: metadata[key] for key in ("name", "namespace")}}
    if not service_type.opens_a_door(service):
        return _service_writes(node_ports.without_node_ports(head, service), service)
    slices = [delete(found)] if found and _is_marked(found) else []
    return [*_service_writes({**head, "spec": {"selector": None}}, service), *slices]


def refuse(error: EgressError) -> Plan:
    """No writes at all: what already runs stays as it was, and the condition says why nothing follows."""
    return Plan((), Condition(False, error.reason, str(error)), settled=False)


def account_writes(cloud_uuid: str, namespace: str, observed: Observed) -> list[Write]:
    """The project's ServiceAccount and, where the platform has them, its place in the cloud's SCC."""
    account = ensure(service_account(cloud_uuid, namespace), observed.service_account)
    # OpenShift's label syncer looks at what a project's accounts may use when one comes, and does not watch SCCs.
    right = scc_writes(cloud_uuid, observed.scc, present=[namespace]) if observed.has_scc else []
    return [*right, *account]


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
    desired = with_user_namespaces({**security_context_constraints(cloud_uuid, ()), "users": users}, scc)
    return _for_this_version(ensure(desired, scc), scc)


def _end(controller: KubeObject | None, pods: Sequence[KubeObject]) -> list[Write]:
    """Scale a controller to 0, then delete it when its own pods are gone."""
    if controller is None:
        return []
    if controller["spec"].get("replicas"):
        return [_patch(controller, {"spec": {"replicas": 0}})]
    left = [pod for pod in pods if not is_finished(pod) and made_by(pod) in (None, controller["kind"])]
    return [] if left else [delete(controller)]


def _controller_writes(desired: KubeObject, observed: KubeObject | None) -> list[Write]:
    """As ``ensure``, and what somebody has added to the pod template goes."""
    if observed is None:
        return ensure(desired, None)
    wanted, found = desired["spec"]["template"], observed["spec"].get("template") or {}
    if pod_template.is_exact(wanted, found):
        return ensure(desired, observed)
    patch = merge_patch(desired, observed)
    spec = {**patch.get("spec", {}), "template": pod_template.replacement(wanted, found)}
    return [_patch(observed, {**patch, "spec": spec})]


def _budget_writes(service: EgressService, cloud: EgressCloud, observed: KubeObject | None) -> list[Write]:
    if service.egress_pod.ha:
        return ensure(manifests.disruption_budget(service, cloud), observed)
    return [delete(observed)] if observed else []


def _slice_writes(
    service: EgressService, cloud: EgressCloud, service_part: KubeObject, observed: Observed
) -> list[Write]:
    """The way to egress pods that the Service's selector does not reach; one that has another family is made anew."""
    found = observed.endpoint_slice
    if not placement.of(service, cloud).is_apart:
        return [delete(found)] if found else []
    ports = service_part["spec"].get("ports") or (observed.service or {}).get("spec", {}).get("ports") or ()
    desired = endpoint_slice.endpoint_slice(service, ports, observed.pods)
    if found and found["addressType"] != desired["addressType"]:
        return [delete(found)]
    return ensure(desired, found)


def _check_ours(service: EgressService, cloud: EgressCloud, obj: KubeObject) -> None:
    """Refused for what the controller has not made; owner references are no proof of that, as a tenant may set them.

    Releases before 0.2.0 set no mark. Their objects are known by owner, and those that make pods by the account too,
    which no tenant could give to an object of his.
    """
    pod_spec = obj.get("spec", {}).get("template", {}).get("spec")
    account = account_name(cloud.uuid)
    unmarked = _owned_by_service(obj, service.name) and (not pod_spec or pod_spec.get("serviceAccountName") == account)
    if not (_is_marked(obj) or unmarked):
        raise Refused(
            Reason.NAME_TAKEN,
            f"Service {service.namespace}/{service.name}: {object_key(obj)} exists and is not the egress controller's; "
            "rename or delete it",
        )


def _is_marked(obj: KubeObject) -> bool:
    return (obj["metadata"].get("labels") or {}).get(MANAGED_LABEL) == MANAGER


def _owned_by_service(obj: KubeObject, service: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner["kind"] == SERVICE.kind and owner["name"] == service for owner in owners)


def _service_part(service: EgressService, sources: Sequence[str], observed: KubeObject | None) -> KubeObject:
    ports = (observed or {}).get("spec", {}).get("ports") or ()
    part = manifests.service_part(service, sources, ports)
    return node_ports.without_node_ports(part, observed) if observed else part


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
    return node_ports.with_node_ports(desired, service)


def _service_writes(desired: KubeObject, observed: KubeObject | None) -> list[Write]:
    """The write to a Service that is there; one that is gone is never made anew.

    ``ports`` is one list, written as a whole: such a write is for exactly the version that was read, and no port that
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
