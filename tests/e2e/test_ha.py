# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""High availability with real pods: two addresses, two nodes, and service that goes on when one pod or node is lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster import Cluster
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import NODES, Project
from tests.support.waiting import wait_for

SERVICE = "always-there"
NAME = f"{SERVICE}-avi-egress-pod"


@pytest.fixture(scope="module")
def sources(green: Project, outside: Outside) -> Iterator[list[str]]:
    """Both source addresses of the service, which is up."""
    green.create_service(SERVICE, {"ha": True, "destination_ip": outside.destination})
    wait_for("both pods are ready", lambda: green.condition(SERVICE).get("reason") == "EgressReady", seconds=60)
    green.wait_served(SERVICE)
    yield green.source_ip(SERVICE).split(",")
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE, "--ignore-not-found")


def seen(project: Project, times: int = 40) -> list[str]:
    """What the remote application saw of so many connections in a row; AssertionError if one of them failed."""
    host = project.cluster_ip(SERVICE)
    answers = [project.fetch(host, node=NODES[number % 2]) for number in range(times)]
    assert all(answer.seen for answer in answers), [answer.error for answer in answers if answer.error]
    return [answer.seen or "" for answer in answers]


def test_both_pods_serve_each_with_its_own_address_on_its_own_node(green: Project, sources: list[str]) -> None:
    assert len(set(sources)) == 2
    wait_for("clients are led to both", lambda: set(seen(green)) == set(sources))
    pods = green.egress_pods(SERVICE)
    assert {pod["metadata"]["name"] for pod in pods} == {f"{NAME}-0", f"{NAME}-1"}
    assert {pod["spec"]["nodeName"] for pod in pods} == set(NODES)
    by_pod = {pod["metadata"]["name"]: green.fetch(pod["status"]["podIP"]).seen for pod in pods}
    assert by_pod == {f"{NAME}-{number}": source for number, source in enumerate(sources)}


def test_the_set_is_what_the_article_shows_and_drains_take_one_at_a_time(green: Project, sources: list[str]) -> None:
    controller = green.json("get", "statefulset", NAME)
    container = controller["spec"]["template"]["spec"]["containers"][0]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert controller["spec"]["replicas"] == 2
    assert environment["EGRESS_SOURCE"] == ",".join(sources)
    budget = partial(green.json, "get", "poddisruptionbudget", NAME)
    wait_for("the cluster has counted the pods", lambda: budget()["status"]["disruptionsAllowed"] == 1)
    found = green.json("get", "replicationcontrollers")["items"]
    assert NAME not in [item["metadata"]["name"] for item in found]


def test_new_connections_go_on_while_one_pod_is_replaced(green: Project, sources: list[str]) -> None:
    green.kubectl.run("-n", green.name, "delete", "pod", f"{NAME}-0", "--wait=true")
    wait_for("the other one serves", lambda: green.fetch(green.cluster_ip(SERVICE)).seen == sources[1])
    wait_for("both are ready again", lambda: green.condition(SERVICE)["reason"] == "EgressReady", seconds=60)
    wait_for("clients are led to both", lambda: set(seen(green)) == set(sources))


def test_turning_ha_off_leaves_one_pod_and_releases_the_second_address(
    green: Project, sources: list[str], kubectl: Kubectl, cluster: Cluster
) -> None:
    single = '{"destination_ip": "10.10.10.200"}'
    green.kubectl.run("-n", green.name, "annotate", "service", SERVICE, "--overwrite", f"egress_pod={single}")
    wait_for("the second address is no longer told", lambda: green.source_ip(SERVICE) == sources[0])
    wait_for("the single pod is ready", lambda: green.condition(SERVICE)["reason"] == "EgressReady", seconds=60)
    green.wait_served(SERVICE)
    assert set(seen(green, times=10)) == {sources[0]}

    def second() -> str:
        leases = kubectl.json("get", "egressleases")["items"]
        (mine,) = (item for item in leases if item["status"].get("address") == sources[1])
        return str(mine["status"]["phase"])

    wait_for("the second lease is released", lambda: second() == "Released")
