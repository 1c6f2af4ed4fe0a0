# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_egress_service_info``: which secure egress services there are, and how they fare."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Mapping, Sequence

from ...annotations.annotation_json import load_json
from ...annotations.egress_pod import parse_egress_pod, read_service
from ...annotations.egress_service import EgressPod
from ...api.addresses import family_of
from ...api.conditions import find
from ...api.errors import EgressError, Forbidden, InvalidInput
from ...api.resources import (
    AVI_PROXY_ANNOTATION,
    EGRESS_LEASE,
    EGRESS_POD_ANNOTATION,
    MANAGED_LABEL,
    MANAGER,
    NAMESPACE_LABEL,
    REACHABLE_CONDITION,
    REPLICATION_CONTROLLER,
    SERVICE,
    SERVICE_LABEL,
    SOURCE_IPS_ANNOTATION,
    STATEFUL_SET,
    KubeObject,
    Resource,
    egress_pod_name,
)
from ...client.kube_client import KubeClient
from .. import waiting
from ..argument_specs import ArgumentSpec, refuse_empty
from ..lease import ipam_lease_info
from ..result import Result, returned
from ..waiting import ServiceName
from .definition import is_egress_service

SUBJECT = "avi_egress_service_info"

SPEC = ArgumentSpec(
    {
        "namespace": {"type": "str", "aliases": ["project"]},
        "name": {"type": "str"},
        "label_selector": {"type": "str"},
    }
)

Options = Mapping[str, Any]
Told = Mapping[str, Any]
"""A service as the modules return it."""

NOTHING: Told = {"service": None, "cluster_ip": None, "source_ips": [], "condition": None, "reachable": None}


def validate(options: Options) -> None:
    """Refuse a filter that would be taken for none."""
    refuse_empty(SUBJECT, options, SPEC.options)


