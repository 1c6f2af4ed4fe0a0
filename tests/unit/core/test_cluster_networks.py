# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is inside the cluster, by what its nodes and Services show; and what that changes in egress pods: nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidAnnotation
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.cluster_networks import (
    MAX_TOLD,
    ClusterNetworks,
    NodeNetworks,
    common_network,
    pod_networks,
    service_cidrs,
)
from ansible_collections.avi.egress.plugins.module_utils.workload import admission, plan
from ansible_collections.avi.egress.plugins.module_utils.workload.manifests import environment_of

from tests.support.builders import SOURCE, cloud, namespace, network, service, service_object
from tests.support.observed import carried_out, pod_of

ONE = NodeNetworks(frozenset({"10.70.112.7", "fd00::7"}), frozenset({"10.244.1.0/24", "fd01:0:0:1::/64"}))
TWO = NodeNetworks(frozenset({"10.70.112.8"}), frozenset({"10.244.0.0/24"}))
SEEN = ClusterNetworks(("172.30.0.0/16", "fd02::/112"), {"one": ONE, "two": TWO})


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("10.70.112.7", "an address of one of the cluster's nodes"),
        ("fd00::7", "an address of one of the cluster's nodes"),
        ("10.244.1.255", "in 10.244.1.0/24, where pods of the cluster are"),
        ("fd01:0:0:1::9", "in fd01:0:0:1::/64, where pods of the cluster are"),
        ("172.30.0.1", "in 172.30.0.0/16, where the cluster's Services are"),
        ("fd02::ffff", "in fd02::/112, where the cluster's Services are"),
    ],
)
def test_nodes_pods_and_services_are_inside(address: str, what: str) -> None:
    assert SEEN.why_inside(address) == what
    wish = service({"destination_ip": address}, ipFamilies=["IPv4", "IPv6"])
    with pytest.raises(InvalidAnnotation) as refused:
        admission.admit(wish, [replace(cloud(), inside=SEEN)], {"outside": network()}, namespace())
    assert str(refused.value).endswith(f"is '{address}'; this is {what}; name an application outside the cluster")


@pytest.mark.parametrize("address", ["10.70.112.9", "10.70.112.6", "fd00::8", "10.244.2.1", "172.31.0.1", "fd02::1:0"])
def test_their_neighbours_are_outside(address: str) -> None:
    """A node's LAN is not the cluster's."""
    assert SEEN.why_inside(address) is None


@pytest.mark.parametrize(
    ("spec", "annotation", "found"),
    [
        ({"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd01::/64"]}, None, {"10.1.0.0/24", "fd01::/64"}),
        ({}, {"default": ["10.128.0.0/23", "fd01::/64"]}, {"10.128.0.0/23", "fd01::/64"}),
        ({}, {"default": "10.128.0.0/23"}, {"10.128.0.0/23"}),
        ({}, {"default": [["10.128.0.0/23"], None, 7, "0.0.0.0/0", "::/0", "10.0.0.0/33", "x"]}, set()),
        ({}, [1], set()),
        ({"podCIDRs": ["10.1.0.9/24"]}, None, {"10.1.0.0/24"}),
    ],
)
def test_a_nodes_pods_are_read_and_the_rest_passed_over(spec: Any, annotation: Any, found: set[str]) -> None:
    annotations = {} if annotation is None else {"k8s.ovn.org/node-subnets": json.dumps(annotation)}
    assert pod_networks({"metadata": {"name": "n", "annotations": annotations}, "spec": spec}) == found


@pytest.mark.parametrize("text", ["", "{", "[" * 10_000, "null"])
def test_a_broken_annotation_names_no_network(text: str) -> None:
    assert pod_networks({"metadata": {"name": "n", "annotations": {"k8s.ovn.org/node-subnets": text}}}) == frozenset()


def test_cluster_ips_span_no_more_than_their_own_network() -> None:
    spanned = common_network(None, "172.30.0.1")
    assert spanned == "172.30.0.1/32"
    spanned = common_network(spanned, "172.30.0.10")
    assert spanned == "172.30.0.0/28"
    assert common_network(spanned, "172.30.200.7") == "172.30.0.0/16"
    assert common_network("172.30.0.0/16", "172.30.7.7") == "172.30.0.0/16"
    assert common_network("172.30.128.0/24", "172.30.127.9") == "172.30.0.0/16"
    assert common_network("fd02::1/128", "fd02::abcd") == "fd02::/112"
    assert service_cidrs({"spec": {"cidrs": ["10.96.0.0/12", "x"]}}) == ("10.96.0.0/12",)


def test_a_router_is_told_of_its_family_merged_and_bounded() -> None:
    assert SEEN.told("IPv4") == ("172.30.0.0/16", "10.244.0.0/23", "10.70.112.7/32", "10.70.112.8/32")
    assert SEEN.told("IPv6") == ("fd02::/112", "fd01:0:0:1::/64", "fd00::7/128")
    nodes = {str(n): NodeNetworks(frozenset({f"10.{n // 100}.{2 * (n % 100)}.1"})) for n in range(1000)}
    assert len(ClusterNetworks(("172.30.0.0/16",), nodes).told("IPv4")) == MAX_TOLD


# --- what becomes of pods ---


def told(controller: Any) -> str | None:
    return environment_of(controller["spec"]["template"]["spec"]).get("EGRESS_CLUSTER")


@pytest.mark.parametrize("ha", [False, True])
def test_a_node_that_joins_replaces_no_pod(ha: bool) -> None:
    wish = {"destination_ip": "10.10.10.200", "ha": ha}
    sources = [SOURCE, "10.70.112.156"] if ha else [SOURCE]
    before = replace(cloud(), inside=ClusterNetworks(("172.30.0.0/16",), {"one": ONE}))

    def serve(by: EgressCloud, observed: plan.Observed, **changed: Any) -> plan.Plan:
        return plan.serve(service({**wish, **changed}), by, network(), sources, observed)

    observed = plan.Observed(service=service_object(wish), has_scc=True)
    observed = carried_out(observed, serve(before, observed).writes)
    controller = observed.stateful_set if ha else observed.controller
    assert told(controller) == "172.30.0.0/16,10.244.1.0/24,10.70.112.7/32"
    observed = replace(observed, pods=(pod_of(controller),) if controller else ())
    after = replace(cloud(), inside=SEEN)
    assert serve(after, observed).writes == ()
    # With any other change of the pod it hears of all there are then.
    (changed,) = [write for write in serve(after, observed, hm_port=1000).writes if "template" in str(write.body)]
    assert "10.70.112.8/32" in str(changed.body)
    named = replace(cloud(clusterCIDRs=["10.9.0.0/16"]), inside=SEEN)
    assert any("10.9.0.0/16" in str(write.body) for write in serve(named, observed).writes)
