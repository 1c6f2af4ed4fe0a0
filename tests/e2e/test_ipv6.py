# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""IPv6 in a dual-stack cluster: real pods reach the remote application from the IPv6 address that they were leased."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import DUAL_STACK, NODES, Project
from tests.support.router_links import nodes_that_hold
from tests.support.waiting import wait_for

SERVICE = "six"
SINGLE_STACK = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}


def pod_ips(project: Project, service: str) -> list[str]:
    """The egress pods' IPv6 addresses, in the order of their names."""
    pods = sorted(project.egress_pods(service), key=lambda pod: str(pod["metadata"]["name"]))
    return [item["ip"] for pod in pods for item in pod["status"]["podIPs"] if ":" in item["ip"]]


@pytest.fixture
def made(green: Project) -> Iterator[Any]:
    """Makes services of project green, waits until they serve and gives their sources; they go with the test."""
    names: list[str] = []

    def make(name: str, egress_pod: dict[str, Any], **spec: Any) -> str:
        names.append(name)
        green.create_service(name, egress_pod, **spec)
        green.wait_served(name)
        return green.source_ip(name)

    yield make
    for name in names:
        green.delete(name)


@pytest.fixture(scope="module")
def source(green: Project, blue: Project, outside_v6: Outside) -> Iterator[str]:
    """The source address of the service, which is up; blue is the different project."""
    green.create_service(SERVICE, {"destination_ip": outside_v6.destination}, **DUAL_STACK)
    green.wait_served(SERVICE)
    # The pod may be ready a moment before its policy is enforced, as everywhere in Kubernetes.
    wait_for("the policy is enforced", lambda: blue.fetch(pod_ips(green, SERVICE)[0]).refused)
    yield green.source_ip(SERVICE)
    green.delete(SERVICE)


@pytest.mark.parametrize("node", NODES)
def test_the_remote_application_sees_the_projects_own_ipv6_address(
    green: Project, source: str, outside_v6: Outside, node: str
) -> None:
    for host in (green.cluster_ip(SERVICE, version=6), *pod_ips(green, SERVICE)):
        assert green.fetch(host, node=node).seen == source, host
    assert IPv6Address(outside_v6.begin) <= IPv6Address(source) <= IPv6Address(outside_v6.end)


def test_it_is_the_destination_and_port_that_are_reached(green: Project, source: str, outside_v6: Outside) -> None:
    seen = green.witness(f"[{green.cluster_ip(SERVICE, version=6)}]")
    assert seen == (source, outside_v6.destination, 80)


@pytest.mark.parametrize("node", NODES)
def test_another_project_is_refused(green: Project, blue: Project, source: str, node: str) -> None:
    for host in (green.cluster_ip(SERVICE, version=6), *pod_ips(green, SERVICE)):
        answer = blue.fetch(host, node=node)
        assert answer.refused, (host, answer)


def test_a_plain_connection_does_not_show_the_address(green: Project, source: str, outside_v6: Outside) -> None:
    seen = green.fetch(outside_v6.destination).seen
    assert seen is not None
    assert seen != source


def test_the_egress_pod_is_told_of_one_family(green: Project, source: str, outside_v6: Outside) -> None:
    (pod,) = green.egress_pods(SERVICE)
    environment = {item["name"]: item["value"] for item in pod["spec"]["containers"][0]["env"]}
    assert environment["EGRESS_SOURCE"] == source
    assert environment["EGRESS_DESTINATION"] == outside_v6.destination
    assert environment["EGRESS_PORTS"] == f"80/tcp=[{outside_v6.destination}]:80"
    assert (environment["BRIDGE_IP_ADDR"], environment["BRIDGE_NETMASK"]) == ("fd00:172:18::1", "64")


def test_a_service_with_ipv6_alone_is_reached_by_its_name(green: Project, made: Any, outside_v6: Outside) -> None:
    address = made("alone", {"destination_ip": outside_v6.destination}, **SINGLE_STACK)
    for node in NODES:
        assert green.fetch(f"alone.{green.name}.svc", node=node).seen == address


