# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the rules of an EgressNetwork come to on a real API server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, PoolExhausted, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    NODE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from ansible_collections.avi.egress.plugins.module_utils.module.lease import ipam_lease

from tests.support.api_server import ApiServer
from tests.support.checkout import CHECKOUT
from tests.support.controller_process import LEADS_SECONDS, NAMESPACE_OF_CONTROLLER, ControllerProcess
from tests.support.definitions import CRDS, define
from tests.support.installed import install_policies
from tests.support.waiting import wait_for

ROLE = CHECKOUT / "roles/egress"
HOW_TO = [CHECKOUT / "docs/how-to" / name for name in ("networks.md", "routed-networks.md")]


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    """With the kinds of objects that the role installs."""
    found = api.cluster()
    define(found, CRDS)
    create(found, NAMESPACE, "green")
    create(found, NAMESPACE, NAMESPACE_OF_CONTROLLER)
    return found


def is_served(cluster: KubeClient, body: KubeObject) -> bool:
    spec = body["spec"]
    kind = Resource(spec["group"], "v1", spec["names"]["kind"], spec["names"]["plural"], namespaced=False)
    try:
        cluster.list(kind)
    except EgressError:
        return False
    return True


def release(cluster: KubeClient, network: str, service: str) -> None:
    given = {"state": "absent", "network": network, "namespace": "green", "service": service, "slot": 0}
    ipam_lease.reconcile(cluster, {"address": None, "ip_family": None, **given}, False)


def create(cluster: KubeClient, resource: Resource, name: str, spec: dict[str, Any] | None = None) -> KubeObject:
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
    return cluster.create(resource, {**body, "spec": spec} if spec else body)


def network(cluster: KubeClient, *cidrs: str, prefix: str = "dmz", **spec: Any) -> str:
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    create(cluster, EGRESS_NETWORK, name, {"subnets": [{"cidr": cidr} for cidr in cidrs], **spec})
    return name


def acquire(cluster: KubeClient, network: str, service: str, project: str = "green", **options: Any) -> str:
    """What avi_ipam_lease does; gives the address."""
    given = {"state": "present", "network": network, "namespace": project, "service": service, "slot": 0}
    outcome = ipam_lease.reconcile(cluster, {"address": None, "ip_family": None, **given, **options}, False)
    return str(outcome.values["address"])


def documented() -> Iterator[KubeObject]:
    """The networks of the pages about them, also those that they show as a part or as the role's variable."""
    pages = "\n".join(page.read_text() for page in HOW_TO)
    for text in re.findall("^```yaml$(.*?)^```$", pages, re.MULTILINE | re.DOTALL):
        content = yaml.safe_load(text)
        for item in content.get("egress_networks", ()):
            yield {"metadata": {"name": item["name"]}, "spec": {key: item[key] for key in item if key != "name"}}
        if "spec" in content:
            yield {"metadata": {"name": "part"}, **content}


@pytest.mark.parametrize("body", list(documented()), ids=lambda body: body["metadata"]["name"])
def test_a_network_of_the_documentation_is_taken_as_it_stands(cluster: KubeClient, body: KubeObject) -> None:
    kind = {"apiVersion": EGRESS_NETWORK.api_version, "kind": EGRESS_NETWORK.kind}
    made = cluster.create(EGRESS_NETWORK, {**kind, **body}, dry_run=True)
    defaults = {key: made["spec"][key] for key in made["spec"].keys() - body["spec"].keys()}
    assert made["spec"] == {**body["spec"], **defaults}
    read = read_network(made)
    assert read.pool.size > 50
    assert all(address in read.pool for address in read.reservations)


def test_a_mode_that_is_none_is_refused(cluster: KubeClient) -> None:
    with pytest.raises(EgressError, match=r'spec\.mode: Unsupported value: "bgp"'):
        network(cluster, "10.71.9.0/29", mode="bgp")


def test_neither_a_nodes_address_nor_a_bridges_is_leased(cluster: KubeClient) -> None:
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


def test_what_two_networks_offer_the_older_one_leases(cluster: KubeClient) -> None:
    # Of one second's networks, the first by name counts as the older.
    old = network(cluster, "10.72.0.0/30", prefix="a-old", uplink="eth1")
    network(cluster, "10.72.0.0/99", prefix="a-unreadable", uplink="eth1")
    new = network(cluster, "10.72.0.0/29", prefix="b-new", uplink="eth1")
    elsewhere = network(cluster, "10.72.0.0/30", prefix="c-elsewhere", uplink="eth2")
    assert {acquire(cluster, new, name) for name in "abcd"} == {f"10.72.0.{number}" for number in (3, 4, 5, 6)}
    with pytest.raises(PoolExhausted):
        acquire(cluster, new, "e")
    for other in (old, elsewhere):
        assert {acquire(cluster, other, name) for name in "ab"} == {"10.72.0.1", "10.72.0.2"}


