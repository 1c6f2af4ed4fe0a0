# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the rules of an EgressNetwork come to on a real API server."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils import lease_state
from ansible_collections.avi.egress.plugins.module_utils.cluster import Cluster
from ansible_collections.avi.egress.plugins.module_utils.errors import EgressError, PoolExhausted, Refused
from ansible_collections.avi.egress.plugins.module_utils.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    NODE,
    KubeObject,
    Resource,
)

from tests.integration.api_server import ApiServer
from tests.integration.controller_process import wait_for

ROLE = Path(__file__).parents[2] / "roles/egress"


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> Cluster:
    """With the kinds of objects that the role installs."""
    found = api.cluster()
    for path in sorted((ROLE / "files/crds").glob("*.yaml")):
        body = yaml.safe_load(path.read_text())
        found.create(CUSTOM_RESOURCE_DEFINITION, body)
        wait_for(f"{body['metadata']['name']} to be served", lambda body=body: is_served(found, body))
    create(found, NAMESPACE, "green")
    return found


def is_served(cluster: Cluster, body: KubeObject) -> bool:
    spec = body["spec"]
    kind = Resource(spec["group"], "v1", spec["names"]["kind"], spec["names"]["plural"], namespaced=False)
    try:
        cluster.list(kind)
    except EgressError:
        return False
    return True


def create(cluster: Cluster, resource: Resource, name: str, spec: dict[str, Any] | None = None) -> KubeObject:
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
    return cluster.create(resource, {**body, "spec": spec} if spec else body)


def network(cluster: Cluster, *cidrs: str, **spec: Any) -> str:
    name = f"dmz-{uuid.uuid4().hex[:6]}"
    create(cluster, EGRESS_NETWORK, name, {"subnets": [{"cidr": cidr} for cidr in cidrs], **spec})
    return name


def acquire(cluster: Cluster, network: str, service: str, project: str = "green", **options: Any) -> str:
    """What avi_ipam_lease does; gives the address."""
    given = {"state": "present", "network": network, "namespace": project, "service": service, "slot": 0}
    outcome = lease_state.reconcile(cluster, {"address": None, "ip_family": None, **given, **options}, False)
    return str(outcome.values["address"])


def test_neither_a_nodes_address_nor_a_bridges_is_leased(cluster: Cluster) -> None:
    dmz = network(cluster, "10.71.0.0/29")
    annotations = {"k8s.ovn.org/host-cidrs": '["10.71.0.2/29"]'}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker", "annotations": annotations}}
    cluster.create(NODE, node)
    addresses = [{"type": "InternalIP", "address": "10.71.0.1"}]
    cluster.patch(NODE, "worker", {"status": {"addresses": addresses}}, subresource="status")
    create(cluster, EGRESS_CLOUD, "cloud", {"uuid": str(uuid.uuid4()), "bridgeSubnet": "10.71.0.3/29"})
    assert {acquire(cluster, dmz, name) for name in "abc"} == {"10.71.0.4", "10.71.0.5", "10.71.0.6"}
    with pytest.raises(PoolExhausted):
        acquire(cluster, dmz, "d")
    with pytest.raises(Refused, match=r"10\.71\.0\.1 is none of its leasable addresses"):
        acquire(cluster, dmz, "d", address="10.71.0.1")
