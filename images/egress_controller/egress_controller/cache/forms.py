# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the caches keep of each kind of object: what is read of it, for tenants may make very many, and very long ones.

An object that is nobody's concern, or too long, is kept as an Outline. Whoever needs more of that asks the server.
"""

from __future__ import annotations

from typing import Any, Callable, Collection

import msgspec
from ansible_collections.avi.egress.plugins.module_utils.annotations.annotation_json import MAX_LENGTH
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import conditions_of, find
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    AVI_PROXY_ANNOTATION,
    CLOUD_LABEL,
    EGRESS_POD_ANNOTATION,
    MANAGED_LABEL,
    NAMESPACE_LABEL,
    READY_CONDITION,
    SERVICE_LABEL,
    SOURCE_IPS_ANNOTATION,
    KubeObject,
    egress_pod_name,
)
from ansible_collections.avi.egress.plugins.module_utils.workload import exposure
from ansible_collections.avi.egress.plugins.module_utils.workload.endpoint_slice import MANAGED_BY_LABEL, SERVED_LABEL
from ansible_collections.avi.egress.plugins.module_utils.workload.manifests import CONTAINER_NAME
from ansible_collections.avi.egress.plugins.module_utils.workload.node_ports import NODE_PORTS_ANNOTATION
from ansible_collections.avi.egress.plugins.module_utils.workload.placement import NAME_LABEL
from ansible_collections.avi.egress.plugins.module_utils.workload.pod_refusals import LONGEST_WORDS
from ansible_collections.avi.egress.plugins.module_utils.workload.service_status import CONDITIONS

from egress_controller.runtime.informer import Form

LONGEST = 16 * 1024
"""Bytes of JSON that are kept of an object beside its annotations; ours have less."""
LONGEST_NAME = 253
SERVICE_ANNOTATIONS = (EGRESS_POD_ANNOTATION, AVI_PROXY_ANNOTATION, SOURCE_IPS_ANNOTATION, NODE_PORTS_ANNOTATION)
PART_LABELS = (NAME_LABEL, MANAGED_LABEL, NAMESPACE_LABEL, SERVICE_LABEL, SERVED_LABEL, MANAGED_BY_LABEL)

_HEAD = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")
_SERVICE_SPEC = (
    "allocateLoadBalancerNodePorts",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "ipFamilies",
    "ports",
    "selector",
    "type",
)
_EVENT = ("eventTime", "firstTimestamp", "lastTimestamp", "reason")
_ABOUT = ("kind", "name", "namespace", "uid")


class Outline(dict[str, Any]):
    """What is kept of an object that is not kept whole: never a base for a decision or a write."""


def is_marked(service: KubeObject) -> bool:
    """Whether a service asks for egress or still carries what is left of it: annotation or condition."""
    annotations = service["metadata"].get("annotations") or {}
    if EGRESS_POD_ANNOTATION in annotations or SOURCE_IPS_ANNOTATION in annotations:
        return True
    return find(service, READY_CONDITION) is not None


def _service(obj: KubeObject) -> KubeObject:
    """A marked one with what is read of it, of any other its cluster IPs.

    An annotation that is too long is cut where it is still too long, and so refused by the same sentence.
    """
    kept, spec = _head(obj), obj.get("spec") or {}
    annotations = obj["metadata"].get("annotations") or {}
    if own := {key: annotations[key][: MAX_LENGTH + 1] for key in SERVICE_ANNOTATIONS if key in annotations}:
        kept["metadata"]["annotations"] = own
    outline = {"spec": _of(spec, ("clusterIPs",))}
    if not is_marked(obj):
        return Outline(kept | outline)
    rest = {"spec": _of(spec, _SERVICE_SPEC), "status": _of(obj.get("status") or {}, ("conditions", "loadBalancer"))}
    if _is_short(rest):
        return kept | rest
    ours = [condition for condition in conditions_of(obj) if condition["type"] in CONDITIONS]
    return Outline(kept | outline | {"status": {"conditions": ours}})


def _part(obj: KubeObject) -> KubeObject:
    """What bears the name of what the controller makes; others only have its labels, and are none of it."""
    kept = _head(obj, PART_LABELS)
    whole = _with_rest(kept, obj)
    is_named_so = obj["metadata"]["name"].endswith(egress_pod_name(""))
    return whole if is_named_so and _is_short(whole) else Outline(kept)


def _policy(obj: KubeObject) -> KubeObject:
    """Any may let somebody in to an egress pod, whatever it is called."""
    if not exposure.is_named_as_own(obj):
        return exposure.outline(obj)
    kept = _part(obj)
    return Outline(exposure.outline(obj) | {"metadata": kept["metadata"]}) if isinstance(kept, Outline) else kept


def _failed_create(event: KubeObject) -> KubeObject:
    about = event.get("involvedObject") or {}
    kept = _head(event) | _of(event, _EVENT)
    kept["involvedObject"] = {key: str(about[key])[:LONGEST_NAME] for key in _ABOUT if key in about}
    if last := (event.get("series") or {}).get("lastObservedTime"):
        kept["series"] = {"lastObservedTime": last}
    if str(about.get("name", "")).endswith(egress_pod_name("")):
        kept["message"] = str(event.get("message", ""))[: 4 * LONGEST_WORDS]
    return kept


def _namespace(obj: KubeObject) -> KubeObject:
    """Selectors of clouds may ask for any of its labels."""
    return _head(obj, obj["metadata"].get("labels") or ())


def _account(obj: KubeObject) -> KubeObject:
    return _head(obj, (CLOUD_LABEL,)) | _of(obj, ("automountServiceAccountToken",))


def _pod(obj: KubeObject) -> KubeObject:
    """Any of its labels may have a policy be for it; of its spec, where it runs and what its router is told."""
    kept, spec = _with_rest(_head(obj, obj["metadata"].get("labels") or ()), obj), obj["spec"]
    routers = [item for item in spec.get("containers") or () if item["name"] == CONTAINER_NAME]
    return {
        **kept,
        "spec": {**_of(spec, ("nodeName",)), "containers": [_of(item, ("name", "env")) for item in routers]},
    }


def _api_servers(endpoint_slice: KubeObject) -> KubeObject:
    return {**_head(endpoint_slice), "endpoints": endpoint_slice.get("endpoints")}


def _head(obj: KubeObject, labels: Collection[str] = ()) -> KubeObject:
    """Which object it is, with some of its labels."""
    metadata = obj["metadata"]
    kept = _of(metadata, _HEAD)
    if found := _of(metadata.get("labels") or {}, labels):
        kept["labels"] = found
    return {**_of(obj, ("apiVersion", "kind")), "metadata": kept}


def _with_rest(head: KubeObject, obj: KubeObject) -> KubeObject:
    """All that an object has outside of its metadata, and there its owners."""
    metadata = {**head["metadata"], **_of(obj["metadata"], ("ownerReferences",))}
    return {**obj, "metadata": metadata}


def _of(obj: KubeObject, keys: Collection[str]) -> KubeObject:
    return {key: obj[key] for key in keys if key in obj}


def _is_short(content: Any) -> bool:
    return len(msgspec.json.encode(content)) <= LONGEST


def _form(pack: Callable[[KubeObject], KubeObject]) -> Form:
    """What an informer lists, it has packed before it tells of it: an Outline comes here again, and stays one."""
    return Form(lambda obj: obj if isinstance(obj, Outline) else pack(obj), lambda kept: kept)


SERVICES = _form(_service)
PARTS_OF_OURS = _form(_part)
POLICIES = _form(_policy)
FAILED_CREATES = _form(_failed_create)
NAMESPACES = _form(_namespace)
ACCOUNTS = _form(_account)
API_SERVERS = _form(_api_servers)
PODS = _form(_pod)
HEADS = _form(_head)
"""Of what only has to be known that it changed."""
