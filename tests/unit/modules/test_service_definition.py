# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""From a playbook's options to the Service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import merge_patch, patched
from ansible_collections.avi.egress.plugins.module_utils.module.service.definition import (
    definition,
    egress_pod_text,
    new,
    validate,
)
from ansible_collections.avi.egress.plugins.module_utils.module.service.egress_service import SPEC
from ansible_collections.avi.egress.plugins.module_utils.module.service.egress_service_info import report_of


def options(**given: Any) -> dict[str, Any]:
    """A module's parameters: the given ones, and the defaults of all others."""
    defaults = {name: option.get("default") for name, option in SPEC.options.items()}
    found = {**defaults, "name": "secure-egress-service", "namespace": "green", **given}
    found["ports"] = [{"name": None, "target_port": None, "protocol": "TCP", **item} for item in found["ports"] or ()]
    return found


def test_the_articles_service() -> None:
    desired = new(definition(options(destination_ip="10.10.10.200", ports=[{"name": "foo", "port": 80}]), None))

    assert desired["metadata"]["annotations"] == {"egress_pod": '{"destination_ip": "10.10.10.200"}'}
    assert desired["spec"] == {
        "type": "ClusterIP",
        "ports": [{"name": "foo", "port": 80, "protocol": "TCP", "targetPort": 80}],
    }


def test_destinations_make_the_ports() -> None:
    given = options(destinations={"dest-service1.mycompany.com": {"8080": "80"}, "10.10.20.20": {"53/udp": 53}})

    ports = definition(given, None)["spec"]["ports"]

    assert [(item["port"], item["protocol"]) for item in ports] == [(8080, "TCP"), (53, "UDP")]


def test_destinations_keep_a_port_that_is_there_and_drop_one_that_is_not_asked_for() -> None:
    named = {"name": "web", "port": 8080, "protocol": "TCP", "targetPort": 8080}
    other = {"name": "old", "port": 9090, "protocol": "TCP", "targetPort": 9090}
    observed = {"metadata": {"name": "x"}, "spec": {"ports": [other, named]}}

    assert definition(options(destinations={"a.b": {"8080": 80}}), observed)["spec"]["ports"] == [named]


def test_a_hand_written_annotation_that_means_the_same_is_kept() -> None:
    text = '{ "hm_port":"4",\n  "destination_ip": "10.10.10.200" }'
    given = options(destination_ip="10.10.10.200", ports=[{"port": 80}])
    first = definition(given, None)
    observed = patched(first, {"metadata": {"annotations": {"egress_pod": text, "other": "stays"}}})

    assert merge_patch(definition(given, observed), observed) == {}


def test_what_is_left_out_gets_its_default_in_the_annotation() -> None:
    given = options(destination_ip="10.10.10.200", ports=[{"port": 80}])
    observed = patched(
        definition(given, None),
        {"metadata": {"annotations": {"egress_pod": '{"destination_ip": "10.10.10.200", "hm_port": 1000}'}}},
    )

    patch = merge_patch(definition(given, observed), observed)

    assert json.loads(patch["metadata"]["annotations"]["egress_pod"]) == {"destination_ip": "10.10.10.200"}


def test_all_options_reach_the_annotation() -> None:
    given = options(
        destination_ip="10.10.10.200",
        hm_port=1000,
        image="private-repo:5000/avi-egress-router",
        node_selector={"external-accessible-node": "true"},
        ha=True,
        network="dmz",
        source_ip=["10.70.112.155", "10.70.112.156"],
        resolve="once",
    )

    assert json.loads(egress_pod_text(given)) == {
        "destination_ip": "10.10.10.200",
        "hm_port": 1000,
        "image": "private-repo:5000/avi-egress-router",
        "nodeSelector": {"external-accessible-node": "true"},
        "ha": True,
        "network": "dmz",
        "source_ip": ["10.70.112.155", "10.70.112.156"],
        "resolve": "once",
    }


