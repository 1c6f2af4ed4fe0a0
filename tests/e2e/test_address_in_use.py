# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A host on the outside LAN has an address that was never leased to it: told, marked, and passed over by claims.

A service that has sent from the address is not moved: its router waits, however long that takes, after it has ended
once to tell of it (docs/explanation/data-path.md). A service that never has gets another address.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import DUAL_STACK, Project
from tests.support.waiting import wait_for

SERVICE = "patient"
PERIODS = 3
"""Of the liveness probe, that a router waits beyond the moment at which that would have ended it."""
WAITING_SECONDS = 90


@pytest.fixture
def source(green: Project, outside: Outside) -> Iterator[str]:
    """The source address of a service that is up."""
    green.create_service(SERVICE, {"destination_ip": outside.destination})
    green.wait_ready(SERVICE)
    yield green.source_ip(SERVICE)
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE)
    wait_for("its pod is gone", lambda: not green.egress_pods(SERVICE))


@contextmanager
def held_outside(cluster: Cluster, address: str) -> Iterator[str]:
    """A host on the outside LAN has the address for as long as it lasts; gives the host's MAC address."""
    remote = cluster.namespace("remote")
    length = ip_address(address).max_prefixlen
    options = {"add": ["nodad"] if length == 128 else [], "delete": []}

    def change(verb: str) -> None:
        command = ["ip", "-n", remote, "address", verb, f"{address}/{length}", "dev", "eth0", *options[verb]]
        subprocess.run(command, check=True)

    shown = subprocess.run(["ip", "-n", remote, "-j", "link", "show", "eth0"], check=True, capture_output=True)
    change("add")
    try:
        yield str(json.loads(shown.stdout)[0]["address"])
    finally:
        change("delete")


def lock_of(kubectl: Kubectl, network: str, address: str) -> dict[str, Any]:
    """The EgressAddress."""
    found: list[dict[str, Any]] = kubectl.json("get", "egressaddresses")["items"]
    wanted = (network, address)
    (lock,) = (item for item in found if (item["spec"]["network"], item["spec"]["address"]) == wanted)
    return lock


