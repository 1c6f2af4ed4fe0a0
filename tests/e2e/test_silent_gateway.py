# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A gateway that is silent for longer than the liveness probe waits, as while it starts anew, ends no egress pod."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.waiting import wait_for

SERVICE = "unmoved"
SILENCE = "table arp silence { chain in { type filter hook input priority 0; policy drop; }; }"


@pytest.fixture
def pod(green: Project, outside: Outside) -> Iterator[str]:
    """The name of the egress pod of a service that is up."""
    green.create_service(SERVICE, {"destination_ip": outside.destination})
    green.wait_ready(SERVICE)
    yield str(green.egress_pods(SERVICE)[0]["metadata"]["name"])
    green.delete(SERVICE)
    wait_for("its pod is gone", lambda: not green.egress_pods(SERVICE))


@contextmanager
def silent_gateway(cluster: Cluster) -> Iterator[None]:
    """The outside LAN's gateway answers nobody who asks for it."""
    nft = ("ip", "netns", "exec", cluster.namespace("remote"), "nft")
    subprocess.run([*nft, SILENCE], check=True)
    try:
        yield
    finally:
        subprocess.run([*nft, "delete", "table", "arp", "silence"], check=True)


def test_the_pod_is_not_ready_meanwhile_and_serves_on_in_the_same_container(
    green: Project, cluster: Cluster, pod: str
) -> None:
    def live() -> dict[str, Any]:
        found: dict[str, Any] = green.json("get", "pod", pod)
        return found

    def ready() -> str:
        return next(str(item["status"]) for item in live()["status"]["conditions"] if item["type"] == "Ready")

    (probe,) = (container["livenessProbe"] for container in live()["spec"]["containers"])
    (before,) = live()["status"]["containerStatuses"]
    with silent_gateway(cluster):
        wait_for("the pod gets no clients", lambda: ready() == "False", 30)
        time.sleep((probe["failureThreshold"] + 1) * probe["periodSeconds"])
        assert ready() == "False"
    wait_for("it serves again", lambda: ready() == "True", 30)
    (after,) = live()["status"]["containerStatuses"]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], before["restartCount"])
    green.wait_served(SERVICE)
