# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A secure egress service has no door to the world outside its cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Refused
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import patched
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.workload import plan
from ansible_collections.avi.egress.plugins.module_utils.workload.node_ports import NODE_PORTS_ANNOTATION
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed

from tests.support.builders import SOURCE, cloud, network, service_object

VIP = "172.46.161.187"
"""The article's, which its ``oc describe`` shows as external IP and as the balancer's own."""


def balanced(**fields: Any) -> KubeObject:
    """The article's sample after the API server has defaulted it."""
    port = {"name": "foo", "port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30289, "appProtocol": "http"}
    given = {"type": "LoadBalancer", "ports": [port], "allocateLoadBalancerNodePorts": True, **fields}
    return service_object(**given)


def service_patch(obj: KubeObject) -> KubeObject:
    """What the controller writes to the Service; empty if nothing."""
    wish = read_service(obj)
    assert wish is not None
    writes = plan.serve(wish, cloud(), network(), [SOURCE], Observed(service=obj)).writes
    return next((write.body for write in writes if write.resource.kind == "Service"), {})


def ended_patch(obj: KubeObject) -> KubeObject:
    """What is written to the Service when its annotation was removed."""
    metadata = obj["metadata"]
    writes = plan.withdraw(metadata["namespace"], metadata["name"], Observed(service=obj)).writes
    return next((write.body for write in writes if write.resource.kind == "Service"), {})


def without_nulls(obj: KubeObject) -> KubeObject:
    """As the API server stores it: a null in a port is an absent field."""
    ports = [{key: value for key, value in item.items() if value is not None} for item in obj["spec"]["ports"]]
    return patched(obj, {"spec": {"ports": ports}})


def test_a_balanced_service_loses_its_node_ports_and_keeps_the_rest_of_its_ports() -> None:
    obj = balanced()

    patch = service_patch(obj)

    assert patch["spec"]["allocateLoadBalancerNodePorts"] is False
    assert patch["spec"]["ports"] == [{**obj["spec"]["ports"][0], "nodePort": None}]
    assert patch["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]
    assert "type" not in patch["spec"]


def test_a_node_port_that_the_user_asks_for_goes_too() -> None:
    patch = service_patch(balanced(allocateLoadBalancerNodePorts=False))

    assert [item["nodePort"] for item in patch["spec"]["ports"]] == [None]
    assert NODE_PORTS_ANNOTATION not in patch["metadata"]["annotations"]


def test_ports_of_destinations_get_no_node_port_either() -> None:
    obj = balanced(egress_pod={"destinations": {"10.10.20.20": {"9080": "80"}}})

    ports = service_patch(obj)["spec"]["ports"]

    assert [(item["port"], item["nodePort"]) for item in ports] == [(80, None), (9080, None)]


def test_once_they_are_gone_nothing_is_written() -> None:
    obj = balanced()
    stored = without_nulls(patched(obj, service_patch(obj)))

    assert service_patch(stored) == {}


def test_a_cluster_ip_service_is_not_touched_beyond_its_selector() -> None:
    assert set(service_patch(service_object())["spec"]) == {"selector"}


def test_a_balanced_service_gets_node_ports_again_when_egress_ends() -> None:
    obj = balanced()
    served = without_nulls(patched(obj, service_patch(obj)))

    patch = ended_patch(served)

    assert patch["spec"] == {"selector": None, "allocateLoadBalancerNodePorts": True}
    assert patch["metadata"]["annotations"][NODE_PORTS_ANNOTATION] is None


def test_one_that_never_had_them_gets_none() -> None:
    obj = balanced(allocateLoadBalancerNodePorts=False, ports=[{"name": "foo", "port": 80, "protocol": "TCP"}])
    served = patched(obj, service_patch(obj))

    assert ended_patch(served)["spec"] == {"selector": None}


def test_a_service_that_is_no_load_balancer_any_more_only_loses_the_mark() -> None:
    obj = balanced()
    served = without_nulls(patched(obj, service_patch(obj)))
    plain = patched(served, {"spec": {"type": "ClusterIP", "allocateLoadBalancerNodePorts": None}})

    patch = ended_patch(plain)

    assert patch["spec"] == {"selector": None}
    assert NODE_PORTS_ANNOTATION not in patched(plain, patch)["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "NodePort"}, ("spec.type is NodePort", "reaches a node", "ClusterIP or LoadBalancer")),
        ({"type": "ExternalName", "externalName": "x.example"}, ("spec.type is ExternalName", "no virtual IP")),
        ({"clusterIP": "None"}, ("spec.clusterIP is None", "no virtual IP", "leave it out")),
        ({"externalIPs": ["10.70.112.61"]}, ("spec.externalIPs is 10.70.112.61", "leave it out")),
        ({"type": "LoadBalancer", "externalIPs": ["10.70.112.61", VIP]}, ("spec.externalIPs", "10.70.112.61")),
    ],
    ids=["NodePort", "ExternalName", "headless", "external IP", "external IP of a balanced service"],
)
def test_other_doors_are_refused_in_one_sentence(fields: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as caught:
        read_service(service_object(**fields))

    message = str(caught.value)
    assert caught.value.reason == "ServiceTypeNotAllowed"
    assert all(word in message for word in ("Service default/secure-egress-service", *words)), message
    assert "\n" not in message


def test_the_balancers_own_address_among_the_external_ips_is_the_articles() -> None:
    obj = balanced(externalIPs=[VIP])
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": VIP}]}}

    assert read_service(obj) is not None


def test_what_the_user_says_of_traffic_policies_stays() -> None:
    assert "externalTrafficPolicy" not in service_patch(balanced(externalTrafficPolicy="Local"))["spec"]


def led(**fields: Any) -> KubeObject:
    """One that leads to its egress pods, and asks for something that is refused."""
    return balanced(
        selector={"name": f"{service_object()['metadata']['name']}-avi-egress-pod"}, egress_pod="{", **fields
    )


def shut(obj: KubeObject, found: KubeObject | None = None) -> list[tuple[str, KubeObject]]:
    return [(write.verb, write.body.get("spec", {})) for write in plan.shut(obj, found)]


def test_a_refused_service_keeps_no_node_port_that_leads_to_its_egress_pods() -> None:
    obj = led()
    ((verb, spec),) = shut(obj)
    assert (verb, spec["allocateLoadBalancerNodePorts"]) == ("patch", False)
    assert [item["nodePort"] for item in spec["ports"]] == [None]
    (write,) = plan.shut(obj, None)
    assert plan.shut(without_nulls(patched(obj, write.body)), None) == [], "once it is shut nothing is written"


@pytest.mark.parametrize("fields", [{"type": "NodePort"}, {"externalIPs": ["10.70.112.61"]}])
def test_one_that_is_open_in_another_way_leads_to_no_egress_pod(fields: dict[str, Any]) -> None:
    labels = {"egress.avi.dev/managed-by": "egress-controller"}
    metadata = {"name": "x-avi-egress-pod", "namespace": "green", "uid": "7", "labels": labels}
    found = {"kind": "EndpointSlice", "metadata": metadata}
    assert shut(led(**fields)) == [("patch", {"selector": None})]
    assert shut(led(**fields), found) == [("patch", {"selector": None}), ("delete", {})]
    metadata["labels"] = {}
    assert shut(led(**fields), found) == [("patch", {"selector": None})], "a stranger's is no way of ours"


def test_what_leads_elsewhere_or_has_no_egress_stays_open() -> None:
    plain, elsewhere = led(), led()
    plain["metadata"] = {**plain["metadata"], "annotations": {}}
    elsewhere["spec"] = {**elsewhere["spec"], "selector": {"app": "shop"}}
    assert shut(plain) == shut(elsewhere) == shut({**led(), "spec": {**led()["spec"], "type": "ClusterIP"}}) == []
