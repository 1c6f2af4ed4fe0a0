# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The caches keep little of what tenants may make very long, and what they keep is judged as the whole would be."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidAnnotation
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_POD_ANNOTATION, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.workload import exposure, plan
from ansible_collections.avi.egress.plugins.module_utils.workload.manifests import environment_of
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed
from ansible_collections.avi.egress.plugins.module_utils.workload.termination_message import source_of
from egress_controller.cache import forms
from egress_controller.cache.forms import LONGEST, Outline, is_marked
from egress_controller.runtime.informer import Form

from tests.support.kept_memory import kept

LONG = "x" * 250_000
MANY = 10
MOST_BYTES = 4096
"""Of one object that is none of ours, as Python keeps it."""


def obj(kind: str, name: str, **rest: Any) -> KubeObject:
    """One of a tenant's, filled with what nobody reads."""
    metadata = {
        "name": name,
        "namespace": "green",
        "uid": "1",
        "resourceVersion": "7",
        "labels": {"name": name, "long": LONG},
        "annotations": {"long": LONG},
        "managedFields": [{"manager": LONG}],
        "finalizers": [LONG],
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, **rest.pop("metadata", {})}, **rest}


def service(annotations: dict[str, str] | None = None, **spec: Any) -> KubeObject:
    given = {"type": "ClusterIP", "clusterIPs": ["172.30.0.7"], "ports": [{"port": 80, "targetPort": 80}], **spec}
    return obj("Service", "shop", metadata={"annotations": {"long": LONG, **(annotations or {})}}, spec=given)


def ports(count: int) -> list[KubeObject]:
    return [{"name": f"port-{port}", "port": port, "targetPort": port} for port in range(1000, 1000 + count)]


EVENT = {"reason": "FailedCreate", "message": LONG, "involvedObject": {"name": LONG, "namespace": "green", "uid": LONG}}
FOREIGN: list[tuple[Form, KubeObject]] = [
    (forms.SERVICES, service()),
    (forms.SERVICES, service({"avi_proxy": ""}, ports=ports(9000), selector={LONG: "x"}, externalIPs=[LONG])),
    (forms.PARTS_OF_OURS, obj("ReplicationController", "shop", spec={"template": LONG})),
    (forms.PARTS_OF_OURS, obj("ReplicationController", "shop-avi-egress-pod", spec={"template": LONG})),
    (forms.PARTS_OF_OURS, obj("StatefulSet", "web-avi-egress-pod", metadata={"ownerReferences": [{"name": LONG}]})),
    (forms.POLICIES, obj("NetworkPolicy", "all", spec={"podSelector": {"matchLabels": {LONG: "x"}}})),
    (forms.POLICIES, obj("NetworkPolicy", "shop-avi-egress-pod", spec={"podSelector": {"matchLabels": {LONG: "x"}}})),
    (forms.FAILED_CREATES, obj("Event", "failed", **EVENT)),
    (forms.ACCOUNTS, obj("ServiceAccount", "avivantage-x", imagePullSecrets=[{"name": LONG}])),
    (forms.PODS, obj("Pod", "shop-avi-egress-pod-abcde", metadata={"labels": {"name": "shop"}}, spec={})),
    (forms.HEADS, obj("ResourceQuota", "quota", spec={"hard": {LONG: "1"}})),
    (forms.NAMESPACES, obj("Namespace", "green", metadata={"labels": {"team": "green"}})),
]


@pytest.mark.parametrize(("form", "given"), FOREIGN, ids=lambda value: value["kind"] if isinstance(value, dict) else "")
def test_long_objects_of_tenants_take_little_memory(form: Form, given: KubeObject) -> None:
    packed, size = kept(form.pack, json.dumps(given), MANY)
    assert size < MOST_BYTES
    assert [form.pack(one) for one in packed] == packed, "an informer packs twice what it lists"
    assert [type(form.pack(one)) for one in packed] == [type(one) for one in packed]


@pytest.mark.parametrize("annotation", ["egress_pod", "avi_proxy"])
@pytest.mark.parametrize("text", [LONG, '{"a": "' + LONG + '"}', "\U0001f511" * 60_000])
def test_an_annotation_that_is_too_long_is_refused_by_the_same_sentence(annotation: str, text: str) -> None:
    whole = service({EGRESS_POD_ANNOTATION: '{"destination_ip": "192.0.2.7"}', annotation: text})
    kept = forms.SERVICES.pack(copy.deepcopy(whole))
    assert len(json.dumps(kept)) < LONGEST * 14, "no more of it than is read, of characters of 12 bytes in JSON"
    assert refusal(kept) == refusal(whole)
    assert "at most 16384 characters" in refusal(kept)


def refusal(given: KubeObject) -> str:
    with pytest.raises(InvalidAnnotation) as refused:
        read_service(given)
    return str(refused.value)


