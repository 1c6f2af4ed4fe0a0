# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nothing ever leaves with another source address: the outside LAN is captured while routers come, go and die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.capture import Capture
from tests.support.hammer import RECOVERY_SECONDS, Hammer, hammering
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import Project

SERVICE = "hammered"


def router_process(pod: dict[str, Any]) -> int:
    """The router's process as this machine numbers it, found by the pod's own cgroup."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            mine = pod["metadata"]["uid"] in (entry / "cgroup").read_text()
            if mine and b"egress_router" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"pod {pod['metadata']['name']} has no router process")


@pytest.fixture(scope="module")
def capture(cluster: Cluster, outside: Outside, green: Project) -> Iterator[Capture]:
    """All packets to the remote application on the outside LAN, from before the service exists."""
    with Capture(cluster.namespace("fabric"), to=[outside.destination]) as running:
        yield running


@pytest.fixture(scope="module")
def hammer(kubectl: Kubectl, green: Project, outside: Outside, capture: Capture) -> Iterator[Hammer]:
    """Clients that call the service from the moment that it exists."""
    green.create_service(SERVICE, {"destination_ip": outside.destination})
    with hammering(kubectl, green, green.cluster_ip(SERVICE)) as running:
        yield running
    kubectl.run("-n", green.name, "delete", "service", SERVICE)


def assert_only_the_source(capture: Capture, green: Project) -> None:
    sources = capture.settled()
    assert set(sources) == {green.source_ip(SERVICE)}, dict(sources)


def test_while_the_router_starts(hammer: Hammer, capture: Capture, green: Project) -> None:
    hammer.wait_for_answers()
    assert_only_the_source(capture, green)


def test_while_its_container_is_killed_and_restarts(hammer: Hammer, capture: Capture, green: Project) -> None:
    pod = green.egress_pods(SERVICE)[0]
    os.kill(router_process(pod), signal.SIGKILL)

    def restarted() -> bool:
        found = green.egress_pods(SERVICE)[0]
        statuses = found["status"]["containerStatuses"]
        return (
            found["metadata"]["uid"] == pod["metadata"]["uid"]
            and statuses[0]["restartCount"] == 1
            and statuses[0]["ready"]
        )

    deadline = time.monotonic() + RECOVERY_SECONDS
    while not restarted():
        assert time.monotonic() < deadline, "the container did not come back"
        time.sleep(0.2)
    hammer.seen()
    hammer.wait_for_answers()
    assert_only_the_source(capture, green)


@pytest.mark.parametrize("how", [["--grace-period=0", "--force"], []], ids=["killed", "deleted"])
def test_while_its_pod_is_replaced(
    hammer: Hammer, capture: Capture, green: Project, kubectl: Kubectl, how: list[str]
) -> None:
    name = green.egress_pods(SERVICE)[0]["metadata"]["name"]
    kubectl.run("-n", green.name, "delete", "pod", name, "--wait=true", *how)
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        pods = [item for item in green.egress_pods(SERVICE) if item["metadata"]["name"] != name]
        statuses = [status for item in pods for status in item["status"].get("containerStatuses") or ()]
        if statuses and all(status["ready"] for status in statuses):
            break
        assert time.monotonic() < deadline, "no pod has followed"
        time.sleep(0.2)
    hammer.seen()
    hammer.wait_for_answers()
    assert_only_the_source(capture, green)


def test_the_capture_would_tell(
    cluster: Cluster, green: Project, outside: Outside, hammer: Hammer, capture: Capture
) -> None:
    """A plain connection beside the service is what a leak would look like: the capture must show it."""
    with Capture(cluster.namespace("fabric"), to=[outside.destination]) as other:
        seen = green.fetch(outside.destination).seen
        assert seen is not None
        assert seen in other.settled()
