# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings a secure egress service into the state that a playbook asks for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Sequence

from . import service_definition, waiting
from .addresses import IP_FAMILIES, family_of
from .apply import apply
from .argument_specs import STATE, WAIT, ArgumentSpec
from .cluster import ApiError, Cluster
from .difference import merge_patch
from .errors import EgressError
from .outcome import Outcome, returned, shown
from .plan import Write, delete
from .resources import (
    EGRESS_CLOUD,
    SERVICE,
    SOURCE_IPS_ANNOTATION,
    KubeObject,
    object_key,
)

FORBIDDEN = 403
NOT_INSTALLED = f"the cluster has no {EGRESS_CLOUD.kind}: the role has not been run; run avi.egress.site"

SPEC = (
    STATE
    + WAIT
    + ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True, "aliases": ["project"]},
            "destination_ip": {"type": "str"},
            "destinations": {"type": "dict"},
            "ports": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str"},
                    "port": {"type": "int", "required": True},
                    "target_port": {"type": "int"},
                    "protocol": {"type": "str", "choices": ["TCP", "UDP"], "default": "TCP"},
                },
            },
            "hm_port": {"type": "int"},
            "image": {"type": "str"},
            "node_selector": {"type": "dict"},
            "ha": {"type": "bool", "default": False},
            "network": {"type": "str"},
            "source_ip": {"type": "list", "elements": "str"},
            "resolve": {"type": "str", "choices": ["ttl", "once"]},
            "avi_proxy": {"type": "dict"},
            "labels": {"type": "dict"},
            "annotations": {"type": "dict"},
            "type": {"type": "str", "choices": ["ClusterIP", "LoadBalancer"], "default": "ClusterIP"},
            "ip_families": {"type": "list", "elements": "str", "choices": list(IP_FAMILIES)},
            "ip_family_policy": {"type": "str", "choices": ["SingleStack", "PreferDualStack", "RequireDualStack"]},
        },
        mutually_exclusive=[("destination_ip", "destinations")],
        required_if=[("state", "present", ("destination_ip", "destinations"), True)],
    )
)

validate = service_definition.validate


def reconcile(cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    """The Service present and its egress ready, or absent and its address given back."""
    observed = cluster.get(SERVICE, options["name"], options["namespace"])
    if observed:
        _refuse_foreign(observed)
    if options["state"] == "absent":
        return _absent(cluster, options, check_mode, observed)
    return _present(cluster, options, check_mode, observed)


def _present(cluster: Cluster, options: Mapping[str, Any], check_mode: bool, observed: KubeObject | None) -> Outcome:
    if not cluster.serves(EGRESS_CLOUD):
        raise EgressError(NOT_INSTALLED)
    writes = _writes(service_definition.definition(options, observed), observed)
    stored = apply(cluster, writes, dry_run=check_mode)
    service = next(iter(stored), observed) or {}
    after = shown(service)
    if options["wait"] and not check_mode:
        with _after(bool(writes)):
            service = waiting.wait_until_ready(cluster, service, bool(writes), options["wait_timeout"])
    return Outcome(bool(writes), shown(observed), after, _values(service))


def _absent(cluster: Cluster, options: Mapping[str, Any], check_mode: bool, observed: KubeObject | None) -> Outcome:
    name, namespace = options["name"], options["namespace"]
    apply(cluster, [delete(observed)] if observed else [], dry_run=check_mode)
    warnings: list[str] = []
    if options["wait"] and not check_mode and cluster.serves(EGRESS_CLOUD):
        try:
            with _after(observed is not None):
                waiting.wait_until_withdrawn(cluster, namespace, name, options["wait_timeout"])
        except ApiError as error:
            if error.status != FORBIDDEN:
                raise
            warnings.append(f"Service {namespace}/{name}: whether its address is given back cannot be seen: {error}")
    return Outcome(observed is not None, shown(observed), {}, warnings=warnings)


@contextmanager
def _after(changed: bool) -> Iterator[None]:
    """Whoever waits in vain is told all the same that the Service was written."""
    try:
        yield
    except EgressError as error:
        error.changed = changed
        raise


def _writes(desired: KubeObject, observed: KubeObject | None) -> list[Write]:
    metadata = desired["metadata"]
    if observed is None:
        body = service_definition.new(desired)
        return [Write("create", SERVICE, metadata["namespace"], metadata["name"], body)]
    patch = merge_patch(desired, observed)
    return [Write("patch", SERVICE, metadata["namespace"], metadata["name"], patch)] if patch else []


def _refuse_foreign(service: KubeObject) -> None:
    """A Service that leads to an application's own pods is not to be turned into, or deleted as, an egress service."""
    if service["spec"].get("selector") and not service_definition.is_egress_service(service):
        raise EgressError(
            f"{object_key(service)} exists and is no secure egress service: it selects pods and has no egress_pod "
            "annotation; choose another name, or delete it"
        )


def _values(service: KubeObject) -> dict[str, Any]:
    annotated = (service["metadata"].get("annotations") or {}).get(SOURCE_IPS_ANNOTATION, "")
    sources = [address for address in annotated.split(",") if address]
    return {
        "service": returned(service),
        "cluster_ip": _cluster_ip(service["spec"], sources),
        "source_ips": sources,
        "condition": waiting.ready_condition(service),
    }


def _cluster_ip(spec: KubeObject, sources: Sequence[str]) -> str | None:
    """The one of the sources' family, which alone leads outside; the first one as long as there is no source."""
    preferred: str | None = spec.get("clusterIP")
    families = {family_of(source) for source in sources}
    return next((address for address in spec.get("clusterIPs") or () if family_of(address) in families), preferred)