def test_a_service_that_asks_for_egress_is_kept_with_all_that_is_decided_on() -> None:
    spec = {"ports": ports(64), "selector": {"name": "x"}, "ipFamilies": ["IPv4"], "externalIPs": ["192.0.2.9"]}
    status = {"conditions": [{"type": "Other"}], "loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}
    text = '{"destination_ip": "192.0.2.7"}'
    whole = {**service({EGRESS_POD_ANNOTATION: text}, type="LoadBalancer", **spec), "status": status}
    kept = forms.SERVICES.pack(whole)
    assert not isinstance(kept, Outline)
    assert read_service(kept) == read_service(whole)
    assert (kept["spec"], kept["status"]) == (whole["spec"], status)
    writes = [plan.withdraw("green", "shop", Observed(service=given)).writes for given in (kept, whole)]
    assert writes[0] == writes[1]


def test_a_service_whose_ports_are_too_many_to_keep_is_still_known_to_ask_and_to_say_so() -> None:
    ready = {"type": "EgressReady", "status": "True"}
    asking = service({EGRESS_POD_ANNOTATION: "{}"}, ports=ports(9000))
    says = {**service(ports=ports(9000)), "status": {"conditions": [ready, {"type": "Other"}]}}
    for given in (asking, says):
        kept = forms.SERVICES.pack(given)
        assert isinstance(kept, Outline)
        assert is_marked(kept)


def test_of_a_service_that_asks_for_nothing_no_ports_are_kept() -> None:
    kept = forms.SERVICES.pack(service(ports=ports(9)))
    assert isinstance(kept, Outline)
    assert kept["spec"] == {"clusterIPs": ["172.30.0.7"]}


def test_a_policy_named_as_an_egress_pods_own_hides_nothing_by_its_length() -> None:
    given = obj(
        "NetworkPolicy",
        "forged-avi-egress-pod",
        spec={"podSelector": {}, "ingress": [{}, {"from": [{"ipBlock": {"cidr": LONG}}]}]},
    )
    pods = exposure.EgressPods("green", "shop-avi-egress-pod", "green", has_rules=False)
    assert list(exposure.widening([forms.POLICIES.pack(given)], pods)) == ["forged-avi-egress-pod"]


def test_what_the_controller_has_made_is_kept_whole_but_for_strangers_labels_and_annotations() -> None:
    owner = [{"kind": "Service", "name": "shop", "uid": "2", "controller": True}]
    labels = {"name": "shop-avi-egress-pod", "egress.avi.dev/managed-by": "egress-controller"}
    spec = {"replicas": 1, "template": {"metadata": {"annotations": {"a": "b"}}, "spec": {"containers": []}}}
    metadata = {"labels": {**labels, "long": LONG}, "ownerReferences": owner}
    kept = forms.PARTS_OF_OURS.pack(obj("ReplicationController", "shop-avi-egress-pod", metadata=metadata, spec=spec))
    assert not isinstance(kept, Outline)
    assert (kept["spec"], kept["metadata"]["ownerReferences"], kept["metadata"]["labels"]) == (spec, owner, labels)
    assert kept["metadata"].keys() == {"name", "namespace", "uid", "resourceVersion", "labels", "ownerReferences"}


def test_of_a_refused_pods_event_the_words_are_kept_as_far_as_they_are_told() -> None:
    about = {"kind": "StatefulSet", "name": "shop-avi-egress-pod", "namespace": "green", "uid": "2", "fieldPath": "x"}
    series = {"count": 2, "lastObservedTime": "t"}
    given = obj("Event", "failed", **{**EVENT, "involvedObject": about, "series": series})
    kept = forms.FAILED_CREATES.pack(given)
    assert kept["message"].startswith("x" * 1024)
    assert kept["involvedObject"] == {key: about[key] for key in ("kind", "name", "namespace", "uid")}
    assert kept["series"] == {"lastObservedTime": "t"}


def test_of_a_pods_spec_its_node_and_what_its_router_is_told_are_kept() -> None:
    told = [{"name": "EGRESS_SOURCE", "value": "192.0.2.7"}, {"name": "NODE", "valueFrom": {"fieldRef": {}}}]
    router = {"name": "avi-egress-router", "env": told}
    beside = {"name": "sidecar", "env": [{"name": "LONG", "value": LONG}]}
    spec = {
        "nodeName": "a",
        "containers": [beside, {**router, "image": LONG, "volumeMounts": [LONG]}],
        "volumes": [LONG],
    }
    status = {"phase": "Running", "containerStatuses": [{"name": "sidecar"}], "podIP": "10.0.0.7"}
    whole = obj("Pod", "shop-avi-egress-pod-abcde", spec=spec, status=status)
    kept = forms.PODS.pack(whole)
    assert (kept["spec"], kept["status"]) == ({"nodeName": "a", "containers": [router]}, status)
    assert environment_of(kept["spec"]) == environment_of(spec) == {"EGRESS_SOURCE": "192.0.2.7", "NODE": None}
    assert source_of(kept) == source_of(whole) == "192.0.2.7"
