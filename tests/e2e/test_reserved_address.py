# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``source_ip``: an address that an administrator has leased for the service ahead, and no other."""

from __future__ import annotations

import json
import os
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.waiting import wait_for

SERVICE = "reserved"


def lease(kubeconfig: Path, **options: Any) -> None:
    """Run ``avi_ipam_lease`` as an administrator does."""
    environment = {**os.environ, "K8S_AUTH_KUBECONFIG": str(kubeconfig)}
    command = ["ansible", "localhost", "-m", "avi.egress.avi_ipam_lease", "-a", json.dumps(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def free_address(project: Project, outside: Outside) -> str:
    """The last one of the network that nobody holds."""
    held = {item["spec"]["address"] for item in project.kubectl.json("get", "egressaddresses")["items"]}
    first, last = ip_address(outside.begin), ip_address(outside.end)
    addresses = (str(last - place) for place in range(int(last) - int(first) + 1))
    return next(address for address in addresses if address not in held)


def test_only_an_address_that_was_leased_ahead_may_be_asked_for(
    green: Project, product: Path, outside: Outside
) -> None:
    wanted = free_address(green, outside)
    green.create_service(SERVICE, {"destination_ip": outside.destination, "source_ip": wanted})
    slot = {"network": "outside", "namespace": green.name, "service": SERVICE}
    try:
        wait_for("the tenant is told", lambda: green.condition(SERVICE).get("reason") == "AddressNotReserved")
        assert wanted in green.condition(SERVICE)["message"]
        assert not green.egress_pods(SERVICE)

        lease(product, **slot, address=wanted)
        green.wait_served(SERVICE)
        assert green.fetch(green.cluster_ip(SERVICE)).seen == wanted
    finally:
        green.kubectl.run("-n", green.name, "delete", "service", SERVICE)
        wait_for("the pod is gone", lambda: not green.egress_pods(SERVICE))
        lease(product, **slot, state="absent")
