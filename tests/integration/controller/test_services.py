# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What becomes of a service: what is made for it, what it is told, and what ends with it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.errors import WebhookFailed
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    EVENT,
    LIMIT_RANGE,
    NETWORK_POLICY,
    REPLICATION_CONTROLLER,
    RETRIED_ANNOTATION,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    WIDENED_CONDITION,
    KubeObject,
    account_name,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from egress_controller.cache.forms import LONGEST

from tests.support.controller_process import (
    ControllerProcess,
    assert_rests,
    wait_quiet,
)
from tests.support.kinds import CONFIG_MAP, WEBHOOKS
from tests.support.waiting import wait_for
from tests.support.world import World


def test_an_annotated_service_gets_all_that_the_article_shows(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    address = world.address("shop")
    assert address is not None
    locks = world.locks()
    assert [lock["spec"]["address"] for lock in locks] == [address]
    assert locks[0]["spec"]["lease"] == f"{world.name}.{world.namespace}.shop.0"
    account = world.cluster.get(SERVICE_ACCOUNT, account_name(world.uuid), world.namespace)
    assert account is not None
    assert account["automountServiceAccountToken"] is False
    assert world.cluster.get(NETWORK_POLICY, "shop-avi-egress-pod", world.namespace) is not None
    made = world.controller("shop")
    assert made is not None
    assert made["spec"]["replicas"] == 1
    pod = made["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account_name(world.uuid)
    env = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
    assert env["EGRESS_SOURCE"] == address
    assert env["EGRESS_DESTINATION"] == "10.10.10.200"
    service = world.service("shop")
    assert service["metadata"]["annotations"]["egress.avi.dev/source-ips"] == address
    assert world.condition("shop")["status"] == "False"
    events = wait_for("the Event", lambda: world.events("shop"))
    assert [event["reason"] for event in events] == ["WaitingForPod"]


def test_a_ready_pod_makes_the_service_ready(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    pod = world.run_pod("shop")
    ready = world.wait_reason("shop", "EgressReady")
    assert ready["status"] == "True"
    world.end_pod(pod)
    world.wait_reason("shop", "WaitingForPod")

    def told() -> set[tuple[str, str]]:
        return {(event["type"], event["reason"]) for event in world.events("shop")}

    # The loss of a ready pod is a warning, its first start is not.
    expected = {("Normal", "WaitingForPod"), ("Normal", "EgressReady"), ("Warning", "WaitingForPod")}
    wait_for("the three Events", lambda: told() >= expected)
    assert told() == expected


def add_policy(world: World, name: str, spec: dict[str, Any]) -> KubeObject:
    metadata = {"name": name, "namespace": world.namespace}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    return world.cluster.create(NETWORK_POLICY, body)


def test_a_policy_that_lets_others_in_is_named_while_it_does(world: World, controller: ControllerProcess) -> None:
    """Once, and however it is labelled; one that adds nobody is passed over."""
    world.set_up()
    add_policy(world, "harmless", {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]})
    world.serve("shop")
    world.wait_served("shop")
    assert not world.condition("shop", WIDENED_CONDITION)
    open_to_all = add_policy(world, "allow-all", {"podSelector": {}, "ingress": [{}]})

    def told() -> str:
        return str(world.condition("shop", WIDENED_CONDITION).get("message", ""))

    message = wait_for("the policy's name", told)
    assert "by: allow-all; except pods with the label name=shop-avi-egress-pod" in message
    add_policy(world, "for-egress", {"podSelector": {}, "policyTypes": ["Egress"]})
    world.annotate("shop", "{")
    world.wait_reason("shop", "InvalidAnnotation")
    assert told() == message, "what runs is still open to others"
    world.cluster.delete(NETWORK_POLICY, open_to_all)
    wait_for("it to go", lambda: not told())
    warnings = [event for event in world.events("shop") if event["reason"] == "OtherPoliciesAdmit"]
    assert [(event["type"], event["message"], event.get("count", 1)) for event in warnings] == [("Warning", message, 1)]


def test_a_malformed_annotation_is_told_and_touches_nothing(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    before = world.controller("shop")
    address = world.address("shop")
    world.annotate("shop", '{"destination_ip" "10.10.10.200"}')
    told = world.wait_reason("shop", "InvalidAnnotation")
    assert told["status"] == "False"
    assert "column 19" in told["message"]
    assert "':' is missing" in told["message"]
    wait_for("the Event", lambda: [e for e in world.events("shop") if e["reason"] == "InvalidAnnotation"])
    time.sleep(1)
    warnings = [event for event in world.events("shop") if event["reason"] == "InvalidAnnotation"]
    assert len(warnings) == 1
    assert warnings[0]["type"] == "Warning"
    assert world.controller("shop") == before
    assert world.address("shop") == address
    world.annotate("shop", '{"destination_ip": "10.10.10.201"}')
    world.wait_served("shop")


def node_ports(world: World, name: str) -> list[int]:
    return [item["nodePort"] for item in world.service(name)["spec"]["ports"] if item.get("nodePort")]


def test_a_service_that_is_refused_opens_no_way_in_to_what_runs(world: World, controller: ControllerProcess) -> None:
    """On a cluster whose admission policies would let it."""
    world.set_up()
    network = '{"destination_ip": "10.10.10.200", "network": "none"}'
    refused = {"text": ("{", "InvalidAnnotation"), "network": (network, "NetworkNotFound")}
    for name in refused:
        world.serve(name)
        world.wait_served(name)
    for name, (text, reason) in refused.items():
        world.annotate(name, text)
        opened = {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": None}]}
        assert world.cluster.patch(SERVICE, name, {"spec": opened}, world.namespace)["spec"]["ports"][0]["nodePort"]
        wait_for("the node port to be freed", lambda name=name: not node_ports(world, name))
        world.wait_reason(name, reason)
        assert world.service(name)["spec"]["selector"] == {"name": f"{name}-avi-egress-pod"}
        assert (world.controller(name) or {})["spec"]["replicas"] == 1, "what runs stays"
    world.cluster.patch(SERVICE, "text", {"spec": {"type": "NodePort"}}, world.namespace)
    wait_for("it to lead nowhere", lambda: "selector" not in world.service("text")["spec"])
    world.cluster.patch(SERVICE, "text", {"spec": {"type": "ClusterIP"}}, world.namespace)
    world.annotate("text", '{"destination_ip": "10.10.10.200"}')
    wait_for("it to lead to its egress pod again", lambda: "selector" in world.service("text")["spec"])
    world.wait_served("text")


def test_a_service_of_most_ports_is_served_as_any_other(world: World, controller: ControllerProcess) -> None:
    """It is longer than what the caches keep whole."""
    world.set_up()
    ports = [{"name": f"p{number}", "port": number} for number in range(1001, 2001)]
    world.serve("shop", ports=ports)
    world.wait_served("shop")
    assert len(json.dumps(world.service("shop")["spec"])) > LONGEST
    pod = world.run_pod("shop")
    world.wait_reason("shop", "EgressReady")
    assert_rests(controller)
    world.annotate("shop", '{"destination_ip": "10.10.10.201"}')
    wait_for("the new destination", lambda: '"10.10.10.201"' in json.dumps(world.controller("shop")))
    world.end_pod(pod)
    world.cluster.patch(SERVICE, "shop", {"spec": {"ports": [*ports, {"name": "more", "port": 2001}]}}, world.namespace)
    told = world.wait_reason("shop", "InvalidAnnotation")
    assert "spec.ports is 1001; at most 1000 ports lead to destination_ip" in told["message"]


def test_a_service_without_the_annotation_is_left_as_it_was(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    world.annotate("shop", None)
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    service = wait_for("the condition to go", lambda: not world.condition("shop") and world.service("shop"))
    assert "selector" not in service["spec"]
    assert "egress.avi.dev/source-ips" not in (service["metadata"].get("annotations") or {})
    assert world.controller("shop") is None


def test_a_change_replaces_the_pod_only_after_the_old_one(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    pod = world.serve_by_pod("shop")
    world.annotate("shop", '{"destination_ip": "10.10.10.201"}')
    world.wait_reason("shop", "Replacing")
    assert (world.controller("shop") or {})["spec"]["replicas"] == 0
    world.end_pod(pod)
    wait_for("the RC to be scaled to 1", lambda: (world.controller("shop") or {})["spec"]["replicas"] == 1)
    world.wait_reason("shop", "WaitingForPod")


def test_a_pod_is_not_ended_for_one_that_would_be_refused(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    pod = world.serve_by_pod("shop")
    before = world.controller("shop")
    most = {"limits": [{"type": "Container", "max": {"cpu": "100m"}, "default": {"cpu": "50m"}}]}
    head = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small", "namespace": world.namespace}}
    world.cluster.create(LIMIT_RANGE, {**head, "spec": most})
    wants = {"spec": {"pods": {"resources": {"requests": {"cpu": "200m"}, "limits": {"cpu": "300m"}}}}}
    world.cluster.patch(EGRESS_CLOUD, world.name, wants)
    told = world.wait_reason("shop", "PodRefused")["message"]
    assert "maximum cpu usage per Container is 100m, but limit is 300m; what runs goes on as it is" in told
    assert world.controller("shop") == before

    world.cluster.delete_named(LIMIT_RANGE, "small", world.namespace)
    world.wait_reason("shop", "Replacing")
    assert (world.controller("shop") or {})["spec"]["replicas"] == 0
    world.end_pod(pod)
    wait_for("the RC to be scaled to 1", lambda: (world.controller("shop") or {})["spec"]["replicas"] == 1)


def test_a_foreign_object_of_the_name_is_spared(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    name = "shop-avi-egress-pod"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    foreign = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"replicas": 0, "selector": {"a": "b"}, "template": template},
    }
    before = world.cluster.create(REPLICATION_CONTROLLER, foreign)
    world.serve("shop")
    world.wait_reason("shop", "NameTaken")
    world.delete("shop")
    wait_for("the lease to be Released", lambda: world.phase("shop") == "Released")
    assert world.controller("shop") == before


def test_hostile_annotations_stop_nobody_else(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    hostile = [
        "",
        "null",
        "[]",
        "{" * 5000,
        '{"destination_ip": "\\u0000\\n time=now level=INFO forged"}',
        '{"destinations": {"a": {"1": "0"}}}',
        '{"destination_ip": 1e999}',
        '{"destination_ip": "10.10.10.200", "image": "$(reboot)"}',
        '{"destination_ip": "10.10.10.200", "nodeSelector": {"a": {"b": []}}}',
        '{"destination_ip": "10.10.10.200", "network": "../../pods"}',
        "x" * 200_000,
    ]
    for number, text in enumerate(hostile):
        world.serve(f"bad{number}", text)
    world.serve("good")
    world.wait_served("good")
    for number in range(len(hostile)):
        assert world.wait_reason(f"bad{number}", "InvalidAnnotation")["status"] == "False"
    assert "Traceback" not in controller.log()
    assert all(line.startswith("time=") for line in controller.log().splitlines())


def test_it_reconciles_within_a_second(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    seconds = []
    for number in range(15):
        name = f"s{number}"
        started = time.monotonic()
        world.serve(name)
        wait_for("the condition", lambda name=name: world.condition(name))
        seconds.append(time.monotonic() - started)
    print(f"create to condition: median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s")
    assert statistics.median(seconds) < 1.0


def test_in_the_steady_state_it_writes_nothing(world: World, controller: ControllerProcess) -> None:
    world.set_up(prefix=24)
    for number in range(5):
        world.serve(f"s{number}")
    world.serve("pair", {"destination_ip": "10.10.10.200", "ha": True})
    world.serve("bad", "{")
    for name in (*(f"s{number}" for number in range(5)), "pair"):
        world.wait_served(name)
    world.wait_reason("bad", "InvalidAnnotation")
    wait_quiet(controller)

    def versions() -> dict[str, str]:
        kinds = (SERVICE, EGRESS_LEASE, EGRESS_ADDRESS, EGRESS_CLOUD, EGRESS_NETWORK, SERVICE_ACCOUNT, EVENT)
        objects = [obj for kind in kinds for obj in world.cluster.list(kind)]
        return {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for obj in objects}

    before, writes, requests = versions(), controller.metric("api_writes"), controller.metric("api_requests")
    time.sleep(5)
    assert controller.metric("api_writes") == writes
    assert controller.metric("api_requests") == requests, "nor does it ask anything: its caches know"
    assert versions() == before

    def looks() -> float:
        return controller.total('reconciles_total{kind="service",result="ok"')

    looked, written = looks(), controller.log().count("event=written")
    world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"projects": {"exclude": {"names": ["nobody"]}}}})
    wait_for("all of them to be looked at again", lambda: looks() >= looked + 7)
    assert controller.log().count("event=written") == written, "what the API server adds by itself is no difference"


def test_services_that_wait_for_an_address_ask_nothing_until_one_is_free(
    world: World, controller: ControllerProcess
) -> None:
    world.set_up(prefix=30, quarantine=0)
    names = [f"s{number}" for number in range(12)]
    for name in names:
        world.serve(name)

    def those(reason: str) -> list[str]:
        return [name for name in names if world.condition(name).get("reason") == reason]

    wait_for("2 to be served", lambda: (len(those("WaitingForPod")), len(those("PoolExhausted"))) == (2, 10))
    asked = assert_rests(controller, 3)
    served = those("WaitingForPod")[0]
    names.remove(served)
    world.delete(served)
    wait_for("another to be served in its place", lambda: len(those("WaitingForPod")) == 2)
    quiet = wait_quiet(controller)
    storm = quiet - asked
    print(f"requests for one address that came free, of 10 services that waited: {storm:.0f}")
    assert storm < 100, "each that waited looked once or twice, and one was served"
    time.sleep(3)
    assert controller.metric("api_requests") == quiet


def test_a_refused_pod_is_told_and_asked_for_again(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop")
    world.wait_served("shop")
    words = 'pods "shop-avi-egress-pod-x2y3z" is forbidden: exceeded quota: small'
    world.refuse_pod("shop", words)
    told = world.wait_reason("shop", "PodRefused")
    words = 'pods "shop-avi-egress-pod" is forbidden: exceeded quota: small'
    assert told["message"] == f"the egress pod can't be made: {words}"

    def annotations() -> dict[str, str]:
        return (world.controller("shop") or {})["metadata"].get("annotations") or {}

    wait_for("another try", lambda: RETRIED_ANNOTATION in annotations())
    world.run_pod("shop")
    world.refuse_pod("shop", None)
    world.wait_reason("shop", "EgressReady")


def test_a_refused_pod_of_two_is_told_by_an_event(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("pair", {"destination_ip": "10.10.10.200", "ha": True})
    world.wait_served("pair")
    name = "pair-avi-egress-pod"
    made = world.cluster.get(STATEFUL_SET, name, world.namespace)
    assert made is not None
    moment = timestamp(utc_now() - timedelta(minutes=1))
    event = {
        **{"apiVersion": "v1", "kind": "Event", "reason": "FailedCreate", "type": "Warning"},
        "metadata": {"name": f"{name}.1", "namespace": world.namespace},
        "involvedObject": {
            **{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "namespace": world.namespace},
            "uid": made["metadata"]["uid"],
        },
        "message": f"create Pod {name}-0 in StatefulSet {name} failed error: webhook is down",
        **{"firstTimestamp": moment, "lastTimestamp": moment},
    }
    world.cluster.create(EVENT, event)
    assert world.wait_reason("pair", "PodRefused")["message"] == "the egress pod can't be made: webhook is down"


def test_a_webhook_that_is_down_is_told_and_asked_again(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    with _webhook_that_is_down(world):
        world.serve("shop")
        message = world.wait_reason("shop", "ApiError")["message"]
        assert "failed calling webhook" in message
        assert "connection refused" in message
    world.wait_served("shop")


@contextmanager
def _webhook_that_is_down(world: World) -> Iterator[None]:
    """One that has to admit some kinds in the world's project, at an address that nobody listens on."""
    webhook = {
        **{"name": "down.egress.test", "admissionReviewVersions": ["v1"], "sideEffects": "None"},
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "rules": [
            {
                **{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]},
                "resources": ["replicationcontrollers", "configmaps"],
            }
        ],
    }
    made = {"metadata": {"name": f"down-{world.namespace}"}, "webhooks": [webhook]}
    api = {"apiVersion": WEBHOOKS.api_version, "kind": WEBHOOKS.kind}
    world.cluster.create(WEBHOOKS, {**api, **made})
    try:
        wait_for("the API server to ask it", lambda: _is_refused(world))
        yield
    finally:
        world.cluster.delete_named(WEBHOOKS, f"down-{world.namespace}")


def _is_refused(world: World) -> bool:
    metadata = {"name": "tried", "namespace": world.namespace}
    try:
        world.cluster.create(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, dry_run=True)
    except WebhookFailed:
        return True
    return False
