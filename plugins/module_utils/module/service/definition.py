# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The Service that a playbook's options ask for (article, "Creating a Secure Egress Service").

Pure: from options and what is observed to the desired object. What an option does not speak of stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping, Sequence

from ...annotations.egress_pod import intent_of, parse_egress_pod
from ...annotations.egress_service import EgressPod, EgressService
from ...api.errors import InvalidAnnotation, InvalidInput
from ...api.resources import (
    API_GROUP,
    AVI_PROXY_ANNOTATION,
    EGRESS_POD_ANNOTATION,
    LABEL_LENGTH,
    NAMESPACE_NAME,
    SERVICE,
    KubeObject,
    longest_service_name,
)
from ...workload.manifests import missing_ports

Options = Mapping[str, Any]

_SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ANNOTATION_KEYS = {
    "destination_ip": "destination_ip",
    "destinations": "destinations",
    "hm_port": "hm_port",
    "image": "image",
    "node_selector": "nodeSelector",
    "tolerations": "tolerations",
    "ha": "ha",
    "network": "network",
    "source_ip": "source_ip",
    "resolve": "resolve",
    "probe": "probe",
    "drain_seconds": "drainSeconds",
}
"""From option to key of the ``egress_pod`` annotation, in the annotation's order."""


def validate(options: Options) -> None:
    """Refuse wrong options in one sentence, by the same grammar that the controller reads annotations with."""
    subject = _subject(options)
    if not NAMESPACE_NAME.fullmatch(options["namespace"]):
        raise InvalidInput(subject, "namespace", options["namespace"], "give the name of a project")
    longest = LABEL_LENGTH if options["state"] == "absent" else longest_service_name(options["ha"])
    if len(options["name"]) > longest or not _SERVICE_NAME.fullmatch(options["name"]):
        raise InvalidInput(
            subject, "name", options["name"], f"give a DNS label that starts with a letter, up to {longest} long"
        )
    if options["state"] == "absent":
        return
    for field in ("labels", "annotations"):
        for key, value in (options[field] or {}).items():
            if not isinstance(value, str):
                raise InvalidInput(subject, f"{field}.{key}", value, "give a string, in quotes")
    for key in options["annotations"] or {}:
        if key in (EGRESS_POD_ANNOTATION, AVI_PROXY_ANNOTATION) or key.startswith(f"{API_GROUP}/"):
            raise InvalidInput(subject, "annotations", key, "this annotation is made from the module's other options")
    egress_pod = parse_egress_pod(egress_pod_text(options), subject)
    if options["ports"] or egress_pod.destinations:
        _definition(options, None, egress_pod)


def definition(options: Options, observed: KubeObject | None) -> KubeObject:
    """The desired Service, to be compared with what is observed; InvalidInput if it can't be made."""
    return _definition(options, observed, parse_egress_pod(egress_pod_text(options), _subject(options)))


def intent(options: Options, observed: KubeObject | None) -> EgressService:
    """What the controller will read from the desired Service."""
    egress_pod = parse_egress_pod(egress_pod_text(options), _subject(options))
    return _intent(_definition(options, observed, egress_pod), egress_pod)


def _definition(options: Options, observed: KubeObject | None, egress_pod: EgressPod) -> KubeObject:
    """With the ``egress_pod`` annotation parsed already, as reading it costs the most of many Services."""
    metadata: KubeObject = {"name": options["name"], "namespace": options["namespace"]}
    if options["labels"]:
        metadata["labels"] = dict(options["labels"])
    metadata["annotations"] = _annotations(options, observed, egress_pod)
    load_balancer = options["type"] == "LoadBalancer"
    spec: KubeObject = {
        "type": options["type"],
        "ports": _ports(options, observed, egress_pod),
        # A node port would let in anybody who reaches a node.
        "allocateLoadBalancerNodePorts": False if load_balancer else None,
    }
    spec.update(_ip_families(options, observed))
    desired = {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, "metadata": metadata, "spec": spec}
    _intent(desired, egress_pod)  # Refuses what makes no sense together.
    return desired


def _intent(desired: KubeObject, egress_pod: EgressPod) -> EgressService:
    return intent_of({**desired, "metadata": {"uid": "", **desired["metadata"]}}, egress_pod)


