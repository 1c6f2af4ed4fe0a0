# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_ipam_lease`` for a list of leases."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.lease import (
    ipam_lease,
    ipam_lease_import,
    ipam_lease_info,
)

from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.module_tasks import (
    SOURCE,
    changed,
    checked,
    lease_item,
)


def test_many_at_once(ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
    items = [
        {"network": network, "namespace": project, "service": "a"},
        {"network": network, "namespace": project, "service": "b", "address": SOURCE},
        {"network": network, "project": project, "service": "a", "slot": 1},
        {"network": network, "namespace": project, "service": "none", "state": "absent"},
    ]
    many = {"avi.egress.avi_ipam_lease": {"leases": items}}

    results = ansible.tasks(checked(many), many, checked(many), many)

    assert changed(results) == [True, True, False, False]
    assert [item["address"] for item in results[0]["leases"]] == ["one of 2 free", SOURCE, "one of 1 free", None]
    assert [item["changed"] for item in results[1]["leases"]] == [True, True, True, False]
    assert [item["service"] for item in results[1]["leases"]] == ["a", "b", "a", "none"]
    assert results[0]["diff"]["after"].keys() == results[1]["diff"]["after"].keys()
    found = [item["address"] for item in results[1]["leases"][:3]]
    assert sorted(found) == [SOURCE, "10.70.112.101", "10.70.112.102"]
    assert [item["address"] for item in results[3]["leases"][:3]] == found


def test_one_bad_item_keeps_all_from_being_written(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    def many(*items: dict[str, Any], **options: Any) -> dict[str, Any]:
        given = [{"network": network, "namespace": project, **item} for item in items]
        return {"avi.egress.avi_ipam_lease": {"leases": given, **options}}

    results = ansible.tasks(
        many({"service": "a"}, {"service": "b", "address": "10.70.112.1"}),
        many({"service": "a"}, {"service": "a"}),
        many({"service": "a"}, {"service": "b"}, {"service": "c"}, {"service": "d"}),
        many({"service": "a"}, network=network),
        many({"service": "a"}, state="present"),
        {"avi.egress.avi_ipam_lease": {"network": network, "service": "a"}},
    )

    told = [item["msg"] for item in results]
    b = f"{network}.{project}.b.0"
    assert told[0] == (f"leases[1], {b}: EgressNetwork {network}: 10.70.112.1 is none of its leasable addresses")
    assert told[1].endswith("slot is 0; leases[0] has the same; give it once")
    assert told[2].startswith(f"leases[3], {network}.{project}.d.0: EgressNetwork {network}: all 3 IPv4 addresses")
    assert told[3] == "parameters are mutually exclusive: leases|network"
    assert told[4] == "parameters are mutually exclusive: leases|state"
    assert told[5] == "one of the following is required: namespace, leases"
    assert not any(item["changed"] for item in results if "changed" in item)
    assert not cluster.list(EGRESS_LEASE, labels=f"egress.avi.dev/network={network}")


def test_a_hundred_that_are_as_they_should_be_cost_four_lists(
    api: ApiServer, cluster: KubeClient, project: str, network: str
) -> None:
    other = f"{project}-b"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    cluster.patch(EGRESS_NETWORK, network, {"spec": {"subnets": [{"cidr": "10.70.112.0/24"}]}})
    items = [lease_item(network, namespace, f"s{number}") for namespace in (project, other) for number in range(50)]

    first, second = api.cluster(), api.cluster()
    made = ipam_lease.reconcile(first, {"leases": items}, False)
    again = ipam_lease.reconcile(second, {"leases": items}, False)

    assert (made.changed, again.changed) == (True, False)
    assert len({item["address"] for item in made.values["leases"]}) == 100
    assert again.values["leases"] == [{**item, "changed": False} for item in made.values["leases"]]
    assert first.writes == 300
    assert first.requests - first.writes == 6
    assert (second.requests, second.writes) == (4, 0)


def test_reading_a_hundred_leases_and_bringing_them_again_costs_a_few_lists(
    api: ApiServer, cluster: KubeClient, project: str, network: str
) -> None:
    cluster.patch(EGRESS_NETWORK, network, {"spec": {"subnets": [{"cidr": "10.70.112.0/24"}]}})
    items = [lease_item(network, project, f"s{number}") for number in range(100)]
    ipam_lease.reconcile(cluster, {"leases": items}, False)
    reader = api.cluster()

    found = ipam_lease_info.report(reader, {**dict.fromkeys(ipam_lease_info.SPEC.options), "network": network}, False)

    assert len(found.values["leases"]) == 100
    # Leases, locks and networks, and the nodes and clouds whose own addresses are not leased.
    assert (reader.requests, reader.writes) == (5, 0)

    importer = api.cluster()
    records = [{**item, "history": [], "released_at": None, "reason": None} for item in found.values["leases"]]

    same = ipam_lease_import.reconcile(importer, {"leases": records}, False)

    assert not same.changed
    assert (importer.requests, importer.writes) == (3, 0)


def test_a_list_stops_at_what_somebody_else_was_faster_at_and_says_what_was_done(
    api: ApiServer, project: str, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [
        lease_item(network, project, name, address=address) for name, address in zip("ab", (SOURCE, "10.70.112.101"))
    ]
    cluster = api.cluster()
    create = KubeClient.create

    def overtaken(self: KubeClient, resource: Resource, body: KubeObject, **options: Any) -> KubeObject:
        if self is cluster and body["metadata"]["name"] == f"{network}.{project}.b.0":
            other = lease_item(network, project, "c", address="10.70.112.101")
            ipam_lease.reconcile(api.cluster(), {"leases": [other]}, False)
        return create(self, resource, body, **options)

    monkeypatch.setattr(KubeClient, "create", overtaken)
    with pytest.raises(EgressError) as caught:
        ipam_lease.reconcile(cluster, {"leases": items}, False)

    a, b, c = (f"{network}.{project}.{name}.0" for name in "abc")
    told = f"leases[1], {b}: EgressNetwork {network}: 10.70.112.101 is held by {c}; changed already: {a}"
    assert str(caught.value) == told
    assert (caught.value.reason, caught.value.changed) == ("AddressTaken", True)
