# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What else leads to an egress pod, or takes traffic for its addresses, than its own rules say: pure functions.

NetworkPolicies add up, so any other one of a project that selects an egress pod lets in whom it names. And a node takes
traffic for each external IP of a Service, be it a leased address or a destination.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping, Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.addresses import canonical
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject


def widening(policies: Iterable[KubeObject], namespace: str, pod: str, *, own_rules: bool) -> Iterator[str]:
    """The names of the NetworkPolicies that let others into a service's egress pods, which have the label ``pod``.

    ``own_rules``: whether the service has an ``avi_proxy`` annotation. Without one all pods of its project are
    admitted, and a policy that admits some of them adds nobody.
    """
    for policy in policies:
        metadata, spec = policy["metadata"], policy.get("spec") or {}
        if metadata["namespace"] != namespace or metadata["name"] == pod:
            continue
        selects = _is_for_ingress(spec) and _selects(spec.get("podSelector") or {}, {"name": pod})
        if selects and any(_adds(rule, own_rules) for rule in spec.get("ingress") or ()):
            yield str(metadata["name"])


def external_ips(services: Iterable[KubeObject], addresses: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each Service (``namespace/name``) that has one of the addresses as an external IP, with that address."""
    wanted = set(addresses)
    for service in services:
        # As they are written there: an IPv6 address may be spelt in more than one way.
        for written in (service.get("spec") or {}).get("externalIPs") or ():
            address = canonical(written) or written
            if address in wanted:
                yield f"{service['metadata']['namespace']}/{service['metadata']['name']}", address


def _is_for_ingress(spec: Mapping[str, Any]) -> bool:
    """Without ``policyTypes`` every policy is (NetworkPolicySpec)."""
    return "Ingress" in (spec.get("policyTypes") or ["Ingress"])


def _adds(rule: Mapping[str, Any], own_rules: bool) -> bool:
    """Whether an ingress rule lets in anybody else than the project's own pods; with own rules, anybody at all."""
    peers: Sequence[Mapping[str, Any]] = rule.get("from") or ()
    return not peers or own_rules or any("namespaceSelector" in peer or "ipBlock" in peer for peer in peers)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches; an empty one matches everything."""
    same = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return same and all(_meets(item, labels) for item in selector.get("matchExpressions") or ())


def _meets(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement["key"]), requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
