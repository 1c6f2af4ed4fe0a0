# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Somebody else has the source address: the router waits, however long that takes.

It ends once, to tell of it (docs/explanation/data-path.md), and is not restarted for waiting."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.demo.outside import Outside

from .conftest import Project
from .test_secure_egress_service import wait_until

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
    wait_until(lambda: not green.egress_pods(SERVICE), "its pod is gone")


@contextmanager
def held_outside(cluster: Cluster, address: str) -> Iterator[None]:
    """A host on the outside LAN has the address for as long as it lasts."""

    def change(verb: str) -> None:
        command = ["ip", "-n", cluster.namespace("remote"), "address", verb, f"{address}/32", "dev", "eth0"]
        subprocess.run(command, check=True)

    change("add")
    try:
        yield
    finally:
        change("delete")


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


def test_a_router_that_waits_for_its_address_is_told_of_and_not_restarted(
    green: Project, source: str, cluster: Cluster
) -> None:
    (former,) = green.egress_pods(SERVICE)
    with held_outside(cluster, source):
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

        wait_until(has_outlived, f"the router has waited {longest:.0f} s", WAITING_SECONDS)
        assert (status()["restartCount"], status()["ready"]) == (1, False)
        condition = green.condition(SERVICE)
        assert (condition["status"], condition["reason"]) == ("False", "WaitingForPod")
        assert all(word in condition["message"] for word in (name, "not ready", "source address"))
        assert f"address {source} is held by" in green.kubectl.run("-n", green.name, "logs", name)
        assert green.fetch(green.cluster_ip(SERVICE)).refused
    green.wait_ready(SERVICE)
    assert green.fetch(green.cluster_ip(SERVICE)).seen == source
    assert status()["restartCount"] == 1
