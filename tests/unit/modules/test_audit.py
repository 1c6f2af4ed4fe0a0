# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What an audit finds, and what it passes over."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.workload.exposure import EgressPods, outline, widened, widening
from ansible_collections.avi.egress.plugins.plugin_utils.audit import ADMISSION_POLICIES, audit

HELD = {"bound_at": "2026-11-20T06:31:00Z", "released_at": None, "reason": None}
KINDS = [f"{kind}.egress.avi.dev" for kind in ("egressclouds", "egressnetworks", "egressleases", "egressaddresses")]
UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
CONTROLLER = {
    "kind": "ReplicationController",
    "namespace": "green",
    "name": "shop-avi-egress-pod",
    "replicas": 1,
    "ready_replicas": 1,
}


def service(**changes: Any) -> dict[str, Any]:
    condition = {"type": "EgressReady", "status": "True", "reason": "EgressReady", "message": "traffic leaves"}
    usual = {"namespace": "green", "name": "shop", "ready": True, "error": None, "source_ips": ["10.70.112.155"]}
    written = {"metadata": {"namespace": "green", "name": "shop", "annotations": {"egress_pod": "{}"}}}
    egress_pod = {"destination_ip": "10.10.10.200", "destinations": None}
    usual = {**usual, "egress_pod": egress_pod, "controllers": [CONTROLLER], "service": written}
    return {**usual, "condition": condition, **changes}


def lease(**changes: Any) -> dict[str, Any]:
    usual = {"network": "lan", "namespace": "green", "service": "shop", "slot": 0, "phase": "Bound"}
    return {**usual, "claimed_by": "controller", "address": "10.70.112.155", **HELD, "history": [], **changes}


def network(**condition: Any) -> dict[str, Any]:
    usual = {"type": "AddressesAvailable", "status": "True", "reason": "AddressesAvailable", "message": "60 are free"}
    return {"metadata": {"name": "lan"}, "status": {"conditions": [{**usual, **condition}]}}


def deployment(ready: int = 2, version: str | None = "0.2.0") -> dict[str, Any]:
    labels = {"app.kubernetes.io/version": version} if version else {}
    template = {"spec": {"containers": [{"image": "controller:1"}]}}
    spec = {"replicas": 2, "template": template}
    return {"metadata": {"labels": labels}, "spec": spec, "status": {"readyReplicas": ready}}


def cloud(**changes: Any) -> dict[str, Any]:
    project = {"namespace": "green", "included": True, "missing": [], "surplus": []}
    usual = {
        "cloud": "default",
        "uuid": UUID,
        "error": None,
        "placement": "project",
        "scc": f"avivantage-scc-{UUID}",
        "scc_users": None,
    }
    return {**usual, "projects": [project], **changes}


def pod(owner: str | None, **metadata: Any) -> dict[str, Any]:
    owners = [{"kind": "ReplicationController", "name": owner, "controller": True}] if owner else []
    head = {"namespace": "green", "name": "p", "ownerReferences": owners, **metadata}
    return {"metadata": head, "spec": {"serviceAccountName": f"avivantage-{UUID}"}}


def looked(reason: str | None) -> dict[str, Any]:
    """What a preflight has found at a node."""
    words = {"message": "the gateway is silent", "remedy": "wake it"} if reason else {"message": None, "remedy": None}
    return {"node": "worker-1", "network": "lan", "subnet": "10.70.112.0/24", "reason": reason, **words}


FIGURES = {"name": "lan", "error": None, "capacity": 100, "bound": 1, "released": 0, "available": 99, "families": []}
HEALTHY: dict[str, Any] = {
    "version": "0.2.0",
    "namespace": "avi-egress",
    "absent": [],
    "networks": [network()],
    "services": [service()],
    "leases": [lease()],
    "figures": [FIGURES],
    "clouds": [cloud()],
    "controllers": [deployment()],
    "policies": [{"metadata": {"name": name}} for name in ADMISSION_POLICIES],
    "pods": [pod("shop-avi-egress-pod")],
    "network_policies": [],
    "all_services": [],
    "nodes": [looked(None)],
}
DEGRADED = {"type": "EgressReady", "status": "True", "reason": "Degraded", "message": "1 of 2"}
EXCLUDED = {"type": "EgressReady", "status": "False", "reason": "DestinationNotAllowed", "message": "leads to x"}
WAITING = {"type": "EgressReady", "status": "False", "reason": "WaitingForPod", "message": "pod x: ImagePullBackOff"}
TENANT = "system:serviceaccount:green:default"
OWN = f"system:serviceaccount:green:avivantage-{UUID}"


