# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""All leases carried from one cluster to another, so that no firewall has to change (docs/how-to)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases, transfers
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import ADMINISTRATOR, CONTROLLER, Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from ansible_collections.avi.egress.plugins.module_utils.module.lease import ipam_lease_import

from tests.support.ansible_run import Ansible, Run
from tests.support.api_server import ApiServer
from tests.support.breaking import BreakingCluster
from tests.support.controller_process import LEADS_SECONDS, NAMESPACE_OF_CONTROLLER, ControllerProcess
from tests.support.definitions import CRDS, SCC_CRD, define
from tests.support.waiting import wait_for
from tests.support.world import World

NOW = datetime(2026, 11, 20, 6, 31, tzinfo=UTC)
MOMENT = "2026-11-20T06:31:00Z"
DMZ = {"subnets": [{"cidr": "10.70.112.0/24"}, {"cidr": "fd70:112::/64"}], "addressesPerNamespace": 6}
LAN = {"subnets": [{"cidr": "10.1.0.0/24"}]}


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return prepare(api)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Another cluster, with the same networks and without any project."""
    server = ApiServer(tmp_path_factory.mktemp("other"))
    try:
        server.start()
        prepare(server)
        yield server
    finally:
        server.stop()


def prepare(server: ApiServer) -> KubeClient:
    found = server.cluster()
    define(found, [*CRDS, SCC_CRD])
    for name, spec in (("dmz", DMZ), ("lan", LAN)):
        create_network(found, name, spec)
    return found


def create_network(cluster: KubeClient, name: str, spec: dict[str, Any]) -> None:
    api_version, kind = EGRESS_NETWORK.api_version, EGRESS_NETWORK.kind
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {**spec, "uplink": name}}
    cluster.create(EGRESS_NETWORK, body)


def play(ansible: Ansible, server: ApiServer, name: str, *arguments: str, **variables: Any) -> Run:
    given = json.dumps({"egress_kubeconfig": str(server.kubeconfig), **variables})
    return ansible.playbook(
        f"avi.egress.leases_{name}", "-e", given, *arguments, environment={"PWD": str(ansible.folder)}
    )


def statuses(server: ApiServer, *phases: str) -> dict[str, Any]:
    found = server.cluster().list(EGRESS_LEASE)
    return {item["metadata"]["name"]: item["status"] for item in found if lease_status.phase(item) in phases}


def test_leases_come_over_as_they_were(
    ansible: Ansible, api: ApiServer, cluster: KubeClient, other: ApiServer, tmp_path: Path
) -> None:
    live_through_much(cluster)
    exported, again = tmp_path / "egress-leases.yml", tmp_path / "again.yml"

    first = play(ansible, api, "export", egress_leases_file=str(exported))
    second = play(ansible, api, "export", egress_leases_file=str(exported))
    foreseen = play(ansible, other, "import", "--check", egress_leases_file=str(exported))
    nothing = statuses(other, "Bound", "Released", "Expired")
    imported = play(ansible, other, "import", egress_leases_file=str(exported), egress_import_batch=2)
    repeated = play(ansible, other, "import", egress_leases_file=str(exported))
    play(ansible, other, "export", egress_leases_file=str(again))

    stats = [(run.failure, run.stats["changed"]) for run in (first, second, foreseen, imported, repeated)]
    assert stats == [("", 1), ("", 0), ("", 1), ("", 1), ("", 0)]
    assert nothing == {}
    assert again.read_bytes() == exported.read_bytes()
    assert statuses(other, "Bound", "Released", "Expired") == statuses(api, "Bound", "Released")
    held = {item["spec"]["address"]: item["spec"]["lease"] for item in other.cluster().list(EGRESS_ADDRESS)}
    assert held == {status["address"]: name for name, status in statuses(other, "Bound", "Released").items()}
    assert imported.result("Tell how many they are")["msg"].startswith("5 of 5 leases were imported")
    text = exported.read_text()
    assert text.startswith("# Leases of source addresses")
    assert not any(word in text for word in ("uid", "resourceVersion", "managedFields", "Expired"))


def test_the_file_stands_where_the_playbook_was_started(ansible: Ansible, api: ApiServer, cluster: KubeClient) -> None:
    run = play(ansible, api, "export", egress_export_expired=True)
    imported = play(ansible, api, "import")

    assert run.failure == ""
    assert "phase: Expired" in (ansible.folder / "egress-leases.yml").read_text()
    assert (imported.failure, imported.stats["changed"]) == ("", 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [b", "is no file of avi.egress.leases_export, which has format: 1"),
        ("just words", "is no file of avi.egress.leases_export, which has format: 1"),
        ("format: 2\nleases: []", "is no file of avi.egress.leases_export, which has format: 1"),
        ("format: 1\nleases: none", "is no file of avi.egress.leases_export, which has format: 1"),
        ("format: 1\nleases: [{network: dmz}]", "missing required arguments: address, bound_at, namespace, phase, "),
        (
            "format: 1\nleases: [{network: '{{ 1 }}', namespace: a, service: b, phase: Bound, address: 10.70.112.9, "
            f"bound_at: {MOMENT}}}]",
            "leases[0]: network is '{{ 1 }}'; give a DNS label",
        ),
    ],
)
def test_what_is_no_export_is_refused(
    ansible: Ansible, other: ApiServer, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "file.yml").write_text(text)

    run = play(ansible, other, "import", egress_leases_file=str(tmp_path / "file.yml"))

    assert sentence in run.failure


def record(network: str, service: str, address: str, phase: str = "Bound", **more: Any) -> dict[str, Any]:
    """As the module gets it from Ansible."""
    ended = None if phase == "Bound" else MOMENT
    slot = {"network": network, "namespace": "green", "service": service, "slot": 0}
    holding = {"address": address, "bound_at": MOMENT, "released_at": ended, "reason": None}
    return {**slot, **holding, "phase": phase, "claimed_by": "controller", "history": [], **more}


@pytest.mark.parametrize("made", [False, True])
def test_an_import_that_breaks_off_is_completed_by_repeating_it(
    api: ApiServer, cluster: KubeClient, made: bool
) -> None:
    for number in range(1, 9):
        network = f"n{uuid.uuid4().hex[:8]}"
        create_network(cluster, network, LAN)
        wanted = {
            "leases": [
                record(network, "a", "10.1.0.5"),
                record(network, "b", "10.1.0.6", "Released", reason="ServiceDeleted"),
                record(network, "c", "10.1.0.5", "Expired"),
            ]
        }

        with pytest.raises(EgressError, match="the connection broke"):
            ipam_lease_import.reconcile(BreakingCluster(api, number, made=made), wanted, False)
        ipam_lease_import.reconcile(api.cluster(), wanted, False)
        again = api.cluster()
        assert not ipam_lease_import.reconcile(again, wanted, False).changed
        assert again.writes == 0

        found = cluster.list(EGRESS_LEASE, labels=f"egress.avi.dev/network={network}")
        assert {item["spec"]["service"]: item["status"] for item in found} == {
            "a": {"phase": "Bound", "address": "10.1.0.5", "boundAt": MOMENT},
            "b": {
                "phase": "Released",
                "address": "10.1.0.6",
                "boundAt": MOMENT,
                "releasedAt": MOMENT,
                "reason": "ServiceDeleted",
            },
            "c": {"phase": "Expired", "address": "10.1.0.5", "boundAt": MOMENT, "releasedAt": MOMENT},
        }
        held = [item["spec"] for item in cluster.list(EGRESS_ADDRESS) if item["spec"]["network"] == network]
        assert {item["address"]: item["lease"] for item in held} == {
            "10.1.0.5": f"{network}.green.a.0",
            "10.1.0.6": f"{network}.green.b.0",
        }


@pytest.mark.parametrize(
    ("bad", "reason", "sentence"),
    [
        (("x", "10.1.0.8"), "AddressMismatch", "EgressLease {n}.green.x.0 is there with 10.1.0.7, not 10.1.0.8"),
        (("y", "10.1.0.7"), "AddressTaken", "EgressNetwork {n}: 10.1.0.7 is held by {n}.green.x.0"),
        (("y", "10.2.0.7"), "AddressNotInNetwork", "EgressNetwork {n}: 10.2.0.7 is none of its leasable addresses"),
        (("y", "10.1.0.9"), "AddressReserved", "EgressNetwork {n}: 10.1.0.9 is reserved for project blue"),
        (("y", "10.1.0.10"), "AddressInConflict", "EgressNetwork {n}: a host that it was not leased to answers for"),
        (None, "NetworkNotFound", "EgressNetwork none does not exist; there are: "),
    ],
)
def test_what_would_make_a_firewall_change_is_refused_before_anything_is_written(
    api: ApiServer, cluster: KubeClient, bad: tuple[str, str] | None, reason: str, sentence: str
) -> None:
    network = f"n{uuid.uuid4().hex[:8]}"
    create_network(cluster, network, {**LAN, "reservations": [{"address": "10.1.0.9", "namespace": "blue"}]})
    claim(cluster, Slot(network, "green", "x", 0), NOW, wanted="10.1.0.7")
    stray = claim(cluster, Slot(network, "green", "stray", 0), NOW, wanted="10.1.0.10")
    condition = {
        "type": "Conflict",
        "status": "True",
        "reason": "Answered",
        "message": "m",
        "lastTransitionTime": MOMENT,
    }
    cluster.patch(EGRESS_ADDRESS, f"{network}.10-1-0-10", {"status": {"conditions": [condition]}}, subresource="status")
    spec = {"lease": f"{network}.green.y.0"}
    cluster.patch(EGRESS_ADDRESS, f"{network}.10-1-0-10", {"spec": spec})
    cluster.delete(EGRESS_LEASE, stray)
    client = api.cluster()
    items = [record(network, "a", "10.1.0.5"), record(network, *bad) if bad else record("none", "y", "10.1.0.8")]

    with pytest.raises(EgressError) as caught:
        ipam_lease_import.reconcile(client, {"leases": items}, False)

    assert (caught.value.reason, caught.value.changed) == (reason, False)
    assert sentence.format(n=network) in str(caught.value)
    assert str(caught.value).startswith("leases[1], ")
    assert client.writes == 0


def test_a_lease_that_has_lived_on_since_stays_as_it_is(api: ApiServer, cluster: KubeClient) -> None:
    network = f"n{uuid.uuid4().hex[:8]}"
    create_network(cluster, network, LAN)
    wanted = {"leases": [record(network, "a", "10.1.0.5")]}
    ipam_lease_import.reconcile(cluster, wanted, False)
    found = cluster.get(EGRESS_LEASE, f"{network}.green.a.0")
    assert found
    leases.release(cluster, found, NOW, "ServiceDeleted")

    outcome = ipam_lease_import.reconcile(cluster, wanted, False)

    assert not outcome.changed
    assert outcome.warnings == [
        f"EgressLease {network}.green.a.0 is Released here and stays so; it was Bound when exported"
    ]


def test_an_imported_lease_is_the_services_own_as_soon_as_that_is_there(
    api: ApiServer, cluster: KubeClient, tmp_path: Path
) -> None:
    world = World(cluster).set_up()
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE_OF_CONTROLLER}}
    cluster.create(NAMESPACE, home)
    (subnet,) = (cluster.get(EGRESS_NETWORK, world.name) or {})["spec"]["subnets"]
    prefix = subnet["cidr"].rpartition(".")[0]
    own = {"namespace": world.namespace}
    items = [
        record(world.name, "bound", f"{prefix}.9", **own),
        record(world.name, "released", f"{prefix}.10", "Released", **own, released_at=datetime.now(UTC).isoformat()),
        record(world.name, "kept", f"{prefix}.11", **own, claimed_by="administrator"),
    ]
    ipam_lease_import.reconcile(cluster, {"leases": items}, False)
    controller = ControllerProcess(api.kubeconfig, tmp_path / "controller.log", "replica", "--orphan-grace=0.5")
    controller.start()
    try:
        wait_for("it to lead", lambda: controller.leads, LEADS_SECONDS)
        for name in ("bound", "released", "kept"):
            world.serve(name)
        wait_for("the leases to be used", lambda: set(map(world.phase, ("bound", "released", "kept"))) == {"Bound"})
        wait_for("the services to be served", lambda: all(map(world.controller, ("bound", "released", "kept"))), 20)
        for name in ("bound", "released"):
            wait_for("the controller's lease", lambda name=name: owner(world.lease(name)) == CONTROLLER)
        assert owner(world.lease("kept")) == ADMINISTRATOR
        assert list(map(world.address, ("bound", "released", "kept"))) == [f"{prefix}.{last}" for last in (9, 10, 11)]
        world.delete("bound")
        wait_for("the lease to be given up with its service", lambda: world.phase("bound") == "Released", 20)
    finally:
        controller.end()


def owner(lease: KubeObject | None) -> str:
    return leases.claimed_by(lease) if lease else ""


def claim(cluster: KubeClient, slot: Slot, now: datetime, wanted: str | None = None, **options: Any) -> KubeObject:
    network = read_network(cluster.get(EGRESS_NETWORK, slot.network) or {})
    return leases.claim(cluster, network, leases.Claim(slot, wanted, **options), leases.at_random(()), now)


def live_through_much(cluster: KubeClient) -> None:
    """Leases of every kind, some of them of names that YAML would take for something else."""

    def slot(service: str, namespace: str = "green", network: str = "dmz", number: int = 0) -> Slot:
        return Slot(network, namespace, service, number)

    def hours(count: int) -> datetime:
        return NOW + timedelta(hours=count)

    claim(cluster, slot("true", "yes", "lan"), NOW, claimed_by=CONTROLLER)
    claim(cluster, slot("null", "1e3", number=1), NOW, claimed_by=ADMINISTRATOR)
    claim(cluster, slot("six"), NOW, ip_family="IPv6", claimed_by=CONTROLLER)
    moved = claim(cluster, slot("moved"), NOW, "10.70.112.17", claimed_by=CONTROLLER)
    moved = leases.release(cluster, moved, hours(1), "ServiceDeleted")
    leases.free(cluster, moved)
    moved = claim(cluster, slot("moved"), hours(2), "10.70.112.18", claimed_by=CONTROLLER)
    leases.release(cluster, moved, hours(3), "ReleasedByModule")
    given = leases.release(cluster, claim(cluster, slot("given"), NOW), hours(1), transfers.TRANSFERRED)
    transfers.transfer(cluster, given, slot("heir"), hours(1), CONTROLLER)
