# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What avi_egress_service_info tells of services."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Forbidden, InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    MANAGED_LABEL,
    MANAGER,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.module.result import Result
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service
from ansible_collections.avi.egress.plugins.module_utils.module.service.definition import definition
from ansible_collections.avi.egress.plugins.module_utils.module.service.egress_service_info import (
    SPEC,
    report,
    validate,
)

READY = {"type": "EgressReady", "status": "True", "reason": "EgressReady", "message": "traffic leaves"}


def service(namespace: str, name: str, *conditions: dict[str, Any], **annotations: str) -> KubeObject:
    metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "annotations": annotations}
    spec = {"clusterIP": "172.30.0.1", "ports": [{"name": "foo", "port": 80}]}
    return {"kind": "Service", "metadata": metadata, "spec": spec, "status": {"conditions": list(conditions)}}


def egress(namespace: str, name: str, *conditions: dict[str, Any], **keys: Any) -> KubeObject:
    return service(namespace, name, *conditions, egress_pod=json.dumps({"destination_ip": "10.10.10.200", **keys}))


def lease(network: str, namespace: str, service: str, slot: int = 0, phase: str = "Bound") -> KubeObject:
    status = {"phase": phase, "address": f"10.70.112.{slot}", "boundAt": "2026-11-01T00:00:00Z"}
    return {**lease_object(Slot(network, namespace, service, slot), CONTROLLER), "status": status}


def controller(kind: str, owner: str, replicas: int, ready: int) -> KubeObject:
    namespace, name = owner.split("-")
    metadata = {"namespace": namespace, "name": f"{name}-avi-egress-pod", "ownerReferences": [{"uid": owner}]}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}}


class Server:
    """As much of a cluster as is listed; ``requests`` are what was asked for."""

    def __init__(self, *services: KubeObject, forbidden: tuple[str, ...] = (), **objects: list[KubeObject]) -> None:
        self._objects = {"Service": list(services), **objects}
        self._forbidden = forbidden
        self.requests: list[tuple[Any, ...]] = []

    def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str | None = None, fields: str | None = None
    ) -> list[KubeObject]:
        self.requests.append((resource.kind, namespace, labels, fields))
        if resource.kind in self._forbidden:
            raise Forbidden(403, "permission is missing: no")
        found = self._objects.get(resource.kind, [])
        return [item for item in found if namespace in (None, item["metadata"].get("namespace"))]


def tell(server: Server, **options: Any) -> Result:
    result = report(cast("Any", server), {**dict.fromkeys(SPEC.options), **options}, False)
    assert not result.changed
    return result


def report_of(*services: KubeObject, **objects: Any) -> list[dict[str, Any]]:
    return list(tell(Server(*services, **objects)).values["services"])


def test_secure_egress_services_come_by_project_and_name_and_others_not_at_all() -> None:
    found = report_of(egress("green", "b"), service("green", "web"), egress("blue", "z"), egress("green", "a"))

    assert [(item["namespace"], item["name"]) for item in found] == [("blue", "z"), ("green", "a"), ("green", "b")]


def test_each_kind_is_listed_once_and_filtered_by_the_server() -> None:
    server, narrow = Server(egress("green", "a"), egress("green", "b")), Server()

    tell(server)
    tell(narrow, namespace="green", name="a", label_selector="team=t")

    kinds = ("Service", "EgressLease", "ReplicationController", "StatefulSet")
    assert server.requests == [(kind, None, None, None) for kind in kinds]
    assert narrow.requests == [
        ("Service", "green", "team=t", "metadata.name=a"),
        ("EgressLease", None, "egress.avi.dev/namespace=green", None),
        ("ReplicationController", "green", None, "metadata.name=a-avi-egress-pod"),
        ("StatefulSet", "green", None, "metadata.name=a-avi-egress-pod"),
    ]


def test_a_service_is_told_with_what_serves_it() -> None:
    waiting = {"type": "EgressReady", "status": "False", "reason": "WaitingForPod", "message": "it starts"}
    leases = [lease("dmz", "green", "a", 1), lease("dmz", "blue", "a"), lease("dmz", "green", "a", 0)]
    pods = [controller("StatefulSet", "green-a", 2, 1), controller("StatefulSet", "blue-a", 2, 2)]
    former = [controller("ReplicationController", "green-a", 0, 0)]

    found, other = report_of(
        egress("green", "a", waiting),
        egress("green", "b", READY),
        EgressLease=leases,
        StatefulSet=pods,
        ReplicationController=former,
    )

    assert (found["ready"], found["condition"], found["cluster_ip"]) == (False, waiting, "172.30.0.1")
    assert [(item["namespace"], item["slot"], item["address"]) for item in found["leases"]] == [
        ("green", 0, "10.70.112.0"),
        ("green", 1, "10.70.112.1"),
    ]
    assert found["controllers"] == [
        {
            "kind": "ReplicationController",
            "namespace": "green",
            "name": "a-avi-egress-pod",
            "replicas": 0,
            "ready_replicas": 0,
        },
        {"kind": "StatefulSet", "namespace": "green", "name": "a-avi-egress-pod", "replicas": 2, "ready_replicas": 1},
    ]
    assert (other["ready"], other["leases"], other["controllers"]) == (True, [], [])