def found(**changes: Any) -> list[tuple[str, str]]:
    return [(item["kind"], item["subject"]) for item in audit({**HEALTHY, **changes})["findings"]]


def test_a_healthy_cluster_has_no_findings() -> None:
    report = audit(HEALTHY)

    assert report["findings"] == []
    assert report["installed"] == {
        "collection": "0.2.0",
        "version": "0.2.0",
        "image": "controller:1",
        "replicas": 2,
        "ready_replicas": 2,
        "clouds": ["default"],
    }
    assert report["services"][0]["source_ips"] == ["10.70.112.155"]
    assert report["networks"][0]["available"] == 99


def test_a_cluster_without_the_custom_resources_has_one() -> None:
    (finding,) = audit({"absent": KINDS})["findings"]

    assert finding == {
        "kind": "NotInstalled",
        "subject": "avi.egress",
        "message": "it is not installed; run avi.egress.site",
    }


@pytest.mark.parametrize(
    ("absent", "there"),
    [
        (KINDS[:2], "EgressLease, EgressAddress"),  # as avi.egress.uninstall leaves it
        (KINDS[2:3], "EgressCloud, EgressNetwork, EgressAddress"),
    ],
)
def test_a_cluster_with_some_of_the_custom_resources_has_one(absent: list[str], there: str) -> None:
    (finding,) = audit({"absent": absent})["findings"]

    assert (finding["kind"], finding["message"]) == (
        "NotInstalled",
        f"it is not installed whole: of its kinds only {there} are there; run avi.egress.site",
    )


@pytest.mark.parametrize(
    ("changes", "kind", "subject"),
    [
        ({"nodes": [looked("GatewaySilent")]}, "GatewaySilent", "Node worker-1"),
        ({"controllers": []}, "ControllerMissing", "Deployment avi-egress/avi-egress-controller"),
        ({"controllers": [deployment(1)]}, "ControllerNotReady", "Deployment avi-egress/avi-egress-controller"),
        ({"controllers": [deployment(version=None)]}, "VersionDiffers", "Deployment avi-egress/avi-egress-controller"),
        (
            {"policies": HEALTHY["policies"][1:]},
            "AdmissionPolicyMissing",
            "ValidatingAdmissionPolicy avi-egress-accounts",
        ),
        ({"policies": None}, "AdmissionPolicyMissing", "ValidatingAdmissionPolicy avi-egress-accounts"),
        ({"services": [service(ready=False, condition=None)]}, "NotSeen", "Service green/shop"),
        ({"services": [service(ready=False, condition=WAITING)]}, "WaitingForPod", "Service green/shop"),
        ({"services": [service(ready=False, condition=EXCLUDED)]}, "DestinationNotAllowed", "Service green/shop"),
        ({"services": [service(condition=DEGRADED)]}, "Degraded", "Service green/shop"),
        ({"services": [service(error="line 1, column 3")]}, "InvalidAnnotation", "Service green/shop"),
        ({"leases": [lease(), lease(service="gone")]}, "OrphanedLease", "EgressLease lan.green.gone.0"),
        ({"leases": [lease(phase="Released")]}, "NotLeased", "Service green/shop"),
        ({"networks": [network(status="False", reason="PoolExhausted")]}, "PoolExhausted", "EgressNetwork lan"),
        ({"networks": [network(reason="PoolAlmostExhausted")]}, "PoolAlmostExhausted", "EgressNetwork lan"),
        ({"figures": [{**FIGURES, "error": "spec.subnets[0]"}]}, "InvalidInput", "EgressNetwork lan"),
        ({"clouds": [cloud(error="spec.uuid")]}, "InvalidInput", "EgressCloud default"),
        (
            {"clouds": [cloud(projects=[{"namespace": "b", "included": True, "missing": ["account"], "surplus": []}])]},
            "ProjectLacks",
            "Namespace b",
        ),
        (
            {
                "clouds": [
                    cloud(projects=[{"namespace": "b", "included": False, "missing": [], "surplus": ["account"]}])
                ]
            },
            "ProjectLeftOver",
            "Namespace b",
        ),
        (
            {"clouds": [cloud(scc_users=[OWN, TENANT])]},
            "StrangeUser",
            f"SecurityContextConstraints avivantage-scc-{UUID}",
        ),
        ({"pods": [pod(None)]}, "StrangePod", "Pod green/p"),
        ({"pods": [pod("another")]}, "StrangePod", "Pod green/p"),
    ],
)
def test_what_is_wrong_is_found_alone(changes: dict[str, Any], kind: str, subject: str) -> None:
    assert found(**changes) == [(kind, subject)]


