# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Placements: where the egress pods of a service are, what they are called there, and how they move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, longest_service_name
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import GATEWAY, PROJECT, EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.workload import placement, plan
from ansible_collections.avi.egress.plugins.module_utils.workload.endpoint_slice import endpoint_slice
from ansible_collections.avi.egress.plugins.module_utils.workload.manifests import network_policy
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, Plan

from tests.support.builders import SOURCE, cloud, network, service, service_object
from tests.support.observed import carried_out, pod_of

HOME = "avi-egress"
NAME = "secure-egress-service"
SINGLE = {"destination_ip": "10.0.0.1"}
HA = {**SINGLE, "ha": True}
PODS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}


def placed(where: str) -> EgressCloud:
    return replace(cloud(placement=where), controller_namespace=HOME)


def served(where: str, observed: Observed, egress_pod: Any = None) -> Plan:
    sources = [SOURCE, "10.70.112.156"] if (egress_pod or {}).get("ha") else [SOURCE]
    return plan.serve(service(egress_pod), placed(where), network(), sources, observed)


def pod(controller: KubeObject, ready: bool = True, address: str = "10.244.1.7", number: int = 0) -> KubeObject:
    made = pod_of(controller, ready, podIPs=[{"ip": address}])
    owner = {"kind": controller["kind"], "name": controller["metadata"]["name"], "controller": True}
    known = {"uid": "pod-uid", "namespace": controller["metadata"]["namespace"], "name": f"pod-{number}"}
    return {
        **made,
        "metadata": {**made["metadata"], **known, "ownerReferences": [owner]},
        "spec": {**made["spec"], "nodeName": "worker"},
    }


def running(where: str, egress_pod: Any = None) -> Observed:
    start = Observed(service=service_object(egress_pod))
    observed = carried_out(start, served(where, start, egress_pod).writes)
    controller = observed.controller or observed.stateful_set
    assert controller
    pods = tuple(pod(controller, number=number) for number in range(controller["spec"]["replicas"]))
    observed = replace(observed, pods=pods)
    return carried_out(observed, served(where, observed, egress_pod).writes)


def test_by_default_all_is_in_the_project_by_the_services_name() -> None:
    place = placement.of(service(), cloud())
    assert (place.namespace, place.name) == ("default", f"{NAME}-avi-egress-pod")
    assert place.labels == {"name": f"{NAME}-avi-egress-pod"}
    assert not place.is_apart


def test_in_the_gateway_names_are_unique_and_short_enough() -> None:
    pairs = [("green", "web"), ("blue", "web"), ("green", "web-2"), ("a-b", "c"), ("a", "b-c"), ("g" * 63, "s" * 42)]
    places = [placement.in_gateway(HOME, *pair) for pair in pairs]
    assert len({place.name for place in places}) == len(pairs)
    for place, (project, name) in zip(places, pairs, strict=True):
        assert place.namespace == HOME
        assert len(place.name.removesuffix("-avi-egress-pod")) <= longest_service_name(ha=True)
        assert (place.labels["egress.avi.dev/namespace"], place.labels["egress.avi.dev/service"]) == (project, name)


@pytest.mark.parametrize("where", [PROJECT, GATEWAY])
def test_each_object_tells_which_service_it_is_for(where: str) -> None:
    observed = running(where, HA)
    for part in [*observed.parts(), *observed.pods]:
        assert placement.served_by(part, HOME) == ("default", NAME)


def test_labels_that_name_another_project_count_in_the_gateway_alone() -> None:
    labels = placement.in_gateway(HOME, "green", "web").labels
    forged = {"metadata": {"namespace": "blue", "labels": labels}}
    assert placement.served_by(forged, HOME) == ("blue", labels["name"].removesuffix("-avi-egress-pod"))
    assert placement.served_by({"metadata": {"namespace": HOME, "labels": labels}}, HOME) == ("green", "web")
    assert placement.served_by({"metadata": {"namespace": "blue", "labels": {"name": "web"}}}, HOME) is None


def test_nothing_is_in_the_project_but_the_way_to_the_gateway() -> None:
    observed = running(GATEWAY, HA)
    assert {part["metadata"]["namespace"] for part in observed.parts()} == {HOME}
    assert not any("ownerReferences" in part["metadata"] for part in observed.parts())
    assert observed.service_account
    assert observed.service_account["metadata"]["namespace"] == HOME
    assert observed.endpoint_slice
    assert observed.endpoint_slice["metadata"]["namespace"] == "default"
    owner = observed.endpoint_slice["metadata"]["ownerReferences"]
    assert [item["uid"] for item in owner] == [service_object()["metadata"]["uid"]]
    assert served(GATEWAY, observed, HA).writes == ()


def test_the_policy_admits_the_pods_of_the_project_alone() -> None:
    off: EgressService = service({**SINGLE, "probe": {"interval": 0}})
    assert network_policy(off, placed(GATEWAY))["spec"]["ingress"] == [{"from": [PODS]}]
    rules = (
        '{"networksecuritypolicy": {"rules": [{"index": 1, "enable": true, "name": "a", "action":'
        ' "NETWORK_SECURITY_POLICY_ACTION_TYPE_ALLOW", "match": {"microservice": {"match_criteria": "IS_IN",'
        ' "group_ref": "/api/microservicegroup/?name=default-avi-microservicegroup"}}}]}}'
    )
    own = network_policy(service({**SINGLE, "probe": {"interval": 0}}, avi_proxy=rules), placed(GATEWAY))
    assert own["spec"]["ingress"] == [{"from": [PODS]}]


