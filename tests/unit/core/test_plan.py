# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Plans lead on from what is there, and end: who is admitted, what is written in which order, and when nothing is."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api import conditions
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import patched
from ansible_collections.avi.egress.plugins.module_utils.api.resources import MANAGED_LABEL, READY_CONDITION, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload import (
    admission,
    manifests,
    plan,
    pods,
    service_status,
)
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, Plan

from tests.support.builders import SOURCE, UUID, cloud, namespace, network, service, service_object
from tests.support.observed import carried_out, pod_of, running, served

NETWORKS = {"outside": network()}


# --- admit ---


def refusal(
    egress_pod: Any = None,
    clouds: tuple[EgressCloud, ...] = (),
    networks: dict[str, EgressNetwork] | None = None,
    **fields: Any,
) -> Refused:
    with pytest.raises(Refused) as caught:
        admission.admit(
            service(egress_pod, **fields), clouds or (cloud(),), NETWORKS if networks is None else networks, namespace()
        )
    message = str(caught.value)
    assert message.startswith("Service default/secure-egress-service: ")
    assert "\n" not in message
    return caught.value


@pytest.mark.parametrize(
    ("clouds", "reason"),
    [
        ((cloud(projects={"include": {"names": ["other"]}}),), "ProjectNotIncluded"),
        ((cloud(projects={"exclude": {"names": ["default"]}}),), "ProjectNotIncluded"),
        ((cloud(projects={"include": {"matchLabels": {"a": "b"}}}),), "ProjectNotIncluded"),
        ((cloud("one"), cloud("two")), "AmbiguousCloud"),
        ((cloud(secureEgressMode=False),), "SecureEgressModeOff"),
        ((cloud(networks=["elsewhere"]),), "NetworkNotAllowed"),
    ],
)
def test_a_cloud_that_does_not_serve_the_project_is_told_by_reason(clouds: Any, reason: str) -> None:
    assert refusal(clouds=clouds).reason == reason


def test_without_any_cloud_the_project_is_not_included() -> None:
    with pytest.raises(Refused) as caught:
        admission.admit(service(), (), NETWORKS, namespace())
    assert caught.value.reason == "ProjectNotIncluded"