@pytest.mark.parametrize(
    "changes",
    [
        {"leases": [lease(), lease(service="later", claimed_by="administrator", address="10.70.112.156")]},
        {"leases": [lease(), lease(service="gone", phase="Expired"), lease(service="gone", phase="Released", slot=1)]},
        {"clouds": [cloud(scc_users=[OWN])]},
        {"policies": None, "clouds": [cloud(placement="gateway")]},
        {"pods": [pod(None, deletionTimestamp="2026-11-25T00:00:00Z")]},
        {"services": [service(controllers=None)], "pods": [pod(None)]},
    ],
)
def test_what_is_in_order_or_cannot_be_told_is_passed_over(changes: dict[str, Any]) -> None:
    assert found(**changes) == []


def test_a_controller_whose_pods_are_refused_is_told_with_the_words() -> None:
    held = deployment(0)
    held["status"]["conditions"] = [
        {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "none"},
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "it timed out"},
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded\n quota: small"},
    ]

    (finding,) = audit({**HEALTHY, "controllers": [held]})["findings"]

    assert finding["message"] == (
        "0 of 2 replicas are ready; FailedCreate: exceeded quota: small; ProgressDeadlineExceeded: it timed out"
    )


def test_who_has_or_had_an_address_is_listed() -> None:
    before = {"address": "10.70.112.150", "bound_at": "2026-10-01T00:00:00Z", "released_at": "2026-10-02T00:00:00Z"}
    released = lease(
        service="gone",
        phase="Released",
        address="10.70.112.156",
        released_at="2026-11-25T00:00:00Z",
        reason="ServiceDeleted",
        history=[{**before, "reason": "ReleasedByModule"}],
    )
    gone = {"namespace": "green", "service": "gone", "network": "lan"}

    assert audit({**HEALTHY, "leases": [lease(), released]})["leases"] == {
        "bound": 1,
        "quarantined": [
            {"address": "10.70.112.156", "lease": "EgressLease lan.green.gone.0", "since": "2026-11-25T00:00:00Z"}
        ],
        "expired": 0,
        "holders": [{**gone, "service": "shop", "address": "10.70.112.155", "since": HELD["bound_at"]}],
        "history": [
            {
                **{**gone, "address": "10.70.112.156", "since": HELD["bound_at"]},
                **{"until": "2026-11-25T00:00:00Z", "reason": "ServiceDeleted"},
            },
            {
                **{**gone, "address": "10.70.112.150", "since": "2026-10-01T00:00:00Z"},
                **{"until": "2026-10-02T00:00:00Z", "reason": "ReleasedByModule"},
            },
        ],
    }


