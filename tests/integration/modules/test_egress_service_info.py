# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_egress_service_info``."""

from __future__ import annotations

from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    REPLICATION_CONTROLLER,
    SERVICE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service, egress_service_info

from tests.support.ansible_run import Ansible
from tests.support.api_server import TENANT_TOKEN, ApiServer
from tests.support.controllers_part import (
    replication_controller,
    set_condition,
)
from tests.support.module_tasks import (
    SOURCE,
    as_given,
    changed,
    checked,
    lease,
    service_item,
    service_options,
    services,
)
from tests.support.namespaces import allow_tenant


def test_what_there_is_and_how_it_fares(ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
    def info(**options: Any) -> dict[str, Any]:
        return {"avi.egress.avi_egress_service_info": {"namespace": project, **options}}

    ansible.tasks(
        lease(network, project, "b", address=SOURCE),
        services(
            service_item(project, "b", labels={"team": "t"}),
            service_item(project, "a", destination_ip=None, destinations={"a.example": {"53/udp": 53}}),
        ),
    )
    web = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": project}}
    cluster.create(SERVICE, {**web, "spec": {"ports": [{"port": 80}]}})
    sources = {"metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}}}
    made = cluster.patch(SERVICE, "b", sources, project)
    set_condition(cluster, project, "EgressReady", ready=True, name="b")
    cluster.create(REPLICATION_CONTROLLER, replication_controller(made))

    results = ansible.tasks(
        checked(info()),
        info(),
        info(name="a"),
        info(label_selector="team=t"),
        info(label_selector="team in (none)"),
        info(label_selector="team = = t"),
        info(name=""),
        {"avi.egress.avi_egress_service_info": {"project": "no-such-project"}},
    )

    assert changed([*results[:5], results[7]]) == [False] * 6
    assert results[0]["services"] == results[1]["services"]
    a, b = results[1]["services"]
    assert (a["name"], a["ready"], a["error"], a["leases"], a["controllers"]) == ("a", False, None, [], [])
    assert a["egress_pod"]["destinations"] == {"a.example": {"53/udp": 53}}
    assert (b["name"], b["ready"], b["condition"]["reason"]) == ("b", True, "EgressReady")
    assert (b["source_ips"], b["cluster_ip"]) == ([SOURCE], made["spec"]["clusterIP"])
    assert b["egress_pod"]["destination_ip"] == "10.10.10.200"
    assert [(item["network"], item["address"], item["phase"]) for item in b["leases"]] == [(network, SOURCE, "Bound")]
    assert [(item["kind"], item["name"], item["replicas"]) for item in b["controllers"]] == [
        ("ReplicationController", "b-avi-egress-pod", 1)
    ]
    assert [[item["name"] for item in result["services"]] for result in results[2:5]] == [["a"], ["b"], []]
    assert "unable to parse requirement" in results[5]["msg"]
    assert results[6]["msg"] == "avi_egress_service_info: name is ''; give a value, or leave it out for all"
    assert results[7]["services"] == []


def test_what_rights_do_not_reach_to_is_null_with_a_warning(
    ansible: Ansible, api: ApiServer, cluster: KubeClient, project: str
) -> None:
    ansible.tasks(services(service_item(project, "a")))
    allow_tenant(cluster, project, {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]})
    credentials = {"host": api.host, "api_key": TENANT_TOKEN, "validate_certs": False}

    (result,) = ansible.tasks({"avi.egress.avi_egress_service_info": {"namespace": project, **credentials}})

    assert changed([result]) == [False]
    (found,) = result["services"]
    assert (found["name"], found["leases"], found["controllers"]) == ("a", None, None)
    assert [warning.split(":")[0] for warning in result["warnings"]] == ["EgressLease", "ReplicationController"]


def test_a_hundred_services_cost_four_lists(api: ApiServer, cluster: KubeClient, project: str) -> None:
    items = [as_given(service_item(project, f"s{number}")) for number in range(100)]
    egress_service.reconcile(cluster, service_options(items), False)
    reader = api.cluster()

    found = egress_service_info.report(
        reader, {**dict.fromkeys(egress_service_info.SPEC.options), "namespace": project}, False
    )

    assert len(found.values["services"]) == 100
    assert (reader.requests, reader.writes) == (4, 0)