def test_a_network_has_its_addresses_until_it_is_gone(cluster: KubeClient) -> None:
    old = network(cluster, "10.73.0.0/30", prefix="a-old", uplink="eth1")
    new = network(cluster, "10.73.0.0/30", prefix="b-new", uplink="eth1")
    cluster.patch(EGRESS_NETWORK, old, {"metadata": {"finalizers": ["example.org/wait"]}})
    cluster.delete_named(EGRESS_NETWORK, old)
    with pytest.raises(PoolExhausted):
        acquire(cluster, new, "a")
    cluster.patch(EGRESS_NETWORK, old, {"metadata": {"finalizers": None}})
    wait_for("the old one to go", lambda: cluster.get(EGRESS_NETWORK, old) is None)
    assert acquire(cluster, new, "a") in ("10.73.0.1", "10.73.0.2")


def status(cluster: KubeClient, network: str) -> dict[str, Any]:
    return (cluster.get(EGRESS_NETWORK, network) or {}).get("status") or {}


def told(cluster: KubeClient, network: str, kind: str) -> tuple[str, str] | None:
    """Status and reason of a network's condition."""
    found = (item for item in status(cluster, network).get("conditions") or () if item["type"] == kind)
    return next(((item["status"], item["reason"]) for item in found), None)


@pytest.fixture
def controller(api: ApiServer, cluster: KubeClient, tmp_path: Path) -> Iterator[ControllerProcess]:
    """One that leads."""
    made = ControllerProcess(api.kubeconfig, tmp_path / "controller.log", "replica")
    made.start()
    try:
        wait_for("it to lead", lambda: made.leads, LEADS_SECONDS)
        yield made
    finally:
        made.end()


@pytest.mark.usefixtures("controller")
def test_a_nodes_address_is_none_of_the_capacity_while_the_node_is_there(cluster: KubeClient) -> None:
    dmz = network(cluster, "10.81.0.0/30")
    wait_for("its figures", lambda: status(cluster, dmz).get("capacity") == 2)
    cluster.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "joins"}})
    for address, capacity in (("10.81.0.1", 1), ("10.81.1.1", 2), ("10.81.0.2", 1)):
        patch = {"status": {"addresses": [{"type": "InternalIP", "address": address}]}}
        cluster.patch(NODE, "joins", patch, subresource="status")
        wait_for(f"the capacity beside {address}", lambda n=capacity: status(cluster, dmz)["capacity"] == n)
    cluster.delete_named(NODE, "joins")
    wait_for("all of it", lambda: status(cluster, dmz)["capacity"] == 2)


@pytest.mark.usefixtures("controller")
def test_an_overlap_is_told_as_long_as_it_is_there(cluster: KubeClient) -> None:
    old = network(cluster, "10.74.1.0/30", prefix="a-old", uplink="eth1")
    new = network(cluster, "10.74.0.0/29", prefix="b-new", uplink="eth1")
    address = acquire(cluster, new, "a")
    wait_for("its figures", lambda: status(cluster, new).get("bound") == 1)
    assert told(cluster, new, "NoOverlap") is None
    cluster.patch(EGRESS_NETWORK, old, {"spec": {"subnets": [{"cidr": f"{address}/32"}]}})
    wait_for("the overlap", lambda: told(cluster, new, "NoOverlap") == ("False", "Overlaps"))
    assert told(cluster, new, "LeasesInPool") == ("False", "Drift")
    assert (status(cluster, new)["capacity"], status(cluster, new)["bound"]) == (5, 1)
    cluster.delete_named(EGRESS_NETWORK, old)
    wait_for("its end", lambda: told(cluster, new, "NoOverlap") == ("True", "NoOverlap"))
    assert told(cluster, new, "LeasesInPool") == ("True", "LeasesInPool")
    assert status(cluster, new)["capacity"] == 6


@pytest.mark.usefixtures("controller")
def test_an_address_in_use_in_another_network_is_not_leased(cluster: KubeClient) -> None:
    old = network(cluster, "10.80.1.0/30", prefix="a-old", uplink="eth1")
    new = network(cluster, "10.80.0.0/30", prefix="b-new", uplink="eth1", quarantineSeconds=0)
    address = acquire(cluster, new, "a")
    wait_for("its figures", lambda: status(cluster, new).get("bound") == 1)
    cluster.patch(EGRESS_NETWORK, old, {"spec": {"subnets": [{"cidr": f"{address}/32"}]}})
    wait_for("the overlap", lambda: told(cluster, new, "NoOverlap") == ("False", "Overlaps"))
    wait_for("the edited network's figures", lambda: status(cluster, old).get("capacity") == 0)
    with pytest.raises(PoolExhausted):
        acquire(cluster, old, "b")
    release(cluster, new, "a")
    wait_for("the address to be free", lambda: status(cluster, old).get("capacity") == 1)
    assert acquire(cluster, old, "b") == address


