# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A cluster whose projects ask for very many egress services: everything but the controller."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_CLOUD, EGRESS_NETWORK, POD

from tests.benchmarks.egress_progress import EgressProgress
from tests.benchmarks.played_nodes import API_SERVER, CONTROLLER_MANAGER, PODS_CONTROLLER, start_nodes
from tests.benchmarks.played_routers import DESTINATION
from tests.benchmarks.recording import Recording
from tests.support.api_server import CONTROLLERS, ApiServer, ControlPlane, MoreFlags, free_ports
from tests.support.definitions import CRDS, define
from tests.support.installed import install_account
from tests.support.waiting import wait_for
from tests.support.world import LABEL, World

ACCOUNT = "system:serviceaccount:avi-egress:avi-egress-controller"
NAME = "scale"
"""Of cloud and network."""
CREATORS = 16
STORAGE = f"--quota-backend-bytes={8 * 2**30}"
PODS_SECONDS = 3600.0


class EgressSite:
    """Services of projects, by turns; none is served yet."""

    def __init__(self, server: ApiServer, folder: Path, recording: Recording, services: int, projects: int) -> None:
        self.recording = recording
        self.services = services
        self.cluster = server.cluster()
        define(self.cluster, CRDS)
        account = folder / "account"
        account.mkdir()
        self.kubeconfig = install_account(server, self.cluster, account)
        (self._port,) = free_ports(1)
        server.start_beside(sys.executable, "-m", "tests.benchmarks.played_routers", str(self._port))
        self.nodes = start_nodes(server, folder, services)
        self.projects = self._projects(projects)
        with ThreadPoolExecutor(CREATORS) as threads:
            list(threads.map(lambda number: self.serve(number % projects, f"s{number}"), range(services)))
        self.progress = EgressProgress(server.cluster())

    def serve(self, project: int, name: str) -> World:
        """A new service; gives its project."""
        world = self.projects[project]
        world.serve(name, {"destination_ip": DESTINATION, "hm_port": self._port})
        return world

    def edit_cloud(self) -> None:
        """A change after which all is to be as it is."""
        self.cluster.patch(EGRESS_CLOUD, NAME, {"spec": {"projects": {"exclude": {"names": ["nobody"]}}}})

    def wait_pods(self) -> float:
        """Until there is a running pod for each service; gives the moment."""
        wait_for("the pods", lambda: self._pods() >= self.services, PODS_SECONDS)
        wait_for("the pods to run", lambda: not self._pods("status.phase!=Running"), PODS_SECONDS)
        return time.monotonic()

    def _pods(self, fields: str | None = None) -> int:
        page = self.cluster._request("GET", POD.path(), POD, {"limit": 1, "fieldSelector": fields})
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)

    def _projects(self, count: int) -> list[World]:
        world = World(self.cluster)
        world.name = NAME
        network = {"subnets": [{"cidr": "10.100.0.0/16"}], "quarantineSeconds": 3600, "uplink": "eth1"}
        world.create(EGRESS_NETWORK, NAME, network)
        include = {"include": {"matchLabels": {LABEL: NAME}}}
        cloud = {"uuid": world.uuid, "secureEgressMode": True, "projects": include, "networks": [NAME]}
        world.create(EGRESS_CLOUD, NAME, {**cloud, "placement": "project"})
        return [world.of_project(f"project-{number}") for number in range(count)]


@contextmanager
def egress_site(folder: Path, services: int, projects: int) -> Iterator[EgressSite]:
    """Everything ends with it."""
    folder.mkdir()
    recording = Recording(folder, ACCOUNT)
    more = MoreFlags((STORAGE,), (*recording.flags, *API_SERVER), CONTROLLER_MANAGER)
    server = ApiServer(folder, control_plane=ControlPlane(controllers=f"{CONTROLLERS},{PODS_CONTROLLER}", more=more))
    try:
        server.start()
        yield EgressSite(server, folder, recording, services, projects)
    finally:
        server.stop()
