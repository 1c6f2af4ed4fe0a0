# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``EgressCloud.spec.pods`` reaches each egress pod, and what makes no sense is refused by object, field and value."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.quantities import read_quantity
from ansible_collections.avi.egress.plugins.module_utils.workload import manifests

from tests.support.builders import SOURCE, cloud, network, service


def pod_spec(pods: Any, egress_pod: Any = None) -> KubeObject:
    rendered = manifests.replication_controller(service(egress_pod), cloud(pods=pods), network(), [SOURCE])
    spec: KubeObject = rendered["spec"]["template"]["spec"]
    return spec


def resources(given: Any) -> Any:
    return pod_spec({"resources": given})["containers"][0]["resources"]


def test_no_egress_pod_is_best_effort() -> None:
    assert pod_spec({})["containers"][0]["resources"] == {"requests": {"cpu": "10m", "memory": "64Mi"}}


@pytest.mark.parametrize(
    ("given", "requests"),
    [
        ({"requests": {"cpu": 1}}, {"cpu": "1", "memory": "64Mi"}),
        ({"limits": {"memory": "32Mi"}}, {"cpu": "10m", "memory": "32Mi"}),
        ({"limits": {"memory": "1Gi"}, "requests": {"memory": "1024Mi"}}, {"cpu": "10m", "memory": "1Gi"}),
        ({"requests": None, "limits": None}, {"cpu": "10m", "memory": "64Mi"}),
    ],
)
def test_requests_are_given_or_default_and_at_most_the_limits(given: Any, requests: dict[str, str]) -> None:
    assert resources(given)["requests"] == requests


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        *[("1000m", "1"), (0.5, "500m"), ("0.5", "500m"), (2, "2"), ("1500m", "1500m"), ("2000", "2k"), ("0", "0")],
        *[("1024Mi", "1Gi"), ("64Mi", "64Mi"), ("1.5Gi", "1536Mi"), ("128M", "128M"), ("1000k", "1M")],
        *[("134217728", "134217728"), ("1000Gi", "1000Gi")],
    ],
)
def test_a_quantity_has_the_form_that_the_api_server_stores(given: Any, canonical: str) -> None:
    quantity = read_quantity(given)
    assert quantity is not None
    assert quantity.text == canonical


@pytest.mark.parametrize("given", ["", "-1", "1e3", "64MB", "0.0001", "0.0001Ki", True, None, [], "1" * 20, "٣"])
def test_what_is_no_quantity_is_none(given: Any) -> None:
    assert read_quantity(given) is None


def test_a_network_that_some_nodes_have_takes_its_pods_there() -> None:
    wish = {"destination_ip": "10.10.24.85", "nodeSelector": {"rack": "mine", "disk": "fast"}}
    there = network(nodeSelector={"rack": "7"})
    rendered = manifests.replication_controller(service(wish), cloud(), there, [SOURCE])
    assert rendered["spec"]["template"]["spec"]["nodeSelector"] == {"rack": "7", "disk": "fast"}


def test_a_networks_labels_are_labels() -> None:
    with pytest.raises(InvalidInput, match=r"EgressNetwork outside: spec\.nodeSelector is 'a b'; this is no label key"):
        network(nodeSelector={"a b": "c"})


def test_an_administrators_settings_are_in_the_pod_beside_the_tenants() -> None:
    toleration = {"key": "infra", "operator": "Exists", "effect": "NoSchedule"}
    given = {
        "priorityClassName": "egress",
        "runtimeClassName": "plain",
        "imagePullPolicy": "Always",
        "nodeSelector": {"infra": "", "zone": "dmz"},
        "tolerations": [toleration],
        "topologySpreadConstraints": [{"topologyKey": "zone"}],
    }
    spec = pod_spec(given, {"destination_ip": "10.10.24.85", "nodeSelector": {"zone": "mine", "disk": "fast"}})
    assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("egress", "plain")
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert spec["nodeSelector"] == {"infra": "", "zone": "dmz", "disk": "fast"}
    assert spec["tolerations"][2:] == [toleration]
    (constraint,) = spec["topologySpreadConstraints"]
    assert constraint == {
        **{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
        "labelSelector": {"matchLabels": {"name": "secure-egress-service-avi-egress-pod"}},
    }


def test_pods_may_be_spread_over_one_key_by_a_wish_and_by_a_demand() -> None:
    given = [{"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}, {"topologyKey": "zone"}]
    constraints = pod_spec({"topologySpreadConstraints": given})["topologySpreadConstraints"]
    assert [(item["maxSkew"], item["whenUnsatisfiable"]) for item in constraints] == [
        (2, "DoNotSchedule"),
        (1, "ScheduleAnyway"),
    ]


@pytest.mark.parametrize(
    ("pods", "field", "right"),
    [
        ({"toleration": []}, "spec.pods.toleration", "known are resources, priorityClassName"),
        ({"resources": {"request": {}}}, "spec.pods.resources.request", "known are requests, limits"),
        ({"resources": {"limits": {"gpu": 1}}}, "spec.pods.resources.limits.gpu", "cpu, memory, ephemeral-storage"),
        ({"resources": {"limits": {"memory": "64MB"}}}, "spec.pods.resources.limits.memory", "such as 50m or 64Mi"),
        ({"resources": {"requests": {"cpu": 0}}}, "spec.pods.resources.requests.cpu", "above 0"),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": 1}}},
            "spec.pods.resources.requests.cpu",
            "at most the limit, which is 1",
        ),
        ({"resources": ["cpu"]}, "spec.pods.resources", "give an object of requests, limits"),
        ({"priorityClassName": "High One"}, "spec.pods.priorityClassName", "in lower case"),
        ({"imagePullPolicy": "always"}, "spec.pods.imagePullPolicy", "give Always or IfNotPresent or Never"),
        ({"nodeSelector": {"a b": "c"}}, "spec.pods.nodeSelector is 'a b'", "no label key"),
        ({"nodeSelector": {"a": True}}, "spec.pods.nodeSelector.a", "as a string"),
        ({"tolerations": {}}, "spec.pods.tolerations", "give a list"),
        ({"tolerations": ["infra"]}, "spec.pods.tolerations[0]", "give an object"),
        ({"tolerations": [{"keys": "x"}]}, "spec.pods.tolerations[0].keys", "known are key, operator"),
        ({"tolerations": [{"effect": "NoSchedule"}]}, "spec.pods.tolerations[0].key", "operator Exists without a key"),
        (
            {"tolerations": [{"key": "a", "effect": "Never"}]},
            "spec.pods.tolerations[0].effect",
            "NoExecute or NoSchedule",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            "spec.pods.tolerations[0].value",
            "leave it out",
        ),
        (
            {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]},
            "spec.pods.tolerations[0].tolerationSeconds",
            "for effect NoExecute",
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "a", "maxSkew": 0}]},
            "spec.pods.topologySpreadConstraints[0].maxSkew",
            "from 1 to 1000",
        ),
        (
            {
                "topologySpreadConstraints": [
                    {"topologyKey": "zone"},
                    {"topologyKey": "rack"},
                    {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "ScheduleAnyway"},
                ]
            },
            "spec.pods.topologySpreadConstraints[2].topologyKey is 'zone'",
            "[0] has it with whenUnsatisfiable ScheduleAnyway already; leave one of the two out",
        ),
    ],
)
def test_what_makes_no_sense_is_told_in_one_sentence(pods: Any, field: str, right: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        cloud(pods=pods)
    told = str(caught.value)
    assert told.startswith(f"EgressCloud openshift: {field}")
    assert right in told
    assert "\n" not in told