ANYBODY: list[dict[str, Any]] = [{}]
OWN_PODS = [{"from": [{"podSelector": {}}]}]
ROUTERS = [{"from": [{"namespaceSelector": {"matchLabels": {"network.openshift.io/policy-group": "ingress"}}}]}]
ADDRESSES = [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
BY_NAME = "kubernetes.io/metadata.name"


def projects(*names: str) -> list[dict[str, Any]]:
    """Ingress rules that admit pods of these projects by a namespaceSelector."""
    expression = {"key": BY_NAME, "operator": "In", "values": list(names)}
    return [{"from": [{"namespaceSelector": {"matchExpressions": [expression]}, "podSelector": {}}]}]


SELECTED = {"name": "shop-avi-egress-pod"}
RULES = '{"networksecuritypolicy": {"rules": []}}'


def policy(
    ingress: Any, selector: Any = None, namespace: str = "green", name: str = "p", **spec: Any
) -> dict[str, Any]:
    selected = {"podSelector": selector or {}, "ingress": ingress, **spec}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": selected}


WIDENING = [
    policy(ANYBODY),
    policy(ROUTERS),
    policy(ADDRESSES),
    policy(ANYBODY, {"matchLabels": SELECTED}),
    policy(ANYBODY, {"matchExpressions": [{"key": "name", "operator": "Exists"}]}),
    policy(ANYBODY, {"matchExpressions": [{"key": "name", "operator": "In", "values": list(SELECTED.values())}]}),
    policy(ANYBODY, {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
    policy(ANYBODY, {"matchExpressions": [{"key": "name", "operator": "NotIn", "values": ["other"]}]}),
    policy(ANYBODY, policyTypes=["Ingress", "Egress"]),
    policy([{"ports": [{"port": 8080}]}]),
    policy([{"from": []}]),
    policy([*OWN_PODS, {"from": [{"namespaceSelector": {}}]}]),
    policy([{"from": [{"namespaceSelector": {"matchLabels": {BY_NAME: "blue"}}}]}]),
    policy(projects("blue")),
    policy(projects("green", "red")),
    policy([{"from": [{"namespaceSelector": {"matchExpressions": [{"key": BY_NAME, "operator": "Exists"}]}}]}]),
    policy(ANYBODY, name="other-avi-egress-pod"),
]
HARMLESS = [
    policy([]),
    policy(OWN_PODS),
    policy(ANYBODY, {"matchLabels": {"name": "other"}}),
    policy(ANYBODY, {"matchLabels": {**SELECTED, "app": "x"}}),
    policy(ANYBODY, {"matchExpressions": [{"key": "name", "operator": "DoesNotExist"}]}),
    policy(ANYBODY, {"matchExpressions": [{"key": "name", "operator": "NotIn", "values": list(SELECTED.values())}]}),
    policy(ANYBODY, namespace="blue"),
    policy(ANYBODY, name="shop-avi-egress-pod"),
    policy(ANYBODY, policyTypes=["Egress"]),
    policy(None),
    policy([{"from": [{"podSelector": {"matchLabels": {"app": "x"}}}], "ports": [{"port": 8080}]}]),
    policy([{"from": [{"namespaceSelector": {"matchLabels": {BY_NAME: "green", "team": "a"}}}]}]),
    policy([*OWN_PODS, *projects("green")]),
]


@pytest.mark.parametrize("widens", WIDENING)
def test_a_policy_that_lets_others_into_an_egress_pod_is_found(widens: dict[str, Any]) -> None:
    name = widens["metadata"]["name"]
    assert found(network_policies=[widens]) == [("PolicyWidened", f"NetworkPolicy green/{name}")]


def test_of_pods_elsewhere_the_policies_there_count_and_none_of_the_project() -> None:
    apart = service(controllers=[{**CONTROLLER, "namespace": "avi-egress", "name": "green-shop-x-avi-egress-pod"}])
    assert found(services=[apart], pods=[], network_policies=[policy(ANYBODY)]) == []
    widens = policy(OWN_PODS, namespace="avi-egress")
    told = found(services=[apart], pods=[], network_policies=[widens])
    assert told == [("PolicyWidened", "NetworkPolicy avi-egress/p")]


@pytest.mark.parametrize("harmless", HARMLESS)
def test_a_policy_that_adds_nobody_is_passed_over(harmless: dict[str, Any]) -> None:
    assert found(network_policies=[harmless]) == []


@pytest.mark.parametrize(("avi_proxy", "is_told"), [(RULES, True), ("not JSON", True), ("{}", False)])
def test_where_a_service_has_rules_its_projects_pods_are_others_too(avi_proxy: str, is_told: bool) -> None:
    annotations = {"egress_pod": "{}", "avi_proxy": avi_proxy}
    ruled = service(service={"metadata": {"namespace": "green", "name": "shop", "annotations": annotations}})
    told = [("PolicyWidened", "NetworkPolicy green/p")] if is_told else []
    assert found(services=[ruled], network_policies=[policy(OWN_PODS)]) == told


def test_a_policy_that_selects_by_another_label_of_the_pods_is_found() -> None:
    of_a_stateful_set = policy(ANYBODY, {"matchLabels": {"apps.kubernetes.io/pod-index": "1"}})
    labels = {**SELECTED, "apps.kubernetes.io/pod-index": "1"}
    owner = {"controller": True, "kind": CONTROLLER["kind"], "name": CONTROLLER["name"]}
    metadata = {"namespace": "green", "name": "shop-avi-egress-pod-1", "labels": labels, "ownerReferences": [owner]}
    pod = {"metadata": metadata, "spec": {"serviceAccountName": "avivantage-x"}}
    assert found(network_policies=[of_a_stateful_set]) == []
    assert found(network_policies=[of_a_stateful_set], pods=[pod]) == [("PolicyWidened", "NetworkPolicy green/p")]


@pytest.mark.parametrize("own_rules", [False, True])
@pytest.mark.parametrize("full", WIDENING + HARMLESS)
def test_what_is_kept_of_a_policy_tells_as_much_as_the_whole(full: dict[str, Any], own_rules: bool) -> None:
    kept = outline(full)

    def of(policy: dict[str, Any]) -> list[str]:
        return list(widening([policy], EgressPods("green", "shop-avi-egress-pod", "green", own_rules)))

    assert of(kept) == of(full)
    assert outline(kept) == kept


def test_a_long_policy_is_kept_in_a_few_words() -> None:
    blocks = [{"ipBlock": {"cidr": "10.0.0.0/8"}}] * 9000
    values = [f"v{number}" for number in range(9000)]
    kept = outline(policy([{"from": blocks}], {"matchExpressions": [{"key": "a", "operator": "In", "values": values}]}))
    assert len(str(kept)) < 300
    assert list(widening([kept], EgressPods("green", "shop-avi-egress-pod", "green", False))) == ["p"]


def test_a_sentence_names_three_policies_and_how_many_more() -> None:
    (condition,) = widened("shop-avi-egress-pod", ["d", "c", "b", "a", "e"]).values()
    assert condition
    assert condition.ready
    assert "by: a, b, c and 2 more; except pods with the label name=shop-avi-egress-pod" in condition.message
    assert list(widened("shop-avi-egress-pod", []).values()) == [None]


def other(*addresses: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "blue", "name": "door"}, "spec": {"externalIPs": list(addresses)}}


def test_a_service_that_takes_traffic_for_a_leased_address_is_found() -> None:
    assert found(all_services=[other("10.70.112.155")]) == [("LeasedExternalIP", "Service blue/door")]
    assert found(all_services=[other("10.70.112.156"), other()]) == []


def test_a_service_that_takes_traffic_for_a_destination_is_found() -> None:
    """However it spells the address; a service whose annotation can't be read has no destinations."""
    several = {"destination_ip": None, "destinations": {"api.example.com": {"80": 80}, "2001:db8::1": {"81": 81}}}
    services = [service(name="bad", egress_pod=None), service(), service(name="six", egress_pod=several)]
    for address, user in (("10.10.10.200", "shop"), ("2001:DB8:0::1", "six")):
        report = audit({**HEALTHY, "services": services, "all_services": [other("192.0.2.1", address)]})
        (finding,) = (item for item in report["findings"] if item["kind"] == "DestinationExternalIP")
        assert finding["subject"] == "Service blue/door"
        assert f"is a destination of Service green/{user}: take it out" in finding["message"]
    assert found(all_services=[other("10.10.10.201")]) == []