def test_a_host_name_is_looked_up_in_the_services_family(green: Project, made: Any, cluster: Cluster) -> None:
    wish = {"destination_ip": cluster.layout.remote_name, "resolve": "ttl"}
    address = made("named", wish, **DUAL_STACK)
    assert ":" in address
    seen = green.witness(f"[{green.cluster_ip('named', version=6)}]")
    assert seen == (address, str(cluster.layout.remote_loopbacks_v6[0]), 80)


def test_several_destinations_have_a_service_port_each(green: Project, made: Any, cluster: Cluster) -> None:
    one, other = map(str, cluster.layout.remote_loopbacks_v6[1:])
    wish = {"destinations": {one: {"8080": 80}, other: {"9080": "8080"}}}
    ports = [{"name": "foo", "port": 8080}]
    address = made("several", wish, ports=ports, **DUAL_STACK)
    host = f"[{green.cluster_ip('several', version=6)}]"
    assert green.witness(host, 8080) == (address, one, 80)
    assert green.witness(host, 9080) == (address, other, 8080)


def test_services_of_both_families_stand_side_by_side(
    green: Project, source: str, made: Any, outside: Outside, outside_v6: Outside
) -> None:
    four = made("four", {"destination_ip": outside.destination}, **DUAL_STACK)
    assert ":" not in four
    assert green.witness(green.cluster_ip("four", version=4)) == (four, outside.destination, 80)
    assert green.witness(f"[{green.cluster_ip(SERVICE, version=6)}]") == (source, outside_v6.destination, 80)


def test_high_availability_has_two_pods_with_an_ipv6_address_each(
    green: Project, made: Any, outside_v6: Outside
) -> None:
    made("both", {"destination_ip": outside_v6.destination, "ha": True}, **DUAL_STACK)
    wait_for("both pods are ready", lambda: green.condition("both")["reason"] == "EgressReady", seconds=60)
    sources = green.source_ip("both").split(",")
    assert len(set(sources)) == 2
    assert [green.fetch(host).seen for host in pod_ips(green, "both")] == sources


def test_a_single_stack_service_is_told_the_remedy_which_works(
    green: Project, outside_v6: Outside, kubectl: Kubectl
) -> None:
    green.create_service("single", {"destination_ip": outside_v6.destination}, ipFamilyPolicy="SingleStack")
    try:
        wait_for("the service is told", lambda: green.condition("single").get("reason") == "IPFamilyMissing")
        told = green.condition("single")["message"]
        assert all(word in told for word in ("IPv4", "IPv6", "ipFamilyPolicy", "PreferDualStack", "ipFamilies")), told
        assert not green.egress_pods("single")
        remedy = '{"spec": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}}'
        kubectl.run("-n", green.name, "patch", "service", "single", "--type=merge", "-p", remedy)
        green.wait_served("single")
        assert green.fetch(green.cluster_ip("single", version=6)).seen == green.source_ip("single")
    finally:
        green.delete("single")


def test_a_mix_of_families_is_told_at_its_field(green: Project, outside: Outside, outside_v6: Outside) -> None:
    green.create_service(
        "mixed", {"destinations": {outside.destination: {"80": 80}, outside_v6.destination: {"81": 80}}}, **DUAL_STACK
    )
    try:
        wait_for("the service is told", lambda: green.condition("mixed").get("reason") == "InvalidAnnotation")
        assert f"egress_pod.destinations is '{outside_v6.destination}'" in green.condition("mixed")["message"]
        assert not green.egress_pods("mixed")
    finally:
        green.delete("mixed")


def test_deletion_frees_the_address_and_the_same_service_gets_it_again(
    green: Project, source: str, outside_v6: Outside, kubectl: Kubectl, cluster: Cluster
) -> None:
    assert len(nodes_that_hold(cluster, source)) == 1
    green.delete(SERVICE)
    wait_for("the lease is released", lambda: green.lease(SERVICE)["status"]["phase"] == "Released")
    wait_for("the pod is gone", lambda: not green.egress_pods(SERVICE))
    assert nodes_that_hold(cluster, source) == []

    green.create_service(SERVICE, {"destination_ip": outside_v6.destination}, **DUAL_STACK)
    green.wait_served(SERVICE)
    assert green.source_ip(SERVICE) == source
    assert green.lease(SERVICE)["status"]["phase"] == "Bound"
    assert green.fetch(green.cluster_ip(SERVICE, version=6)).seen == source
