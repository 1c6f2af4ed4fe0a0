# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""High availability: two pods with an address each, and no moment at which two pods are asked to hold one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.workload import manifests, plan
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, Plan

from tests.support.builders import SOURCE, cloud, network, service, service_object
from tests.support.observed import carried_out, pod_of

SECOND = "10.70.112.156"
HA = {"destination_ip": "10.0.0.1", "ha": True}
SINGLE = {"destination_ip": "10.0.0.1"}


def served(observed: Observed, egress_pod: Any) -> Plan:
    sources = [SOURCE, SECOND] if egress_pod.get("ha") else [SOURCE]
    return plan.serve(service(egress_pod), cloud(), network(), sources, observed)


def made_by(kind: str, controller: KubeObject, number: int = 0, ready: bool = True) -> KubeObject:
    pod = pod_of(controller, ready)
    owner = {"kind": kind, "name": controller["metadata"]["name"], "controller": True}
    return {**pod, "metadata": {**pod["metadata"], "name": f"pod-{number}", "ownerReferences": [owner]}}


def running(egress_pod: Any) -> Observed:
    start = Observed(service=service_object(egress_pod))
    observed = carried_out(start, served(start, egress_pod).writes)
    if egress_pod.get("ha"):
        assert observed.stateful_set
        pods = tuple(made_by("StatefulSet", observed.stateful_set, number) for number in (0, 1))
    else:
        assert observed.controller
        pods = (made_by("ReplicationController", observed.controller),)
    return replace(observed, pods=pods)


def kinds(observed: Observed) -> set[str]:
    return {part["kind"] for part in observed.parts()}


def test_the_stateful_set_is_what_the_article_shows() -> None:
    rendered = manifests.stateful_set(service(HA), cloud(), network(), [SOURCE, SECOND])
    spec = rendered["spec"]
    environment = {item["name"]: item["value"] for item in spec["template"]["spec"]["containers"][0]["env"]}
    assert rendered["kind"] == "StatefulSet"
    assert rendered["metadata"]["name"] == "secure-egress-service-avi-egress-pod"
    assert spec["replicas"] == 2
    assert environment["EGRESS_SOURCE"] == f"{SOURCE},{SECOND}"
    (term,) = spec["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert (
        term["labelSelector"]["matchLabels"]
        == spec["selector"]["matchLabels"]
        == spec["template"]["metadata"]["labels"]
    )


def test_both_pods_stand_behind_a_budget_and_nothing_more_is_written() -> None:
    observed = running(HA)
    assert kinds(observed) == {"StatefulSet", "NetworkPolicy", "PodDisruptionBudget"}
    again = served(observed, HA)
    assert again.writes == ()
    assert again.condition is not None
    assert (again.condition.ready, again.condition.reason) == (True, "EgressReady")


def test_one_ready_pod_serves_and_the_condition_tells_of_the_other() -> None:
    observed = running(HA)
    one = replace(
        observed, pods=(observed.pods[0], made_by("StatefulSet", observed.stateful_set or {}, 1, ready=False))
    )
    condition = served(one, HA).condition
    assert condition is not None
    assert (condition.ready, condition.reason) == (True, "Degraded")
    assert condition.message.startswith("1 of 2 egress pods are ready")


def test_an_edited_annotation_rolls_through_the_set_without_stopping_it() -> None:
    observed = running(HA)
    edited = {**HA, "hm_port": 1000}
    first = served(observed, edited)
    after = carried_out(observed, first.writes)
    assert after.stateful_set is not None
    assert after.stateful_set["spec"]["replicas"] == 2
    assert not first.settled, "addresses of the former rendering may still be in use"


def follow(observed: Observed, wish: Any) -> list[set[str]]:
    """Serve until nothing more is written; pods start at once, and end a round after they were told to.

    Gives the makers of the pods that run after each round.
    """
    rounds = []
    for turn in range(12):
        decided = served(observed, wish)
        if not decided.writes and decided.settled:
            return rounds
        ending = observed.pods if turn % 2 == 0 else ()
        observed = carried_out(observed, decided.writes)
        pods = {pod["metadata"]["name"] + pod["metadata"]["ownerReferences"][0]["kind"]: pod for pod in ending}
        for controller in filter(None, (observed.controller, observed.stateful_set)):
            for number in range(controller["spec"]["replicas"]):
                pod = made_by(controller["kind"], controller, number)
                pods[pod["metadata"]["name"] + controller["kind"]] = pod
        rounds.append({pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods.values()})
        observed = replace(observed, pods=tuple(pods.values()))
    raise AssertionError(f"no end: {rounds}")


def test_turning_ha_on_ends_the_single_pod_before_any_of_the_set_starts() -> None:
    rounds = follow(running(SINGLE), HA)
    assert {"ReplicationController", "StatefulSet"} not in rounds
    assert rounds[-1] == {"StatefulSet"}


def test_turning_ha_off_ends_the_set_before_the_single_pod_starts() -> None:
    rounds = follow(running(HA), SINGLE)
    assert {"ReplicationController", "StatefulSet"} not in rounds
    assert rounds[-1] == {"ReplicationController"}


def test_a_withdrawn_set_is_scaled_down_then_everything_goes() -> None:
    observed = replace(running(HA), service=None)
    first = plan.withdraw("default", "secure-egress-service", observed)
    assert [(write.resource.kind, write.body) for write in first.writes] == [("StatefulSet", {"spec": {"replicas": 0}})]
    ending = replace(carried_out(observed, first.writes), pods=())
    last = plan.withdraw("default", "secure-egress-service", ending)
    assert kinds(carried_out(ending, last.writes)) == set()
    assert last.settled
