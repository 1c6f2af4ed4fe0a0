# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One API server for all tests of the modules, run by Ansible.

No egress controller runs here. Where a module waits for one, a thread plays its part by hand; that the controller
plays it so is shown by the end-to-end tests.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    SECURITY_CONTEXT_CONSTRAINTS,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer, api_server
from tests.support.definitions import CRDS, SCC, SCC_CRD, define
from tests.support.module_tasks import SOURCE
from tests.support.waiting import wait_for


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that all files of this folder share: their tests keep to projects and networks of their own."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture(scope="package")
def ansible(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    return Ansible(tmp_path_factory.mktemp("ansible"), api.kubeconfig)


@pytest.fixture(scope="package")
def cluster(api: ApiServer) -> KubeClient:
    """The administrator's direct access, with the custom resources in place."""
    found = api.cluster()
    define(found, CRDS)
    return found


@pytest.fixture
def openshift(cluster: KubeClient) -> None:
    """The API server knows SecurityContextConstraints."""
    define(cluster, [SCC_CRD])


@pytest.fixture
def kubernetes(cluster: KubeClient) -> None:
    """The API server knows no SecurityContextConstraints; those that other tests have made are gone."""
    if cluster.get(CUSTOM_RESOURCE_DEFINITION, SCC):
        cluster.delete_named(CUSTOM_RESOURCE_DEFINITION, SCC)
    wait_for("their definition to go", lambda: cluster.get(CUSTOM_RESOURCE_DEFINITION, SCC) is None)
    wait_for("them to be unknown", lambda: not cluster.serves(SECURITY_CONTEXT_CONSTRAINTS))


@pytest.fixture
def project(cluster: KubeClient) -> str:
    """A namespace of its own."""
    name = f"green-{uuid.uuid4().hex[:6]}"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def cloud(cluster: KubeClient) -> Iterator[str]:
    """The name, and UUID, of an EgressCloud that every project is in; other tests have none."""
    name = str(uuid.uuid4())
    head = {"apiVersion": EGRESS_CLOUD.api_version, "kind": EGRESS_CLOUD.kind, "metadata": {"name": name}}
    cluster.create(EGRESS_CLOUD, {**head, "spec": {"uuid": name}})
    yield name
    cluster.delete_named(EGRESS_CLOUD, name)


@pytest.fixture
def network(cluster: KubeClient) -> str:
    """An EgressNetwork of three addresses, on an uplink of its own: all tests' networks have the same ones."""
    name = f"dmz-{uuid.uuid4().hex[:6]}"
    ranges = [{"begin": SOURCE, "end": "10.70.112.102"}]
    subnet = {"cidr": "10.70.112.0/24", "gateway": "10.70.112.1", "ranges": ranges}
    cluster.create(
        EGRESS_NETWORK,
        {
            "apiVersion": "egress.avi.dev/v1",
            "kind": "EgressNetwork",
            "metadata": {"name": name},
            "spec": {"subnets": [subnet], "uplink": name},
        },
    )
    return name