@pytest.fixture(scope="module")
def guarded(cluster: KubeClient) -> None:
    """From here on, the role's admission policies are in force."""
    install_policies(cluster)
    probe = network(cluster, "10.75.0.0/30")
    cluster.patch(EGRESS_NETWORK, probe, {"status": {"bound": 1}}, subresource="status")
    wait_for("the policy to be in force", lambda: why_not_deleted(cluster, probe, dry_run=True))
    cluster.patch(EGRESS_NETWORK, probe, {"status": {"bound": 0}}, subresource="status")
    cluster.delete_named(EGRESS_NETWORK, probe)


def why_not_deleted(cluster: KubeClient, network: str, *, dry_run: bool = False) -> str:
    """What the API server says to its deletion; nothing where that is done."""
    try:
        cluster.delete_named(EGRESS_NETWORK, network, dry_run=dry_run)
    except EgressError as error:
        return str(error)
    return ""


@pytest.mark.usefixtures("guarded", "controller")
def test_a_network_in_use_or_in_quarantine_is_not_deleted(cluster: KubeClient) -> None:
    dmz = network(cluster, "10.76.0.0/29")
    for name in "ab":
        acquire(cluster, dmz, name)
    wait_for("both to be counted", lambda: status(cluster, dmz).get("bound") == 2)
    assert f"EgressNetwork {dmz}: 2 of its addresses are in use and 0 in quarantine; delete" in why_not_deleted(
        cluster, dmz
    )
    release(cluster, dmz, "a")
    wait_for("the quarantine", lambda: status(cluster, dmz).get("released") == 1)
    assert "1 of its addresses are in use and 1 in quarantine" in why_not_deleted(cluster, dmz)
    release(cluster, dmz, "b")
    wait_for("the second's", lambda: status(cluster, dmz).get("released") == 2)
    told = why_not_deleted(cluster, dmz)
    assert "0 of its addresses are in use and 2 in quarantine" in told
    assert "avi_ipam_lease with state=absent, and wait for the end of the quarantine" in told
    path = EGRESS_NETWORK.path()
    with pytest.raises(EgressError, match="2 in quarantine"):
        cluster._request("DELETE", path, EGRESS_NETWORK, {"fieldSelector": f"metadata.name={dmz}"})
    cluster.patch(EGRESS_NETWORK, dmz, {"spec": {"quarantineSeconds": 0}})
    wait_for("the end of the quarantine", lambda: status(cluster, dmz).get("released") == 0)
    assert why_not_deleted(cluster, dmz) == ""
    assert cluster.get(EGRESS_NETWORK, dmz) is None


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(("annotation", "deleted"), [("allow", True), ("true", False), ("", False)])
def test_an_administrator_may_confirm_the_deletion(cluster: KubeClient, annotation: str, deleted: bool) -> None:
    dmz = network(cluster, "10.77.0.0/29")
    cluster.patch(EGRESS_NETWORK, dmz, {"status": {"released": 1}}, subresource="status")
    cluster.patch(EGRESS_NETWORK, dmz, {"metadata": {"annotations": {"egress.avi.dev/deletion": annotation}}})
    assert (why_not_deleted(cluster, dmz) == "") is deleted


@pytest.mark.usefixtures("guarded")
def test_a_network_that_nobody_has_counted_yet_may_be_deleted(cluster: KubeClient) -> None:
    assert why_not_deleted(cluster, network(cluster, "10.78.0.0/29")) == ""


@pytest.mark.usefixtures("guarded")
def test_the_definition_goes_with_networks_in_use(cluster: KubeClient) -> None:
    dmz = network(cluster, "10.79.0.0/29")
    cluster.patch(EGRESS_NETWORK, dmz, {"status": {"bound": 1}}, subresource="status")
    definition = yaml.safe_load((ROLE / "files/crds/egressnetworks.yaml").read_text())
    name = definition["metadata"]["name"]
    cluster.delete_named(CUSTOM_RESOURCE_DEFINITION, name)
    wait_for("the definition to go", lambda: cluster.get(CUSTOM_RESOURCE_DEFINITION, name) is None)
    cluster.create(CUSTOM_RESOURCE_DEFINITION, definition)
    wait_for("it to be served again", lambda: is_served(cluster, definition))
    assert cluster.get(EGRESS_NETWORK, dmz) is None