@pytest.mark.parametrize(
    ("egress_pod", "reason", "said"),
    [
        ({"destination_ip": "10.0.0.1", "image": "intruder.net/router"}, "ImageNotAllowed", "intruder.net/router"),
        ({"destination_ip": "10.0.0.1", "network": "none"}, "NetworkNotFound", "'none'"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_told_by_reason(egress_pod: Any, reason: str, said: str) -> None:
    error = refusal(egress_pod)
    assert error.reason == reason
    assert said in str(error)


@pytest.mark.parametrize(
    ("egress_pod", "ip_families", "missing"),
    [
        ({"destination_ip": "2001:db8::1"}, None, "IPv6"),
        ({"destination_ip": "2001:db8::1"}, ["IPv4"], "IPv6"),
        ({"destinations": {"a.example": {"1": 1}, "2001:db8::1": {"2": 2}}}, ["IPv4"], "IPv6"),
        ({"destination_ip": "a.example", "source_ip": "2001:db8::7"}, ["IPv4"], "IPv6"),
        ({"destination_ip": "10.0.0.1"}, ["IPv6"], "IPv4"),
    ],
)
def test_a_service_without_the_family_that_it_asks_for_is_told_what_to_set(
    egress_pod: Any, ip_families: list[str] | None, missing: str
) -> None:
    error = refusal(egress_pod, ipFamilies=ip_families)
    assert error.reason == "IPFamilyMissing"
    has = (ip_families or ["IPv4"])[0]
    assert str(error) == (
        f"Service default/secure-egress-service: spec.ipFamilies is {has}, and egress_pod asks for {missing}; set "
        f"spec.ipFamilyPolicy to PreferDualStack and add {missing} to spec.ipFamilies"
    )


@pytest.mark.parametrize("ip_families", [["IPv6"], ["IPv6", "IPv4"], ["IPv4", "IPv6"]])
def test_a_service_that_has_the_family_is_admitted(ip_families: list[str]) -> None:
    wish = service({"destination_ip": "2001:db8::1"}, ipFamilies=ip_families)
    _cloud, found = admission.admit(wish, [cloud()], NETWORKS, namespace())
    assert [item.name for item in found] == ["outside"]


def test_rules_that_no_network_policy_can_say_are_refused_before_anything_is_made() -> None:
    rule = {"index": 1, "enable": True, "name": "logged", "action": "NETWORK_SECURITY_POLICY_ACTION_TYPE_ALLOW"}
    policy = {"networksecuritypolicy": {"rules": [{**rule, "match": {}, "log": True}]}}
    error = refusal(avi_proxy=policy)
    assert error.reason == "PolicyNotSupported"
    assert "rule 1 'logged'" in str(error)


def test_a_project_that_the_network_does_not_allow_is_refused() -> None:
    only = {"outside": network(allowedNamespaces={"names": ["other"]})}
    assert refusal(networks=only).reason == "NetworkNotAllowed"
    assert refusal({"destination_ip": "10.0.0.1", "network": "outside"}, networks=only).reason == "NetworkNotAllowed"
    assert refusal(networks={}).reason == "NetworkNotAllowed"


def test_a_tenant_cannot_name_a_network_that_the_cloud_does_not_list() -> None:
    both = {"outside": network(), "dmz": network("dmz")}
    wish = {"destination_ip": "10.0.0.1", "network": "dmz"}
    assert refusal(wish, (cloud(networks=["outside"]),), both).reason == "NetworkNotAllowed"
    _cloud, found = admission.admit(service(wish), [cloud(networks=["outside", "dmz"])], both, namespace())
    assert [item.name for item in found] == ["dmz"]


@pytest.mark.parametrize(
    ("listed", "label", "allowed"),
    [
        (None, "node-role.kubernetes.io/control-plane", False),
        (None, "node-role.kubernetes.io/master", False),
        (None, "node-role.kubernetes.io/infra", True),
        (None, "kubernetes.io/hostname", True),
        (["zone"], "zone", True),
        (["zone"], "kubernetes.io/hostname", False),
        (["node-role.kubernetes.io/master"], "node-role.kubernetes.io/master", True),
    ],
)
def test_a_service_chooses_nodes_by_labels_that_the_cloud_allows(
    listed: list[str] | None, label: str, allowed: bool
) -> None:
    wish = {"destination_ip": "10.0.0.1", "nodeSelector": {label: ""}}
    some = (cloud(**({} if listed is None else {"allowedNodeLabels": listed})),)
    if allowed:
        admission.admit(service(wish), some, NETWORKS, namespace())
        return
    error = refusal(wish, some)
    assert error.reason == "NodeLabelNotAllowed"
    assert f"egress_pod.nodeSelector names the label {label!r}, which spec.allowedNodeLabels" in str(error)


@pytest.mark.parametrize(
    ("listed", "toleration", "told"),
    [
        (["dmz"], {"key": "dmz", "operator": "Exists"}, None),
        (["dmz"], {"key": "dmz", "value": "x", "effect": "NoSchedule"}, None),
        (["dmz"], {"key": "other"}, "names the taint 'other', which spec.allowedTolerations of EgressCloud openshift"),
        ([], {"key": "dmz"}, "does not allow; leave it out"),
        (["dmz"], {"operator": "Exists"}, "names all taints, which spec.allowedTolerations"),
    ],
)
def test_a_service_tolerates_taints_that_the_cloud_allows(
    listed: list[str], toleration: dict[str, str], told: str | None
) -> None:
    wish = {"destination_ip": "10.0.0.1", "tolerations": [{"key": "dmz"}, toleration] if listed else [toleration]}
    some = (cloud(allowedTolerations=listed),)
    if told is None:
        admitting, (where,) = admission.admit(service(wish), some, NETWORKS, namespace())
        pod = manifests.replication_controller(service(wish), admitting, where, [SOURCE])["spec"]["template"]["spec"]
        assert pod["tolerations"][2:] == [{"key": "dmz"}, toleration]
        return
    error = refusal(wish, some)
    assert error.reason == "TolerationNotAllowed"
    assert told in str(error)


def test_networks_come_in_the_clouds_order_or_by_name() -> None:
    three = {name: network(name) for name in ("c", "a", "b")}
    for listed, expected in [((), ["a", "b", "c"]), (("b", "gone", "a"), ["b", "a"])]:
        _cloud, found = admission.admit(service(), [cloud(networks=list(listed))], three, namespace())
        assert [item.name for item in found] == expected


@pytest.mark.parametrize("name", ["kube-system", "kube-public", "kube-node-lease"])
def test_the_systems_own_namespaces_are_never_served(name: str) -> None:
    with pytest.raises(Refused) as caught:
        admission.admit(
            service(project=name), [cloud(projects={"include": {"names": [name]}})], NETWORKS, namespace(name)
        )
    assert caught.value.reason == "ProjectNotIncluded"


def test_a_name_that_does_not_fit_into_the_pods_label_is_refused() -> None:
    admission.admit(service(name="x" * 42), [cloud()], NETWORKS, namespace())
    with pytest.raises(InvalidInput, match="42 characters"):
        admission.admit(service(name="x" * 43), [cloud()], NETWORKS, namespace())
    two = {"destination_ip": "10.0.0.1", "ha": True}
    admission.admit(service(two, name="x" * 37), [cloud()], NETWORKS, namespace())
    with pytest.raises(InvalidInput, match="37 characters"):
        admission.admit(service(two, name="x" * 38), [cloud()], NETWORKS, namespace())


# --- serve ---


def test_isolation_comes_before_the_pod_and_the_service_last() -> None:
    writes = served(Observed(service=service_object(), has_scc=True)).writes
    assert [str(write) for write in writes] == [
        f"create SecurityContextConstraints avivantage-scc-{UUID}",
        f"create ServiceAccount default/avivantage-{UUID}",
        "create NetworkPolicy default/secure-egress-service-avi-egress-pod",
        "create ReplicationController default/secure-egress-service-avi-egress-pod",
        "patch Service default/secure-egress-service",
    ]


@pytest.mark.parametrize(
    "egress_pod", [None, {"destinations": {"a.example": {"8080": 80}, "10.0.0.1": {"53/udp": 53}}}]
)
@pytest.mark.parametrize("ports", [[{"port": 80, "protocol": "TCP"}], [{"name": "foo", "port": 80, "protocol": "TCP"}]])
def test_what_is_served_needs_no_further_write(egress_pod: Any, ports: list[Any]) -> None:
    observed = running(egress_pod, ports=ports)
    assert observed.service is not None
    again = served(observed, egress_pod, ports=observed.service["spec"]["ports"])
    assert again.writes == ()
    assert again.condition == Condition(True, "EgressReady", f"traffic leaves from {SOURCE}")
    assert again.settled


@pytest.mark.parametrize("field", ["controller", "network_policy", "service_account", "scc"])
def test_what_somebody_deleted_is_made_again(field: str) -> None:
    observed = replace(running(), **{field: None})
    writes = served(observed).writes
    assert [write.verb for write in writes] == ["create"]
    assert served(carried_out(observed, writes)).writes == ()


def test_a_service_that_is_gone_is_not_made_again() -> None:
    assert all(write.resource.kind != "Service" for write in served(replace(running(), service=None)).writes)


def test_the_scc_keeps_foreign_users_and_is_written_for_one_version_only() -> None:
    observed = running()
    assert observed.scc is not None
    others = {**observed.scc, "users": ["system:admin"]}
    (write,) = served(replace(observed, scc=others)).writes
    assert write.body["users"] == ["system:admin", f"system:serviceaccount:default:avivantage-{UUID}"]
    assert write.body["metadata"] == {"resourceVersion": "1"}


def test_added_ports_are_written_for_one_version_of_the_service_only() -> None:
    wish = {"destinations": {"a.example": {"8080": 80}}}
    write = served(Observed(service=service_object(wish)), wish).writes[-1]
    assert write.body["metadata"]["resourceVersion"] == "1"
    assert "resourceVersion" not in served(Observed(service=service_object())).writes[-1].body["metadata"]


def test_a_plain_kubernetes_gets_no_scc() -> None:
    kinds = {write.resource.kind for write in served(Observed(service=service_object())).writes}
    assert "SecurityContextConstraints" not in kinds


@pytest.mark.parametrize("field", ["controller", "network_policy"])
@pytest.mark.parametrize("owners", [None, [], [{"kind": "Service", "name": "other"}], [{"kind": "Pod", "name": "x"}]])
def test_an_object_of_somebody_else_is_not_touched(field: str, owners: Any) -> None:
    observed = running()
    theirs = copy.deepcopy(getattr(observed, field))
    theirs["metadata"] |= {"ownerReferences": owners, "labels": {}}
    with pytest.raises(Refused, match="is not the egress controller's") as caught:
        served(replace(observed, **{field: theirs}))
    assert caught.value.reason == "NameTaken"
    theirs_kind = theirs["kind"]
    gone = plan.withdraw("default", "secure-egress-service", replace(observed, pods=(), **{field: theirs}))
    assert theirs_kind not in {write.resource.kind for write in gone.writes}


def test_a_controller_is_not_adopted_for_its_owner_reference() -> None:
    observed = running()
    forged = copy.deepcopy(observed.controller)
    assert forged is not None
    del forged["metadata"]["labels"][MANAGED_LABEL]
    forged["spec"]["template"]["spec"]["serviceAccountName"] = "default"
    with pytest.raises(Refused, match="is not the egress controller's"):
        served(replace(observed, controller=forged))


def test_what_the_former_release_made_is_marked() -> None:
    observed = running()
    assert observed.controller is not None
    assert observed.network_policy is not None
    for field in ("controller", "network_policy"):
        former = copy.deepcopy(getattr(observed, field))
        del former["metadata"]["labels"][MANAGED_LABEL]
        (write,) = served(replace(observed, **{field: former})).writes
        assert write.body == {"metadata": {"labels": {MANAGED_LABEL: "egress-controller"}}}


def test_an_orphaned_part_is_put_right_and_ends_with_its_service() -> None:
    observed = running()
    orphan = copy.deepcopy(observed.controller)
    assert orphan is not None
    owners = orphan["metadata"].pop("ownerReferences")
    (write,) = served(replace(observed, controller=orphan)).writes
    assert write.body == {"metadata": {"ownerReferences": owners}}
    gone = plan.withdraw("default", "secure-egress-service", Observed(controller=orphan))
    assert [str(write) for write in gone.writes] == [
        "patch ReplicationController default/secure-egress-service-avi-egress-pod"
    ]


def test_while_an_outdated_pod_is_there_no_other_is_asked_to_hold_its_address() -> None:
    observed = running()
    wish = {"destination_ip": "10.10.24.99"}
    first = served(observed, wish)
    assert (first.condition or Condition(True, "", "")).reason == "Replacing"
    assert not first.settled
    held = carried_out(observed, first.writes)
    assert held.controller is not None
    assert held.controller["spec"]["replicas"] == 0
    assert served(held, wish).writes == ()

    after = replace(held, pods=())
    last = served(after, wish)
    (write,) = last.writes
    assert write.body == {"spec": {"replicas": 1}}
    assert last.settled
    assert (last.condition or Condition(True, "", "")).reason == "WaitingForPod"
    assert served(carried_out(after, last.writes), wish).writes == ()


def test_a_plan_that_begins_to_end_a_pod_names_the_one_that_is_to_come() -> None:
    observed, wish = running(), {"destination_ip": "10.10.24.99"}
    first = served(observed, wish)
    assert first.successor is not None
    assert first.successor["metadata"]["generateName"] == "secure-egress-service-avi-egress-pod-"
    asked = first.writes[0].body["spec"]["template"]["spec"]["containers"][0]
    assert first.successor["spec"]["containers"][0] | asked == first.successor["spec"]["containers"][0]
    assert served(observed).successor is None, "nothing is to end"
    assert served(replace(observed, pods=()), wish).successor is None, "nothing runs"
    assert served(carried_out(observed, first.writes), wish).successor is None, "that has begun"


def test_a_service_that_becomes_two_pods_names_the_first_of_them() -> None:
    wish = {"destination_ip": "10.10.24.1", "ha": True}
    successor = served(running(), wish).successor
    assert successor is not None
    assert successor["spec"]["affinity"]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_holds_nobody_up(phase: str) -> None:
    observed = running()
    ended = {**observed.pods[0], "status": {"phase": phase}}
    found = served(replace(observed, pods=(ended,)), {"destination_ip": "10.10.24.99"})
    assert found.settled
    assert all(write.body.get("spec", {}).get("replicas") != 0 for write in found.writes)


def test_a_terminating_outdated_pod_still_counts() -> None:
    observed = running()
    ending = {**observed.pods[0], "metadata": {**observed.pods[0]["metadata"], "deletionTimestamp": "now"}}
    assert not served(replace(observed, pods=(ending,)), {"destination_ip": "10.10.24.99"}).settled


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
INITIALIZING = {"state": {"waiting": {"reason": "PodInitializing"}}}
CRASHED = {"lastState": {"terminated": {"exitCode": 78, "message": "EGRESS_SOURCE is\n missing.\0"}}}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, "the egress pod is starting"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "is starting"),
        (
            {"containerStatuses": [{"state": {"running": {}}}]},
            f"pod pod-1 runs and is not ready: {pods.WAITS_FOR}",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "x" * 999}}}]},
            "pod pod-1: ImagePullBackOff: " + "x" * 509 + "...",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "y" * 999}
                ]
            },
            "pod pod-1: Unschedulable: " + "y" * 509 + "...",
        ),
        (
            {"containerStatuses": [{**CRASHED, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "z"}}}]},
            "pod pod-1: CrashLoopBackOff: exit code 78: EGRESS_SOURCE is missing.",
        ),
        (
            {"containerStatuses": [{**CRASHED, "state": {"running": {}}}]},
            "pod pod-1 ended: exit code 78: EGRESS_SOURCE is missing.",
        ),
        (
            {"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]},
            "pod pod-1 ended: exit code 137 (OOMKilled)",
        ),
        (
            {
                "containerStatuses": [
                    {"lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}, "state": BACK_OFF}
                ]
            },
            "pod pod-1: CrashLoopBackOff: exit code 1",
        ),
        (
            {"containerStatuses": [{"lastState": {"terminated": {"exitCode": 0}}, "state": BACK_OFF}]},
            "pod pod-1: CrashLoopBackOff: back-off 10s restarting failed container",
        ),
        (
            {"containerStatuses": [{**CRASHED, "started": True, "state": {"running": {}}}]},
            f"pod pod-1 runs and is not ready: {pods.WAITS_FOR}",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "set-up", "state": {"terminated": {"exitCode": 0, "message": "done"}}},
                    {"name": "sidecar", **CRASHED, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                ],
                "containerStatuses": [INITIALIZING],
            },
            "pod pod-1: init container sidecar: CrashLoopBackOff: exit code 78: EGRESS_SOURCE is missing.",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "a", "state": {"waiting": {"reason": "ErrImagePull", "message": "z"}}}
                ],
                "containerStatuses": [INITIALIZING],
            },
            "pod pod-1: init container a: ErrImagePull: z",
        ),
        (
            {
                "initContainerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 2}}}],
                "containerStatuses": [INITIALIZING],
            },
            "pod pod-1: init container a: exit code 2",
        ),
        (
            {
                "initContainerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 0, "message": "done"}}}],
                "containerStatuses": [INITIALIZING],
            },
            "the egress pod is starting",
        ),
        (
            {"phase": "Failed", "reason": "OutOfcpu", "message": "Pod was\n rejected: " + "w" * 999},
            "the last egress pod failed: OutOfcpu: Pod was rejected: " + "w" * 491 + "...",
        ),
        (
            {"phase": "Failed", "reason": "v" * 999, "message": "The node was low on resource: memory. "},
            f"the last egress pod failed: {'v' * 77}...: The node was low on resource: memory.",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 137}}}]},
            "the last egress pod failed: exit code 137",
        ),
        ({"phase": "Failed"}, "the egress pod is starting"),
    ],
)
def test_a_pod_that_is_not_ready_says_why_in_bounds(status: Any, said: str) -> None:
    observed = running()
    waiting = pod_of(observed.controller or {}, ready=False, **status)
    condition = served(replace(observed, pods=(waiting,))).condition
    assert condition is not None
    assert (condition.ready, condition.reason) == (False, "WaitingForPod")
    assert condition.message.endswith(said)


