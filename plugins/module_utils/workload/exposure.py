# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What else leads to an egress pod, or takes traffic for its addresses, than its own rules say: pure functions.

NetworkPolicies add up, so any other one of a project that selects an egress pod lets in whom it names. And a node takes
traffic for each external IP of a Service, be it a leased address or a destination.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Mapping, Sequence

from ..annotations.avi_proxy import parse_avi_proxy
from ..api.addresses import canonical
from ..api.conditions import Condition
from ..api.errors import EgressError
from ..api.reasons import Reason
from ..api.resources import AVI_PROXY_ANNOTATION, WIDENED_CONDITION, KubeObject, egress_pod_name
from .network_policy import METADATA_NAME_LABEL, namespace_peer
from .placement import NAME_LABEL

MOST_NAMED = 3
"""NetworkPolicies in one sentence; a name has up to 253 characters."""
LONGEST_SELECTOR = 4096
"""Characters of a foreign policy's podSelector that are kept."""
_ANYBODY = ""
"""Stands among the names of projects for everybody else, addresses outside the cluster included."""


@dataclass(frozen=True)
class EgressPods:
    """The egress pods of one service, as NetworkPolicies see them."""

    namespace: str
    """Where they are."""
    name: str
    """Of their own NetworkPolicy, and their label ``name``."""
    project: str
    """The service's namespace."""
    has_rules: bool
    """Whether ``avi_proxy`` says who is admitted. Without it all pods of the project are, and no policy adds them."""
    labels: Sequence[Mapping[str, str]] = ()
    """Those of each pod that is there: a StatefulSet gives its pods more than the one that all have."""

    @property
    def known_labels(self) -> Sequence[Mapping[str, str]]:
        return self.labels or ({NAME_LABEL: self.name},)


def has_rules(service: KubeObject) -> bool:
    """Whether a Service's ``avi_proxy`` says who is admitted; so it may have, where it can't be read."""
    text = (service["metadata"].get("annotations") or {}).get(AVI_PROXY_ANNOTATION)
    try:
        return text is not None and parse_avi_proxy(text) is not None
    except EgressError:
        return True


def widening(policies: Iterable[KubeObject], pods: EgressPods) -> Iterator[str]:
    """The names of the NetworkPolicies that let in to egress pods whom the service's own rules don't."""
    for policy in policies:
        metadata, spec = policy["metadata"], policy.get("spec") or {}
        if metadata["namespace"] != pods.namespace or metadata["name"] == pods.name or not _is_for_ingress(spec):
            continue
        if not any(_selects(spec.get("podSelector") or {}, labels) for labels in pods.known_labels):
            continue
        if _admitted(policy) - (set() if pods.has_rules else {pods.project}):
            yield str(metadata["name"])


def widened(pod: str, names: Iterable[str]) -> dict[str, Condition | None]:
    """What a Service says of the NetworkPolicies that ``widening`` has found, by condition type: nothing of none.

    ``pod``: the label ``name`` of its egress pods.
    """
    found = sorted(names)
    if not found:
        return {WIDENED_CONDITION: None}
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    message = (
        "others are let in to the egress pod past this service's own rules, for NetworkPolicies add up, by: "
        f"{', '.join(found[:MOST_NAMED])}{more}; except pods with the label name={pod} by the podSelector"
    )
    return {WIDENED_CONDITION: Condition(True, Reason.OTHER_POLICIES_ADMIT, message)}


def is_own(policy: KubeObject) -> bool:
    """Whether a NetworkPolicy can be an egress pod's own, and selects that pod alone: it widens no other's."""
    name: str = policy["metadata"]["name"]
    selector: Any = (policy.get("spec") or {}).get("podSelector")
    return is_named_as_own(policy) and bool(selector == {"matchLabels": {NAME_LABEL: name}})


def outline(policy: KubeObject) -> KubeObject:
    """Of a policy that is no egress pod's own, what ``widening`` asks for: a project may have many, and long ones.

    A podSelector that is too long to be kept counts as one that selects all pods.
    """
    metadata, spec = policy["metadata"], policy.get("spec") or {}
    selector = spec.get("podSelector") or {}
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
    admitted = sorted(_admitted(policy))
    return {
        **{key: policy[key] for key in ("apiVersion", "kind") if key in policy},
        "metadata": kept,
        "spec": {
            "podSelector": selector if len(str(selector)) <= LONGEST_SELECTOR else {},
            "policyTypes": ["Ingress"] if _is_for_ingress(spec) else ["Egress"],
            # Of several projects, at least one is another one.
            "ingress": [{}] if _ANYBODY in admitted else [{"from": [namespace_peer(name)]} for name in admitted[:2]],
        },
    }


def external_ips(services: Iterable[KubeObject], addresses: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each Service (``namespace/name``) that has one of the addresses as an external IP, with that address."""
    wanted = set(addresses)
    for service in services:
        # As they are written there: an IPv6 address may be spelt in more than one way.
        for written in (service.get("spec") or {}).get("externalIPs") or ():
            address = canonical(written) or written
            if address in wanted:
                yield f"{service['metadata']['namespace']}/{service['metadata']['name']}", address


def is_named_as_own(policy: KubeObject) -> bool:
    """Whether a NetworkPolicy has the name and the label of an egress pod's own."""
    name: str = policy["metadata"]["name"]
    return name.endswith(egress_pod_name("")) and (policy["metadata"].get("labels") or {}).get(NAME_LABEL) == name


def _is_for_ingress(spec: Mapping[str, Any]) -> bool:
    """Without ``policyTypes`` every policy is (NetworkPolicySpec)."""
    return "Ingress" in (spec.get("policyTypes") or ["Ingress"])


def _admitted(policy: KubeObject) -> set[str]:
    """The projects whose pods a policy's ingress rules let in, all of them or some; ``_ANYBODY`` where it is others."""
    namespace = policy["metadata"]["namespace"]
    found: set[str] = set()
    for rule in (policy.get("spec") or {}).get("ingress") or ():
        peers: Sequence[Mapping[str, Any]] = rule.get("from") or ({"ipBlock": {}},)
        for peer in peers:
            found |= _projects(peer, namespace)
    return found


def _projects(peer: Mapping[str, Any], namespace: str) -> set[str]:
    """A peer's projects: its namespaceSelector's, where that goes by name; without one the policy's own."""
    selector = peer.get("namespaceSelector")
    if peer.get("ipBlock") is not None:
        return {_ANYBODY}
    if selector is None:
        return {namespace}
    if name := (selector.get("matchLabels") or {}).get(METADATA_NAME_LABEL):
        return {name}
    for item in selector.get("matchExpressions") or ():
        if item["key"] == METADATA_NAME_LABEL and item["operator"] == "In":
            return set(item["values"])
    return {_ANYBODY}


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches; an empty one matches everything."""
    same = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return same and all(_meets(item, labels) for item in selector.get("matchExpressions") or ())


def _meets(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement["key"]), requirement.get("values") or ()
    operator: str = requirement["operator"]
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) == (operator == "Exists")
    return (value in values) == (operator == "In")
