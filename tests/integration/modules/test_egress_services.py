# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_egress_service`` for a list of services."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    SERVICE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service

from tests.support.ansible_run import Ansible
from tests.support.api_server import TENANT_TOKEN, ApiServer
from tests.support.controllers_part import (
    create_event,
    once_there,
    phase,
    set_condition,
    take_over_lease,
)
from tests.support.module_tasks import (
    SOURCE,
    as_given,
    changed,
    checked,
    lease,
    service,
    service_item,
    service_options,
    services,
)
from tests.support.namespaces import allow_tenant, other_project
from tests.support.waiting import wait_for


def test_many_at_once(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    other = other_project(cluster, project)
    ansible.tasks(service(project, name="same"), service(other, name="gone"))
    task = services(
        service_item(project, "same", ports=[{"name": "foo", "port": 80}]),
        service_item(other, "new", labels={"svc": "new"}),
        {"namespace": other, "name": "gone", "state": "absent"},
        {"project": project, "name": "more", "destinations": {"a.example": {"8080": 80}}},
    )

    foreseen, done, same, foreseen_again = ansible.tasks(checked(task), task, task, checked(task))

    assert changed([foreseen, done, same, foreseen_again]) == [True, True, False, False]
    assert [(item["name"], item["changed"]) for item in done["services"]] == [
        ("same", False),
        ("new", True),
        ("gone", True),
        ("more", True),
    ]
    assert [item["changed"] for item in foreseen["services"]] == [item["changed"] for item in done["services"]]
    assert [bool(item["service"]) for item in done["services"]] == [True, True, False, True]
    assert done["services"][1]["cluster_ip"].startswith("10.97.")
    assert foreseen["diff"]["before"] == done["diff"]["before"]
    assert foreseen["diff"]["after"].keys() == done["diff"]["after"].keys()
    assert same["diff"]["before"] == same["diff"]["after"] == done["diff"]["after"]
    assert sorted(item["metadata"]["name"] for item in cluster.list(SERVICE, other)) == ["new"]


def test_one_bad_item_keeps_all_from_being_written(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    good = service_item(project, "good")

    results = ansible.tasks(
        services(good, service_item(project, "bad", destination_ip="no host")),
        services(good, {"namespace": project, "name": "bad"}),
        services(good, good),
        services(good, service_item("no-such-project", "bad")),
        services(good, service_item(project, "bad", labels={"no label!": "x"})),
        services(good, name="x"),
        services(good, state="absent"),
        services({"name": "bad"}),
    )

    told = [item["msg"] for item in results]
    assert told[0].startswith(f"services[1], Service {project}/bad: egress_pod.destination_ip is 'no host'; give an")
    assert told[1].endswith("is None; give exactly one of destination_ip and destinations")
    assert told[2].endswith("name is 'good'; services[0] has the same; give it once")
    absent = "project no-such-project does not exist; create the namespace first"
    assert told[3] == f"services[1], Service no-such-project/bad: {absent}"
    assert told[4].startswith(f"services[1], Service {project}/bad: POST Service: ")
    assert "no label!" in told[4]
    assert told[5] == "parameters are mutually exclusive: services|name"
    assert told[6] == "parameters are mutually exclusive: services|state"
    assert told[7] == "missing required arguments: namespace found in services"
    assert not any(item.get("changed") for item in results)
    assert cluster.list(SERVICE, project) == []


def test_a_hundred_that_are_ready_cost_one_list_and_no_write(api: ApiServer, cluster: KubeClient, project: str) -> None:
    other = other_project(cluster, project)
    names = [(namespace, f"s{number}") for namespace in (project, other) for number in range(50)]
    items = [as_given(service_item(*name)) for name in names]
    first, second, third = api.cluster(), api.cluster(), api.cluster()

    made = egress_service.reconcile(first, service_options(items), False)
    for namespace, name in names:
        set_condition(cluster, namespace, "EgressReady", ready=True, name=name)
    same = egress_service.reconcile(second, service_options(items, wait=True), False)
    items[7] = {**items[7], "labels": {"svc": "7"}}
    one = egress_service.reconcile(third, service_options(items), False)

    assert (made.changed, same.changed, one.changed) == (True, False, True)
    # The list, whether the product is installed, and each creation, tried before the first is made.
    assert (first.requests, first.writes) == (2 + 200, 200)
    assert (second.requests, second.writes) == (1, 0)
    assert (third.requests, third.writes) == (2 + 1, 1)
    assert [item["changed"] for item in one.values["services"]].index(True) == 7


def test_all_are_waited_for_together(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    other = other_project(cluster, project)
    task = services(
        service_item(project, "x"), service_item(project, "y"), service_item(other, "z"), wait=True, wait_timeout=60
    )

    def controller() -> None:
        for namespace, name in ((other, "z"), (project, "x"), (project, "y")):
            wait_for(f"{name} to be there", lambda place=namespace, one=name: cluster.get(SERVICE, one, place), 60)
            cluster.patch(
                SERVICE, name, {"metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}}}, namespace
            )
            set_condition(cluster, namespace, "EgressReady", ready=True, name=name)

    with once_there(cluster, project, controller):
        (result,) = ansible.tasks(task)

    assert changed([result]) == [True]
    assert [item["condition"]["status"] for item in result["services"]] == ["True"] * 3
    assert [item["source_ips"] for item in result["services"]] == [[SOURCE]] * 3


def test_a_timeout_names_each_that_is_not_ready(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    create_event(cluster, project)
    task = services(
        service_item(project, "w"), service_item(project, "x"), service_item(project, "y"), wait=True, wait_timeout=5
    )

    def controller() -> None:
        set_condition(cluster, project, "WaitingForPod", ready=False)
        wait_for("y to be there", lambda: cluster.get(SERVICE, "y", project), 60)
        set_condition(cluster, project, "EgressReady", ready=True, name="w")
        set_condition(cluster, project, "PoolExhausted", ready=False, name="y")

    with once_there(cluster, project, controller):
        (result,) = ansible.tasks(task)

    assert result["msg"] == (
        f"services[1], Service {project}/x: condition EgressReady is not True after 5 s: it is False "
        "(WaitingForPod: about WaitingForPod); last Event: Warning FailedCreate: no such account; "
        f"services[2], Service {project}/y: about PoolExhausted"
    )
    assert (result["changed"], result["reason"]) == (True, "PoolExhausted")


def test_absent_ones_are_waited_for_until_their_leases_are_released(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    names = ("x", "y")
    ansible.tasks(
        *(lease(network, project, name) for name in names), services(*(service_item(project, name) for name in names))
    )

    for name in names:
        take_over_lease(cluster, f"{network}.{project}.{name}.0")

    def controller() -> None:
        for name in names:
            wait_for(f"{name} to go", lambda one=name: not cluster.get(SERVICE, one, project), 60)
            released = {"status": {"phase": "Released", "releasedAt": "2026-11-23T06:31:00Z"}}
            cluster.patch(EGRESS_LEASE, f"{network}.{project}.{name}.0", released, subresource="status")

    gone = [{"namespace": project, "name": name, "state": "absent"} for name in names]
    with once_there(cluster, project, controller):
        late, too_late = ansible.tasks(services(*gone, wait=True, wait_timeout=60), services(*gone, wait=True))

    assert changed([late, too_late]) == [True, False]
    assert [phase(cluster, f"{network}.{project}.{name}.0") for name in names] == ["Released"] * 2
    confirmed = [cluster.get(EGRESS_LEASE, f"{network}.{project}.{name}.0") or {} for name in names]
    assert all("egress.avi.dev/release-confirmed" in item["metadata"]["annotations"] for item in confirmed)


def test_rights_in_the_projects_alone_are_enough(api: ApiServer, cluster: KubeClient, project: str) -> None:
    projects = [project, other_project(cluster, project)]
    for namespace in projects:
        allow_tenant(cluster, namespace, {"apiGroups": [""], "resources": ["services"], "verbs": ["*"]})
    items = [as_given(service_item(namespace, "x")) for namespace in projects]
    tenant = api.cluster(TENANT_TOKEN)

    made = egress_service.reconcile(tenant, service_options(items), False)

    assert [item["changed"] for item in made.values["services"]] == [True, True]