def test_a_pod_that_failed_is_told_until_a_newer_one_says_more() -> None:
    controller = running().controller or {}

    def failed(reason: str, made: str) -> KubeObject:
        pod = pod_of(controller, ready=False, phase="Failed", reason=reason, message="it is full")
        return {**pod, "metadata": {**pod["metadata"], "creationTimestamp": made}}

    ended = (failed("OutOfcpu", "2026-11-30T00:00:02Z"), failed("Evicted", "2026-11-30T00:00:01Z"))

    def told(**status: Any) -> str:
        pod = pod_of(controller, ready=False, **status)
        condition = served(replace(running(), pods=(*ended, pod))).condition
        assert condition is not None
        return condition.message

    assert told(containerStatuses=[INITIALIZING]) == "the last egress pod failed: OutOfcpu: it is full"
    assert told(containerStatuses=[{"state": {"running": {}}}]).startswith("pod pod-1 runs and is not ready")


def test_what_a_kubelet_says_is_cut_between_two_words() -> None:
    digest = f"sha256:{'a' * 64}"
    assert pods.one_line(f"pull\x1b{digest}\n" * 9, 100) == f"pull {digest} pull..."
    assert pods.one_line(digest, len(digest)) == digest
    assert pods.one_line("a" * 999, 100) == "a" * 97 + "..."


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    observed = running()
    ending = {**observed.pods[0], "metadata": {**observed.pods[0]["metadata"], "deletionTimestamp": "now"}}
    condition = served(replace(observed, pods=(ending,))).condition
    assert condition is not None
    assert not condition.ready