def report(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """The secure egress services that pass the filters, by project and name; nothing is ever changed.

    Each kind of object is listed once. What somebody's rights do not reach to is None, with a warning.
    """
    namespace, name = options["namespace"], options["name"]
    fields = f"metadata.name={name}" if name else None
    listed = cluster.list(SERVICE, namespace, labels=options["label_selector"], fields=fields)
    services = sorted(filter(is_egress_service, listed), key=_name)
    warnings: list[str] = []
    leases = _leases(cluster, namespace, warnings)
    controllers = _controllers(cluster, options, services, warnings)
    found = [
        {
            **_head(service),
            **report_of(service),
            "leases": None if leases is None else leases.get(_name(service), []),
            "controllers": None if controllers is None else controllers.get(_name(service), []),
        }
        for service in services
    ]
    return Result(False, {}, {}, {"services": found}, warnings)


def _name(obj: KubeObject) -> ServiceName:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _head(service: KubeObject) -> Told:
    namespace, name = _name(service)
    annotations = service["metadata"]["annotations"]
    try:
        read_service(service)
        error = None
    except EgressError as refusal:
        error = str(refusal)
    return {
        "namespace": namespace,
        "name": name,
        "ready": waiting.is_ready(service),
        "egress_pod": _egress_pod(annotations[EGRESS_POD_ANNOTATION]),
        "avi_proxy": _json(annotations.get(AVI_PROXY_ANNOTATION), AVI_PROXY_ANNOTATION),
        "error": error,
    }


def _egress_pod(text: str) -> Told | None:
    """The annotation, with its defaults, as options of ``avi_egress_service``; None if it can't be read."""
    try:
        parsed = parse_egress_pod(text)
    except InvalidInput:
        return None
    return {
        "destination_ip": parsed.destination_ip,
        "destinations": _destinations(parsed),
        "hm_port": parsed.hm_port,
        "image": parsed.image,
        "node_selector": dict(parsed.node_selector),
        "tolerations": [dict(item) for item in parsed.tolerations] or None,
        "ha": parsed.ha,
        "network": parsed.network,
        "source_ip": list(parsed.source_ips) or None,
        "resolve": parsed.resolve,
        "probe": {"interval": parsed.probe.interval, "timeout": parsed.probe.timeout},
        "drain_seconds": parsed.drain_seconds,
    }


def _destinations(parsed: EgressPod) -> dict[str, dict[str, int]] | None:
    found: dict[str, dict[str, int]] = {}
    for to in parsed.destinations:
        port = f"{to.port}" if to.protocol == "TCP" else f"{to.port}/{to.protocol.lower()}"
        found.setdefault(to.host, {})[port] = to.host_port
    return found or None


def _json(text: str | None, annotation: str) -> Told | None:
    try:
        return None if text is None else load_json(text, SUBJECT, annotation)
    except InvalidInput:
        return None


def _leases(
    cluster: KubeClient, namespace: str | None, warnings: list[str]
) -> Mapping[ServiceName, list[ipam_lease_info.Told]] | None:
    """Of each service, by network and slot."""
    labels = f"{NAMESPACE_LABEL}={namespace}" if namespace else None
    listed = _readable(cluster, EGRESS_LEASE, None, warnings, labels=labels)
    if listed is None:
        return None
    found = defaultdict(list)
    for lease in sorted(map(ipam_lease_info.tell, listed), key=lambda lease: (lease["network"], lease["slot"])):
        found[lease["namespace"], lease["service"]].append(lease)
    return found


def _controllers(
    cluster: KubeClient, options: Options, services: Sequence[KubeObject], warnings: list[str]
) -> Mapping[ServiceName, list[Told]] | None:
    """What keeps the egress pods of each service; two while one takes over from the other.

    In the project, where the Service owns it, or in the egress controller's namespace, where labels say whose it is.
    """
    names = {service["metadata"]["uid"]: _name(service) for service in services}
    namespace, name = options["namespace"], options["name"]
    # Elsewhere they have other names.
    fields = f"metadata.name={egress_pod_name(name)}" if namespace and name else None
    found: dict[ServiceName, list[Told]] = defaultdict(list)
    here = _kept(cluster, namespace, warnings, fields=fields)
    if here is None:
        return None
    for controller in here:
        owners = [owner["uid"] for owner in controller["metadata"].get("ownerReferences") or ()]
        for owner in {names[uid] for uid in owners if uid in names} or _marked_for(controller):
            found[owner].append(_controller(controller))
    if namespace and not all(found.get(_name(service)) for service in services if waiting.is_ready(service)):
        apart = _kept(cluster, None, warnings, labels=f"{MANAGED_LABEL}={MANAGER},{NAMESPACE_LABEL}={namespace}")
        if apart is None:
            return None
        for controller in apart:
            for owner in _marked_for(controller):
                found[owner].append(_controller(controller))
    return found


def _kept(
    cluster: KubeClient, namespace: str | None, warnings: list[str], **selected: str | None
) -> list[KubeObject] | None:
    """ReplicationControllers and StatefulSets; None where one of the kinds may not be read."""
    found: list[KubeObject] = []
    for resource in (REPLICATION_CONTROLLER, STATEFUL_SET):
        listed = _readable(cluster, resource, namespace, warnings, **selected)
        if listed is None:
            return None
        found += listed
    return found


def _marked_for(controller: KubeObject) -> set[ServiceName]:
    """The service that the egress controller has made it for in its own namespace."""
    labels = controller["metadata"].get("labels") or {}
    if labels.get(MANAGED_LABEL) != MANAGER or SERVICE_LABEL not in labels or NAMESPACE_LABEL not in labels:
        return set()
    return {(labels[NAMESPACE_LABEL], labels[SERVICE_LABEL])}


def _controller(controller: KubeObject) -> Told:
    return {
        "kind": controller["kind"],
        "namespace": controller["metadata"]["namespace"],
        "name": controller["metadata"]["name"],
        "replicas": controller["spec"].get("replicas", 0),
        "ready_replicas": (controller.get("status") or {}).get("readyReplicas", 0),
    }


def _readable(
    cluster: KubeClient, resource: Resource, namespace: str | None, warnings: list[str], **selectors: str | None
) -> list[KubeObject] | None:
    """The objects; None, with a warning, if one's rights do not reach to them."""
    try:
        return cluster.list(resource, namespace, **selectors)
    except Forbidden as error:
        warnings.append(f"{resource.kind}: {error}")
        return None


def report_of(service: KubeObject | None) -> Told:
    """A Service with what its clients and its destinations see of it."""
    if service is None:
        return NOTHING
    annotated = (service["metadata"].get("annotations") or {}).get(SOURCE_IPS_ANNOTATION, "")
    sources = [address for address in annotated.split(",") if address]
    return {
        "service": returned(service),
        "cluster_ip": _cluster_ip(service["spec"], sources),
        "source_ips": sources,
        "condition": waiting.ready_condition(service),
        "reachable": find(service, REACHABLE_CONDITION),
    }


def _cluster_ip(spec: KubeObject, sources: Sequence[str]) -> str | None:
    """The one of the sources' family, which alone leads outside; the first one as long as there is no source."""
    preferred: str | None = spec.get("clusterIP")
    families = {family_of(source) for source in sources}
    return next((address for address in spec.get("clusterIPs") or () if family_of(address) in families), preferred)