def test_a_load_balancer_gets_no_node_ports_and_loses_the_setting_with_the_type() -> None:
    given = options(destination_ip="10.10.10.200", ports=[{"port": 80}], type="LoadBalancer")
    balanced = definition(given, None)
    back = definition({**given, "type": "ClusterIP"}, balanced)

    assert balanced["spec"]["allocateLoadBalancerNodePorts"] is False
    assert merge_patch(back, balanced)["spec"] == {"type": "ClusterIP", "allocateLoadBalancerNodePorts": None}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"destination_ip": "not a host"}, "egress_pod.destination_ip"),
        ({"destination_ip": "10.10.10.200", "hm_port": 80, "ports": [{"port": 80}]}, "egress_pod.hm_port"),
        ({"destination_ip": "10.10.10.200", "hm_port": 70000}, "egress_pod.hm_port"),
        ({"destination_ip": "10.10.10.200", "ports": [{"port": 0}]}, "ports.port"),
        ({"destination_ip": "10.10.10.200", "source_ip": ["10.1.1.1", "10.1.1.2"]}, "egress_pod.source_ip"),
        ({"destination_ip": "10.10.10.200", "annotations": {"egress_pod": "{}"}}, "annotations"),
        ({"destination_ip": "10.10.10.200", "name": "Not-A-Label"}, "name"),
        ({"destination_ip": "10.10.10.200", "name": "a" * 49}, "name"),
        ({"destinations": {"a.b": {"8080": 80}, "c.d": {"8080": 80}}}, "egress_pod.destinations.c.d"),
    ],
)
def test_wrong_options_are_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(options(**given))

    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_a_new_service_needs_ports() -> None:
    with pytest.raises(InvalidInput, match="needs its ports"):
        definition(options(destination_ip="10.10.10.200"), None)


@pytest.mark.parametrize(
    ("given", "present", "patch"),
    [
        ({}, ("SingleStack", ["IPv4"]), {}),
        ({"ip_families": ["IPv6"]}, ("SingleStack", ["IPv6"]), {}),
        ({"ip_families": ["IPv6"]}, ("PreferDualStack", ["IPv6", "IPv4"]), {}),
        ({"ip_families": ["IPv4"]}, ("PreferDualStack", ["IPv6", "IPv4"]), {"ipFamilies": ["IPv4"]}),
        (
            {"ip_family_policy": "PreferDualStack", "ip_families": ["IPv4", "IPv6"]},
            ("SingleStack", ["IPv4"]),
            {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]},
        ),
        (
            {"ip_family_policy": "SingleStack", "ip_families": ["IPv6"]},
            ("PreferDualStack", ["IPv6", "IPv4"]),
            {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]},
        ),
    ],
)
def test_families_are_as_asked_for_and_what_the_server_added_to_them_stays(
    given: dict[str, Any], present: tuple[str, list[str]], patch: dict[str, Any]
) -> None:
    asked = options(destination_ip="2001:db8::1", ports=[{"port": 80}])
    policy, families = present
    observed = patched(definition(asked, None), {"spec": {"ipFamilyPolicy": policy, "ipFamilies": families}})

    found = merge_patch(definition({**asked, **given}, observed), observed)

    assert found.get("spec", {}) == patch


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, "172.30.0.1"),
        ({"egress.avi.dev/source-ips": "10.70.112.155"}, "172.30.0.1"),
        ({"egress.avi.dev/source-ips": "fd70:112::1,fd70:112::2"}, "fd00:96::1"),
    ],
)
def test_the_cluster_ip_that_is_told_is_the_one_that_leads_outside(annotations: dict[str, str], expected: str) -> None:
    spec = {"clusterIP": "172.30.0.1", "clusterIPs": ["172.30.0.1", "fd00:96::1"]}
    service = {"metadata": {"name": "x", "namespace": "green", "annotations": annotations}, "spec": spec}

    assert report_of(service)["cluster_ip"] == expected