@pytest.mark.parametrize(
    ("ready", "ending", "conditions"),
    [
        (True, False, {"ready": True, "serving": True, "terminating": False}),
        (False, False, {"ready": False, "serving": False, "terminating": False}),
        (True, True, {"ready": False, "serving": True, "terminating": True}),
    ],
)
def test_the_endpoints_follow_the_pods_readiness(ready: bool, ending: bool, conditions: dict[str, bool]) -> None:
    controller = running(GATEWAY).controller
    assert controller
    found = pod(controller, ready)
    if ending:
        found["metadata"]["deletionTimestamp"] = "2026-11-28T20:00:00Z"
    made = endpoint_slice(service(), [{"name": "foo", "port": 80, "targetPort": 8080}], [found])
    (endpoint,) = made["endpoints"]
    assert (endpoint["addresses"], endpoint["conditions"]) == (["10.244.1.7"], conditions)
    assert (made["addressType"], made["ports"]) == ("IPv4", [{"name": "foo", "port": 8080, "protocol": "TCP"}])


def test_pods_without_an_address_of_the_services_family_are_no_endpoints() -> None:
    controller = running(GATEWAY).controller
    assert controller
    gone = pod(controller)
    gone["status"]["phase"] = "Failed"
    pods = [pod(controller, address="fd00::7"), gone]
    assert endpoint_slice(service(), [{"port": 80}], pods)["endpoints"] == []


def test_another_family_makes_the_endpoint_slice_anew() -> None:
    observed = running(GATEWAY)
    assert observed.endpoint_slice
    other = replace(observed, endpoint_slice={**observed.endpoint_slice, "addressType": "IPv6"})
    writes = [write for write in served(GATEWAY, other).writes if write.resource.kind == "EndpointSlice"]
    assert [write.verb for write in writes] == ["delete"]


def moving(start: str, end: str, egress_pod: Any) -> Observed:
    """Move until nothing more is written; pods end a round after they were told to. No address is held twice."""
    former, here = running(start, egress_pod), Observed(service=service_object(egress_pod))
    here = replace(here, service=former.service, endpoint_slice=former.endpoint_slice)
    former = replace(former, service=None, endpoint_slice=None)
    for turn in range(12):
        observed = replace(here, elsewhere=former if former.parts() else None)
        decided = served(end, observed, egress_pod)
        if not decided.writes and decided.settled:
            assert not former.parts()
            assert not former.pods
            return here
        for write in decided.writes:
            names = {part["metadata"]["name"] for part in former.parts()}
            if write.name in names and write.resource.kind not in ("Service", "EndpointSlice"):
                former = carried_out(former, (write,))
            else:
                here = carried_out(here, (write,))
        controller, old = here.controller or here.stateful_set, former.controller or former.stateful_set
        if turn % 2 and not (old and old["spec"]["replicas"]):
            former = replace(former, pods=())
        if controller:
            numbers = range(controller["spec"]["replicas"])
            here = replace(here, pods=tuple(pod(controller, number=number) for number in numbers))
        assert not (here.pods and former.pods), "two routers are asked to hold one address"
    raise AssertionError("no end")


@pytest.mark.parametrize("egress_pod", [SINGLE, HA])
@pytest.mark.parametrize(("start", "end"), [(PROJECT, GATEWAY), (GATEWAY, PROJECT)])
def test_a_move_ends_the_former_pods_before_the_first_new_one(start: str, end: str, egress_pod: Any) -> None:
    moved = moving(start, end, egress_pod)
    assert {part["metadata"]["namespace"] for part in moved.parts()} == {"default" if end == PROJECT else HOME}
    assert bool(moved.endpoint_slice) == (end == GATEWAY)


def test_a_foreign_object_in_the_place_that_is_left_stays() -> None:
    foreign = {"kind": "ReplicationController", "metadata": {"name": f"{NAME}-avi-egress-pod", "namespace": "default"}}
    elsewhere = Observed(controller={**foreign, "spec": {"replicas": 0}})
    writes = served(GATEWAY, replace(running(GATEWAY), elsewhere=elsewhere)).writes
    assert [write for write in writes if write.namespace == "default"] == []


def test_the_end_of_a_service_ends_its_pods_in_both_places() -> None:
    former, here = running(PROJECT), running(GATEWAY)
    slice_ = here.endpoint_slice
    both = replace(former, service=None, endpoint_slice=slice_, elsewhere=replace(here, service=None))
    first = plan.withdraw("default", NAME, both)
    scaled = [write for write in first.writes if write.body == {"spec": {"replicas": 0}}]
    assert {write.namespace for write in scaled} == {"default", HOME}
    assert [write.resource.kind for write in first.writes if write.verb == "delete"] == ["EndpointSlice"]
    assert not first.settled
    assert plan.withdraw("default", NAME, replace(both, pods=(), elsewhere=Observed())).settled