# --- withdraw ---


def withdrawn(observed: Observed) -> Plan:
    return plan.withdraw("default", "secure-egress-service", observed)


def test_a_deleted_service_is_scaled_down_then_its_objects_go() -> None:
    observed = replace(running(), service=None)
    first = withdrawn(observed)
    assert [(str(w), w.body) for w in first.writes] == [
        ("patch ReplicationController default/secure-egress-service-avi-egress-pod", {"spec": {"replicas": 0}})
    ]
    assert not first.settled

    ending = carried_out(observed, first.writes)
    waiting = withdrawn(ending)
    assert (waiting.writes, waiting.settled) == ((), False)

    last = withdrawn(replace(ending, pods=()))
    assert [write.verb for write in last.writes] == ["delete", "delete"]
    assert last.settled
    gone = carried_out(replace(ending, pods=()), last.writes)
    assert withdrawn(gone) == Plan((), None, settled=True)


def test_an_evicted_pod_does_not_keep_a_withdrawn_service_from_settling() -> None:
    observed = running()
    evicted = {**observed.pods[0], "status": {"phase": "Failed"}}
    scaled = carried_out(observed, withdrawn(observed).writes)
    found = withdrawn(replace(scaled, pods=(evicted,)))
    assert found.settled
    assert [write.verb for write in found.writes] == ["delete", "delete"]