@pytest.mark.parametrize("options", [{}, {"namespace": "green"}, {"namespace": "green", "name": "a"}])
def test_what_serves_it_in_the_controllers_namespace_is_told_too(options: dict[str, str]) -> None:
    marks = {"egress.avi.dev/namespace": "green", "egress.avi.dev/service": "a"}
    made = controller("ReplicationController", "home-x", 1, 1)
    made["metadata"] = {**made["metadata"], "ownerReferences": []}
    ours = {**made, "metadata": {**made["metadata"], "labels": {**marks, MANAGED_LABEL: MANAGER}}}
    forged = {**made, "metadata": {**made["metadata"], "labels": marks}}

    told = tell(Server(egress("green", "a", READY), ReplicationController=[ours, forged]), **options)

    expected = {"kind": "ReplicationController", "namespace": "home", "name": "x-avi-egress-pod"}
    (found,) = told.values["services"]
    assert [{key: item[key] for key in expected} for item in found["controllers"]] == [expected]


def test_the_annotation_is_told_as_the_options_that_make_it() -> None:
    keys = {
        "destinations": {"a.example": {"8080": 80, "53/udp": 53}, "b.example": {"9090": 80}},
        "hm_port": 1000,
        "image": "registry.example/router",
        "nodeSelector": {"zone": "dmz"},
        "ha": True,
        "network": "dmz",
        "source_ip": ["10.70.112.1", "10.70.112.2"],
        "resolve": "once",
    }
    made = service("green", "a", egress_pod=json.dumps(keys))
    (found,) = report_of(made)

    nothing = dict.fromkeys(egress_service.SPEC.options)
    options = {**nothing, "namespace": "green", "name": "a", "type": "ClusterIP", **found["egress_pod"]}
    assert definition(options, made)["metadata"]["annotations"] == made["metadata"]["annotations"]
    assert found["error"] is None


def test_what_is_left_out_is_told_with_its_default() -> None:
    (found,) = report_of(egress("green", "a"))

    told_options = found["egress_pod"]
    assert (told_options["hm_port"], told_options["ha"], told_options["resolve"]) == (4, False, "ttl")
    assert (told_options["destinations"], told_options["source_ip"], told_options["node_selector"]) == (None, None, {})


def test_avi_proxy_is_told_as_it_is_written() -> None:
    policy = {"networksecuritypolicy": {"rules": []}}
    made = egress("green", "a")
    made["metadata"]["annotations"]["avi_proxy"] = json.dumps(policy)

    (found,) = report_of(made)

    assert found["avi_proxy"] == policy


@pytest.mark.parametrize(
    ("annotations", "unread"),
    [
        ({"egress_pod": "no json"}, "egress_pod"),
        ({"egress_pod": '{"destination_ip": "10.1.1.1"}', "avi_proxy": "[]"}, "avi_proxy"),
    ],
)
def test_an_annotation_that_cannot_be_read_says_why_and_spoils_no_other(
    annotations: dict[str, str], unread: str
) -> None:
    broken, sound = report_of(service("green", "a", **annotations), egress("green", "b"))

    assert broken["error"].startswith(f"Service green/a: {unread}")
    assert broken[unread] is None
    assert sound["error"] is None


def test_an_annotation_that_does_not_fit_its_service_is_read_and_says_why() -> None:
    (found,) = report_of(egress("green", "a", hm_port=80))

    assert found["egress_pod"]["hm_port"] == 80
    assert "egress_pod.hm_port is 80" in found["error"]


def test_what_rights_do_not_reach_to_is_null_with_a_warning() -> None:
    server = Server(egress("green", "a"), forbidden=("EgressLease", "StatefulSet"))

    result = tell(server)

    (found,) = result.values["services"]
    assert (found["leases"], found["controllers"]) == (None, None)
    assert result.warnings == [
        "EgressLease: permission is missing: no",
        "StatefulSet: permission is missing: no",
    ]


def test_services_themselves_must_be_readable() -> None:
    with pytest.raises(Forbidden, match="permission is missing"):
        tell(Server(forbidden=("Service",)))


@pytest.mark.parametrize("field", sorted(SPEC.options))
def test_an_empty_filter_is_refused_for_it_would_pass_everything(field: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field} is ''; give a value, or leave it out for all"):
        validate({**dict.fromkeys(SPEC.options), field: ""})
