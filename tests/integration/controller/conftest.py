# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One API server for all tests of the controller, its process, and a world for each test."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.api_server import ApiServer, api_server
from tests.support.controller_process import (
    LEADS_SECONDS,
    ControllerProcess,
    Replica,
)
from tests.support.definitions import CRDS, SCC_CRD, define
from tests.support.installed import install_account
from tests.support.waiting import wait_for
from tests.support.world import World


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that all files of this folder share: their tests keep to worlds of their own."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture(scope="package")
def cluster(api: ApiServer) -> KubeClient:
    """A cluster with the kinds of objects that the role installs, and OpenShift's SCC."""
    found = api.cluster()
    define(found, [*CRDS, SCC_CRD])
    return found


@pytest.fixture(scope="package")
def account(api: ApiServer, cluster: KubeClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the account that the role makes: every test runs with its rights and no more."""
    return install_account(api, cluster, tmp_path_factory.mktemp("account"))


@pytest.fixture
def replica(account: Path, tmp_path: Path) -> Iterator[Replica]:
    """Makes replicas, not yet started; ends them all."""
    made: list[ControllerProcess] = []

    def make(*flags: str) -> ControllerProcess:
        identity = f"replica-{len(made)}"
        made.append(ControllerProcess(account, tmp_path / f"{identity}.log", identity, *flags))
        return made[-1]

    yield make
    for process in made:
        process.end()


@pytest.fixture
def controller(replica: Replica) -> ControllerProcess:
    """One running replica, which leads."""
    made = replica("--orphan-grace=0.5")
    made.start()
    wait_for("it to lead", lambda: made.leads, LEADS_SECONDS)
    return made


@pytest.fixture
def world(cluster: KubeClient) -> Iterator[World]:
    """It ends after the controller, so that nothing of it is made again."""
    made = World(cluster)
    yield made
    made.end()