def test_a_service_that_stays_loses_only_what_was_added_to_it() -> None:
    wish = {"destinations": {"a.example": {"8080": 80}}}
    observed = running(wish)
    assert observed.service is not None
    assert len(observed.service["spec"]["ports"]) == 2
    after = carried_out(observed, withdrawn(observed).writes).service
    before = service_object(wish)
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert not [w for w in withdrawn(replace(observed, service=after)).writes if w.resource.kind == "Service"]


def test_a_selector_that_the_user_has_set_since_stays() -> None:
    observed = running()
    assert observed.service is not None
    spec = {**observed.service["spec"], "selector": {"app": "mine"}}
    changed = replace(observed, service={**observed.service, "spec": spec})
    after = carried_out(changed, withdrawn(changed).writes).service
    assert after is not None
    assert after["spec"]["selector"] == {"app": "mine"}


def test_a_service_keeps_its_last_port() -> None:
    only = {"name": "egress-80-tcp", "port": 80, "protocol": "TCP", "targetPort": 80}
    observed = replace(running(), service=service_object(ports=[only]))
    after = carried_out(observed, withdrawn(observed).writes).service
    assert after is not None
    assert after["spec"]["ports"] == [only]


# --- refuse and conditions ---


def test_a_refusal_writes_nothing_and_says_why() -> None:
    found = plan.refuse(Refused("SecureEgressModeOff", "it is off"))
    assert found == Plan((), Condition(False, "SecureEgressModeOff", "it is off"), settled=False)