def new(desired: KubeObject) -> KubeObject:
    """The desired Service as the body of a create, which has no use for fields that are to be absent."""
    return {**desired, "spec": {key: value for key, value in desired["spec"].items() if value is not None}}


def egress_pod_text(options: Options) -> str:
    """The ``egress_pod`` annotation: the options that were given, as JSON."""
    given = {key: options[option] for option, key in _ANNOTATION_KEYS.items()}
    # Not by equality: 0 is a number of seconds.
    value = {key: item for key, item in given.items() if item is not None and item is not False}
    if "probe" in value:
        value["probe"] = {key: item for key, item in value["probe"].items() if item is not None}
    sources = value.get("source_ip")
    if sources and len(sources) == 1:
        value["source_ip"] = sources[0]
    return json.dumps(value)


def is_egress_service(service: KubeObject) -> bool:
    return EGRESS_POD_ANNOTATION in (service["metadata"].get("annotations") or {})


def _annotations(options: Options, observed: KubeObject | None, egress_pod: EgressPod) -> dict[str, str]:
    present = ((observed or {}).get("metadata", {}).get("annotations")) or {}
    wanted = dict(options["annotations"] or {})
    text = egress_pod_text(options)
    wanted[EGRESS_POD_ANNOTATION] = _same_egress_pod(present.get(EGRESS_POD_ANNOTATION), text, egress_pod)
    if options["avi_proxy"]:
        wanted[AVI_PROXY_ANNOTATION] = _same_json(present.get(AVI_PROXY_ANNOTATION), json.dumps(options["avi_proxy"]))
    return wanted


def _same_egress_pod(present: str | None, wanted: str, egress_pod: EgressPod) -> str:
    """The present text where it means the same: a hand-written annotation is not rewritten for its spaces."""
    if present is None or present == wanted:
        return wanted
    try:
        return present if parse_egress_pod(present) == egress_pod else wanted
    except InvalidAnnotation:
        return wanted


def _same_json(present: str | None, wanted: str) -> str:
    try:
        same = present is not None and json.loads(present) == json.loads(wanted)
    except ValueError:
        same = False
    return present if same and present is not None else wanted


def _ports(options: Options, observed: KubeObject | None, egress_pod: EgressPod) -> list[dict[str, Any]]:
    """The given ports and those that ``destinations`` need; without any given, the present ones (of those)."""
    destinations = egress_pod.destinations
    present: Sequence[dict[str, Any]] = ((observed or {}).get("spec") or {}).get("ports") or ()
    if options["ports"]:
        given = [_port(options, item) for item in options["ports"]]
        return [*given, *missing_ports(destinations, given)]
    if destinations:
        served = {(route.port, route.protocol) for route in destinations}
        kept = [item for item in present if (item["port"], item.get("protocol", "TCP")) in served]
        return [*kept, *missing_ports(destinations, kept)]
    if not present:
        raise InvalidInput(_subject(options), "ports", None, "a new service with destination_ip needs its ports")
    return list(present)


def _ip_families(options: Options, observed: KubeObject | None) -> KubeObject:
    """``ipFamilyPolicy`` and ``ipFamilies``, as far as options say so.

    Where two families may be had, the server adds the second: what it added to those asked for stays.
    """
    families, policy = options["ip_families"], options["ip_family_policy"]
    present = (observed or {}).get("spec") or {}
    has = present.get("ipFamilies") or []
    if families and (policy or present.get("ipFamilyPolicy")) != "SingleStack" and has[: len(families)] == families:
        families = has
    asked = {"ipFamilyPolicy": policy, "ipFamilies": families}
    return {key: value for key, value in asked.items() if value}


def _port(options: Options, item: Mapping[str, Any]) -> dict[str, Any]:
    protocol, number = item["protocol"], item["port"]
    for field in ("port", "target_port"):
        value = item[field]
        if value is not None and not 1 <= value <= 65535:
            raise InvalidInput(_subject(options), f"ports.{field}", value, "give a port from 1 to 65535")
    return {
        "name": item["name"] or f"{protocol.lower()}-{number}",
        "port": number,
        "protocol": protocol,
        "targetPort": item["target_port"] or number,
    }


def _subject(options: Options) -> str:
    return f"Service {options['namespace']}/{options['name']}"
