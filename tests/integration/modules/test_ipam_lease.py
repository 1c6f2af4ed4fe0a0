# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_ipam_lease`` for one lease or reservation, and ``avi_ipam_lease_info``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.lease import (
    ipam_lease,
)

from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.breaking import BreakingCluster
from tests.support.controllers_part import (
    make_anew,
    phase,
)
from tests.support.module_tasks import (
    SOURCE,
    changed,
    checked,
    deleted_service,
    lease,
    lease_item,
    service,
)


def test_its_life(ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
    name = f"{network}.{project}.x.0"

    results = ansible.tasks(
        checked(lease(network, project)),
        lease(network, project),
        checked(lease(network, project)),
        lease(network, project),
        checked(lease(network, project, state="absent")),
        lease(network, project, state="absent"),
        lease(network, project, state="absent"),
        checked(lease(network, project)),
        lease(network, project),
    )

    assert changed(results) == [True, True, False, False, True, True, False, True, True]
    address = results[1]["address"]
    assert results[0]["address"] == "one of 3 free"
    assert results[1]["lease"]["status"] == {**results[1]["lease"]["status"], "phase": "Bound", "address": address}
    assert [item["address"] for item in results[1:]] == [address] * 8
    assert [item["phase"] for item in results[4:7]] == ["Released"] * 3
    assert results[4]["diff"] == results[5]["diff"]
    assert results[7]["diff"] == results[8]["diff"]
    assert results[1]["diff"] == {
        "before": {},
        "after": {f"EgressLease {name}": {"phase": "Bound", "address": address}},
    }
    assert len([item for item in cluster.list(EGRESS_ADDRESS) if item["spec"]["network"] == network]) == 1


def test_either_family_can_be_had(ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
    subnets = (cluster.get(EGRESS_NETWORK, network) or {})["spec"]["subnets"]
    wide = {"cidr": "fd70:112::/64", "gateway": "fd70:112::1"}
    cluster.patch(EGRESS_NETWORK, network, {"spec": {"subnets": [*subnets, wide]}})

    results = ansible.tasks(
        checked(lease(network, project, ip_family="IPv6")),
        lease(network, project, ip_family="IPv6"),
        lease(network, project),
        lease(network, project, service="y", address="FD70:112::7"),
        lease(network, project, service="z"),
    )

    assert changed(results) == [True, True, False, True, True]
    assert results[0]["address"] == f"one of {2**64 - 2} free"
    assert results[1]["address"] == results[2]["address"]
    assert ":" in results[1]["address"]
    assert results[3]["address"] == "fd70:112::7"
    assert "." in results[4]["address"]
    assert [item["reason"] for item in ansible.tasks(lease(network, project, ip_family="IPv4"))] == [
        "AddressFamilyMismatch"
    ]


def test_refusals_are_one_sentence(ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
    results = ansible.tasks(
        lease(network, project, address=SOURCE),
        lease(network, project, service="y", address=SOURCE),
        checked(lease(network, project, service="y", address=SOURCE)),
        lease(network, project, service="y", address="10.70.112.1"),
        lease(network, project, address="10.70.112.101"),
        lease(network, project, service="y", address="ten"),
        lease("no-such-network", project),
        lease(network, "no-such-project"),
        lease(network, project, service="a.b"),
        lease(network, project, service="b"),
        lease(network, project, service="c"),
        lease(network, project, service="d"),
        service(project),
        lease(network, project, state="absent"),
    )

    assert changed([*results[:1], *results[9:11], results[12]]) == [True] * 4
    name = f"{network}.{project}.x.0"
    told = [item["msg"] for item in results if item.get("failed")]
    assert told[0] == f"EgressNetwork {network}: {SOURCE} is held by {name}"
    assert told[1] == f"EgressNetwork {network}: {SOURCE} is held by {name}"
    assert told[2] == f"EgressNetwork {network}: 10.70.112.1 is none of its leasable addresses"
    assert told[3].startswith(f"EgressLease {name} holds {SOURCE}, not 10.70.112.101;")
    assert told[4].endswith("address is 'ten'; give an IPv4 or IPv6 address")
    assert told[5].startswith("EgressNetwork no-such-network does not exist; there are: dmz-")
    assert told[6] == "project no-such-project does not exist; create the namespace first"
    assert told[7].endswith("service is 'a.b'; give a name, which has no dots")
    assert told[8].startswith(f"EgressNetwork {network}: all 3 IPv4 addresses are held or in quarantine;")
    assert told[9].startswith(f"EgressLease {name}: Service {project}/x uses it; delete the service first")


def test_an_address_goes_from_service_to_service(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    other = f"{project}-b"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    handed = lease(network, project, "y", transfer_from={"service": "x"})
    across = lease(network, other, "z", transfer_from={"namespace": project, "service": "y"})

    results = ansible.tasks(
        lease(network, project, address=SOURCE),
        service(project),
        handed,
        deleted_service(project, wait=False),
        checked(handed),
        handed,
        checked(handed),
        handed,
        lease(network, project, "y", state="absent"),
        checked(across),
        across,
        across,
    )

    assert results[2]["reason"] == "InUse"
    assert f"Service {project}/x uses it; delete the service first" in results[2]["msg"]
    assert changed([*results[:2], *results[3:]]) == [
        *(True, True, True),
        *(True, True, False, False),
        *(True, True, True, False),
    ]
    assert results[4]["diff"] == results[5]["diff"]
    assert results[9]["diff"] == results[10]["diff"]
    assert results[5]["diff"]["after"] == {
        f"EgressLease {network}.{project}.x.0": {"phase": "Expired", "address": SOURCE},
        f"EgressLease {network}.{project}.y.0": {"phase": "Bound", "address": SOURCE},
    }
    assert [results[number]["address"] for number in (4, 5, 7, 10, 11)] == [SOURCE] * 5
    (lock,) = [item for item in cluster.list(EGRESS_ADDRESS) if item["spec"]["network"] == network]
    assert lock["spec"]["lease"] == f"{network}.{other}.z.0"
    given = cluster.get(EGRESS_LEASE, f"{network}.{project}.x.0")
    assert given
    assert given["status"]["reason"] == "Transferred"


@pytest.mark.parametrize("made", [False, True])
def test_a_transfer_that_breaks_off_is_completed_by_repeating_it(
    api: ApiServer, cluster: KubeClient, project: str, network: str, made: bool
) -> None:
    for number in range(1, 6):
        giver, heir = f"giver{number}", f"heir{number}"
        source = {"namespace": None, "service": giver, "slot": 0}
        handed = {"leases": [lease_item(network, project, heir, transfer_from=source)]}
        ipam_lease.reconcile(cluster, {"leases": [lease_item(network, project, giver, address=SOURCE)]}, False)

        with pytest.raises(EgressError, match="the connection broke"):
            ipam_lease.reconcile(BreakingCluster(api, number, made=made), handed, False)
        foreseen = ipam_lease.reconcile(cluster, handed, True)
        completed = ipam_lease.reconcile(cluster, handed, False)
        again = ipam_lease.reconcile(cluster, handed, False)

        assert (foreseen.changed, again.changed) == (completed.changed, False)
        held = [item["spec"] for item in cluster.list(EGRESS_ADDRESS) if item["spec"]["network"] == network]
        assert [(item["address"], item["lease"]) for item in held] == [(SOURCE, f"{network}.{project}.{heir}.0")]
        assert phase(cluster, f"{network}.{project}.{heir}.0") == "Bound"
        assert phase(cluster, f"{network}.{project}.{giver}.0") == "Expired"
        make_anew(cluster, network)


def test_who_holds_what_is_told_and_who_held_it(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    def info(**options: Any) -> dict[str, Any]:
        return {"avi.egress.avi_ipam_lease_info": {"network": network, **options}}

    ansible.tasks(
        lease(network, project, address="10.70.112.102"),
        lease(network, project, "y", address=SOURCE),
        lease(network, project, "y", state="absent"),
    )
    found = cluster.get(EGRESS_LEASE, f"{network}.{project}.x.0")
    assert found
    since = found["status"]["boundAt"]

    results = ansible.tasks(
        checked(info()),
        info(),
        info(at=since, address="10.70.112.102"),
        info(at="2026-01-01T00:00:00Z"),
        info(project=project, phases=["Released"]),
        info(phases=["Gone"]),
        info(at="noon"),
    )

    assert changed(results[:5]) == [False] * 5
    assert results[0]["leases"] == results[1]["leases"]
    assert [(item["service"], item["address"]) for item in results[1]["leases"]] == [
        ("y", SOURCE),
        ("x", "10.70.112.102"),
    ]
    assert [item["bound_at"] for item in results[2]["leases"]] == [since]
    assert results[3]["leases"] == []
    assert [(item["service"], item["reason"]) for item in results[4]["leases"]] == [("y", "ReleasedByModule")]
    (counted,) = results[1]["networks"]
    figures = ("capacity", "bound", "released", "available", "percent")
    assert [counted[key] for key in figures] == [3, 1, 1, 1, 66]
    assert results[5]["msg"].startswith("value of phases must be one or more of: Bound, Released, Expired")
    assert results[6]["msg"].startswith("avi_ipam_lease_info: at is 'noon'; give a moment with its zone")


def test_claims_at_the_same_time_never_share_an_address(
    api: ApiServer, cluster: KubeClient, project: str, network: str
) -> None:
    # As many addresses as claimants: two at one slot hold two for a moment, until one of them gives way.
    ranges = [{"begin": SOURCE, "end": "10.70.112.105"}]
    cluster.patch(EGRESS_NETWORK, network, {"spec": {"subnets": [{"cidr": "10.70.112.0/24", "ranges": ranges}]}})

    def claim(service: str) -> str:
        options = {
            "network": network,
            "namespace": project,
            "service": service,
            "slot": 0,
            "address": None,
            "ip_family": None,
            "state": "present",
        }
        return str(ipam_lease.reconcile(api.cluster(), options, False).values["address"])

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(claim, ["a", "b", "c", "a", "b", "c"]))

    assert found[:3] == found[3:]
    assert len(set(found)) == 3


def test_an_address_is_reserved_for_a_project_and_given_free_again(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    def reservations() -> list[dict[str, str]]:
        found = cluster.get(EGRESS_NETWORK, network) or {}
        return found["spec"].get("reservations") or []

    wish = {"avi.egress.avi_ipam_lease": {"network": network, "namespace": project, "address": SOURCE}}
    gone = {"avi.egress.avi_ipam_lease": {**wish["avi.egress.avi_ipam_lease"], "state": "absent"}}
    results = ansible.tasks(checked(wish))
    assert changed(results) == [True]
    assert reservations() == []
    results = ansible.tasks(wish, wish, checked(wish), lease(network, project, service="y"))
    assert changed(results) == [True, False, False, True]
    assert reservations() == [{"address": SOURCE, "namespace": project}]
    assert results[0]["diff"]["after"] == {f"EgressNetwork {network}": {"reservations": {SOURCE: project}}}
    assert results[3]["address"] != SOURCE, "it is never drawn"
    results = ansible.tasks(lease(network, project, address=SOURCE), checked(gone), gone, gone)
    assert changed(results) == [True, True, True, False]
    assert reservations() == []
    assert results[0]["address"] == SOURCE


def test_what_cannot_be_reserved_is_refused_in_one_sentence(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    def reserve(**options: Any) -> dict[str, Any]:
        return {"avi.egress.avi_ipam_lease": {"network": network, "namespace": "another-project", **options}}

    results = ansible.tasks(
        lease(network, project, address=SOURCE),
        reserve(address=SOURCE),
        reserve(address="10.70.112.1"),
        reserve(address="ten"),
        reserve(address="10.70.112.101"),
        reserve(address="10.70.112.101", namespace=project),
        reserve(address="10.70.112.101", slot=1),
        reserve(),
    )
    told = [item["msg"] for item in results if item.get("failed")]
    assert told[0] == f"EgressNetwork {network}: {SOURCE} is held by {network}.{project}.x.0"
    assert told[1] == f"EgressNetwork {network}: 10.70.112.1 is none of its leasable addresses"
    assert told[2] == f"EgressNetwork {network}: address is 'ten'; give an IPv4 or IPv6 address"
    assert told[3] == f"EgressNetwork {network}: 10.70.112.101 is reserved for project another-project"
    assert told[4] == f"EgressNetwork {network}: slot is 1; leave it out, or name the service that it is about"
    assert told[5].startswith("one of the following is required: service, address, leases")
    assert len(told) == 6