OTHER = {"type": "LoadBalancerReady", "status": "True"}
READY = {
    "type": "EgressReady",
    "status": "True",
    "reason": "EgressReady",
    "message": "traffic leaves from x",
    "lastTransitionTime": "before",
}
CONDITION = Condition(True, "EgressReady", "traffic leaves from x")


@pytest.mark.parametrize(
    ("present", "condition", "expected"),
    [
        ([OTHER, READY], CONDITION, None),
        ([OTHER], CONDITION, [OTHER, {**READY, "lastTransitionTime": "now"}]),
        (None, CONDITION, [{**READY, "lastTransitionTime": "now"}]),
        ([READY, OTHER], replace(CONDITION, message="y"), [OTHER, {**READY, "message": "y"}]),
        (
            [READY],
            Condition(False, "WaitingForPod", "z"),
            [{**READY, "status": "False", "reason": "WaitingForPod", "message": "z", "lastTransitionTime": "now"}],
        ),
        ([OTHER, READY], None, [OTHER]),
        ([OTHER], None, None),
        (None, None, None),
    ],
)
def test_the_condition_is_written_when_it_differs_and_moves_its_time_with_its_status(
    present: Any, condition: Condition | None, expected: Any
) -> None:
    observed = {"metadata": {}, **({"status": {"conditions": present}} if present is not None else {})}
    wanted = {READY_CONDITION: condition}
    patch = conditions.conditions_patch(observed, wanted, "now")
    assert patch == ({} if expected is None else {"status": {"conditions": expected}})
    assert conditions.conditions_patch(patched(observed, patch), wanted, "later") == {}


def says(service: dict[str, Any], condition: Condition | None, *sources: str) -> dict[str, Any]:
    """The Service once it says that."""
    return patched(
        service, conditions.conditions_patch(service, service_status.service_conditions(condition, sources), "now")
    )


def test_a_service_that_was_ready_is_known_as_such_by_its_addresses_for_as_long_as_it_has_egress() -> None:
    waiting = says({"metadata": {}}, Condition(False, "WaitingForPod", "z"), "x")
    assert not service_status.has_served(waiting, ["x"])
    ready = says(waiting, CONDITION, "x")
    assert service_status.has_served(ready, ["x"])
    assert service_status.has_served(says(ready, Condition(False, "WaitingForPod", "z"), "x"), ["x"])
    assert not service_status.has_served(says(ready, Condition(False, "WaitingForPod", "z"), "y"), ["y"])
    assert not service_status.has_served(says(ready, None), ["x"])