def said_by(obj: dict[str, Any], kind: str) -> dict[str, str]:
    """A condition."""
    conditions = obj.get("status", {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def is_in_conflict(kubectl: Kubectl, network: str, address: str) -> bool:
    return said_by(lock_of(kubectl, network, address), "Conflict").get("status") == "True"


def network_says(kubectl: Kubectl, name: str) -> dict[str, str]:
    return said_by(kubectl.json("get", "egressnetwork", name), "NoConflicts")


def warned(kubectl: Kubectl, namespace: str, obj: str) -> list[str]:
    """What the Warning Events of that reason about an object say, such as of ``Service/web``."""
    kind, name = obj.split("/")
    fields = f"reason=AddressConflict,type=Warning,involvedObject.kind={kind},involvedObject.name={name}"
    found = kubectl.json("-n", namespace, "get", "events", f"--field-selector={fields}")["items"]
    return [str(item["message"]) for item in found]


def seconds_until_killed(pod: dict[str, Any]) -> float:
    """How long a container whose port stays closed lives under its liveness probe, with a margin."""
    probe = pod["spec"]["containers"][0]["livenessProbe"]
    return float(probe["initialDelaySeconds"] + (probe["failureThreshold"] + PERIODS) * probe["periodSeconds"])


def seconds_of_running(pod: dict[str, Any]) -> float:
    """How long the pod's container has been running; 0 if it isn't."""
    for container in pod["status"].get("containerStatuses") or ():
        if running := container["state"].get("running"):
            return (datetime.now(UTC) - datetime.fromisoformat(running["startedAt"])).total_seconds()
    return 0.0


def test_a_service_whose_address_a_stranger_takes_is_told_of_and_never_moved(
    green: Project, source: str, cluster: Cluster, kubectl: Kubectl
) -> None:
    (former,) = green.egress_pods(SERVICE)
    with held_outside(cluster, source) as mac:
        green.kubectl.run("-n", green.name, "delete", "pod", former["metadata"]["name"])
        (pod,) = green.egress_pods(SERVICE)
        name, longest = pod["metadata"]["name"], seconds_until_killed(pod)

        def status() -> dict[str, Any]:
            found: dict[str, Any] = green.json("get", "pod", name)["status"]["containerStatuses"][0]
            return found

        def has_outlived() -> bool:
            live = green.json("get", "pod", name)
            told = status()["restartCount"]
            return told > 1 or (told == 1 and seconds_of_running(live) > longest)

        wait_for("it is told", lambda: green.condition(SERVICE).get("reason") == "AddressConflict", WAITING_SECONDS)
        condition = green.condition(SERVICE)
        assert condition["status"] == "False"
        assert all(word in condition["message"] for word in (source, mac, "remove that host"))
        assert is_in_conflict(kubectl, "outside", source)
        wait_for("its network says so", lambda: network_says(kubectl, "outside").get("status") == "False")
        assert source in network_says(kubectl, "outside")["message"]
        for told in (
            warned(kubectl, green.name, f"Service/{SERVICE}"),
            warned(kubectl, "default", "EgressNetwork/outside"),
        ):
            assert any(source in message and mac in message for message in told)

        wait_for(f"the router has waited {longest:.0f} s more", has_outlived, WAITING_SECONDS)
        assert (status()["restartCount"], status()["ready"]) == (1, False)
        assert (green.source_ip(SERVICE), green.lease(SERVICE)["status"]["address"]) == (source, source)
        assert [item["metadata"]["name"] for item in green.egress_pods(SERVICE)] == [name]
        assert f"address {source} is held by {mac}" in green.kubectl.run("-n", green.name, "logs", name)
        assert green.fetch(green.cluster_ip(SERVICE)).refused
    green.wait_served(SERVICE)
    assert green.fetch(green.cluster_ip(SERVICE)).seen == source
    assert status()["restartCount"] == 1
    wait_for("the mark is gone", lambda: not is_in_conflict(kubectl, "outside", source))
    wait_for("its network is content", lambda: source not in network_says(kubectl, "outside")["message"])


def test_a_new_service_whose_address_a_stranger_has_gets_another_and_nobody_gets_that_one(
    new_project: Any, cluster: Cluster, kubectl: Kubectl, outside_v6: Outside
) -> None:
    """With IPv6. The network has the stranger's address only at first, so that there is no luck in the draw."""
    project = new_project("newcomer", labels={"newcomer": "yes"})
    name, subnet = project.name, ip_network(outside_v6.subnet)
    # Of this run only: what a run that broke off leaves leased would keep them from the next one.
    base = 0x10000000 + 2 * int(name.rpartition("-")[2], 16)
    first, second = str(subnet[base]), str(subnet[base + 1])

    def offer(end: str) -> None:
        subnets = [{"cidr": str(subnet), "ranges": [{"begin": first, "end": end}]}]
        spec = {"subnets": subnets, "allowedNamespaces": {"matchLabels": {"newcomer": "yes"}}, "quarantineSeconds": 0}
        network = {"apiVersion": "egress.avi.dev/v1", "kind": "EgressNetwork", "metadata": {"name": name}}
        kubectl.apply({**network, "spec": spec})

    def figures() -> dict[str, int]:
        found: dict[str, int] = kubectl.json("get", "egressnetwork", name)["status"]
        return found

    offer(first)
    wish = {"destination_ip": outside_v6.destination, "network": name}
    try:
        with held_outside(cluster, first) as mac:
            project.create_service("new", wish, **DUAL_STACK)
            wait_for("told", lambda: project.condition("new").get("reason") == "AddressConflict", WAITING_SECONDS)
            assert mac in project.condition("new")["message"]
            assert project.source_ip("new") == first, "there is no other"
            offer(second)
            project.wait_ready("new")
            assert project.source_ip("new") == second
            wait_for(
                "traffic leaves from it", lambda: project.fetch(project.cluster_ip("new", version=6)).seen == second
            )
            *_earlier, left = project.lease("new")["status"]["history"]
            assert (left["address"], left["reason"]) == (first, "Conflict")
            assert is_in_conflict(kubectl, name, first)
        # The stranger is gone, but nobody has said that he will not be back.
        project.create_service("late", wish, **DUAL_STACK)
        wait_for("the address is passed over", lambda: project.condition("late").get("reason") == "PoolExhausted")
        kubectl.run("delete", "egressaddress", lock_of(kubectl, name, first)["metadata"]["name"])
        project.wait_ready("late")
        assert project.source_ip("late") == first
        kubectl.run("-n", name, "delete", "service", "new", "late")
        wait_for("the pods are gone", lambda: not project.egress_pods("new") + project.egress_pods("late"))
        wait_for("the addresses are free", lambda: figures()["bound"] + figures()["released"] == 0)
    finally:
        kubectl.run("annotate", "egressnetwork", name, "egress.avi.dev/deletion=allow", check=False)
        kubectl.run("delete", "egressnetwork", name, "--ignore-not-found")
