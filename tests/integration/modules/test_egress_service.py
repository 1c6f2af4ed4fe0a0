# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_egress_service`` for one service."""

from __future__ import annotations

import time

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    SERVICE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.ansible_run import Ansible
from tests.support.controllers_part import (
    create_event,
    once_there,
    phase,
    set_condition,
    take_over_lease,
)
from tests.support.module_tasks import (
    SOURCE,
    changed,
    checked,
    deleted_service,
    lease,
    service,
)


def test_its_life(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    wanted = service(project, labels={"svc": "x"})
    other = service(project, labels={"svc": "x"}, destinations={"a.example": {"8080": 80}}, ports=[])

    results = ansible.tasks(
        checked(wanted),
        wanted,
        wanted,
        checked(other),
        other,
        checked(deleted_service(project)),
        deleted_service(project),
        deleted_service(project),
    )

    assert changed(results) == [True, True, False, True, True, True, True, False]
    foreseen, made, same, foreseen_change, change, foreseen_end, end, _gone = (item["diff"] for item in results)
    key = f"Service {project}/x"
    assert made["before"] == {}
    assert made["after"][key]["metadata"]["labels"] == {"svc": "x"}
    assert made["after"][key]["spec"]["ports"] == foreseen["after"][key]["spec"]["ports"]
    assert same["before"] == same["after"] == made["after"]
    assert foreseen_change == change
    assert foreseen_end == end == {"before": change["after"], "after": {}}
    assert "selector" not in results[1]["service"]["spec"]
    assert results[1]["cluster_ip"].startswith("10.97.")
    assert results[1]["source_ips"] == []
    assert cluster.get(SERVICE, "x", project) is None


def test_others_additions_stay(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    ansible.tasks(service(project))
    theirs = {
        "metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE, "note": "n"}, "labels": {"team": "t"}},
        "spec": {"selector": {"name": "x-avi-egress-pod"}},
    }
    cluster.patch(SERVICE, "x", theirs, project)

    results = ansible.tasks(service(project), service(project, hm_port=1000))

    assert changed(results) == [False, True]
    found = results[1]["service"]
    assert found["spec"]["selector"] == theirs["spec"]["selector"]
    assert found["metadata"]["annotations"]["note"] == "n"
    assert results[1]["source_ips"] == [SOURCE]


def test_an_applications_own_service_is_left_alone(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": project}}
    cluster.create(SERVICE, {**body, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})

    results = ansible.tasks(service(project), deleted_service(project))

    assert [item.get("failed") for item in results] == [True, True]
    assert "is no secure egress service" in results[0]["msg"]
    assert cluster.get(SERVICE, "x", project) is not None


def test_it_waits_until_ready_and_reports_the_source(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    def controller() -> None:
        set_condition(cluster, project, "WaitingForPod", ready=False)
        time.sleep(0.5)
        cluster.patch(SERVICE, "x", {"metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}}}, project)
        set_condition(cluster, project, "EgressReady", ready=True)

    with once_there(cluster, project, controller):
        (result,) = ansible.tasks(service(project, wait=True, wait_timeout=60))

    assert changed([result]) == [True]
    assert result["source_ips"] == [SOURCE]
    assert result["condition"]["status"] == "True"


def test_a_refusal_ends_the_wait_with_its_message(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    started = time.monotonic()
    with once_there(cluster, project, lambda: set_condition(cluster, project, "PoolExhausted", ready=False)):
        (result,) = ansible.tasks(service(project, wait=True, wait_timeout=300))

    assert result["failed"]
    assert result["changed"]
    assert (result["msg"], result["reason"]) == ("about PoolExhausted", "PoolExhausted")
    assert time.monotonic() - started < 60


def test_a_timeout_names_condition_and_event(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    create_event(cluster, project)
    with once_there(cluster, project, lambda: set_condition(cluster, project, "WaitingForPod", ready=False)):
        (result,) = ansible.tasks(service(project, wait=True, wait_timeout=3))

    assert result["msg"] == (
        f"Service {project}/x: condition EgressReady is not True after 3 s: it is False (WaitingForPod: about "
        "WaitingForPod); last Event: Warning FailedCreate: no such account"
    )


def test_absent_waits_until_the_lease_is_released(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    ansible.tasks(lease(network, project), service(project))
    take_over_lease(cluster, f"{network}.{project}.x.0")

    def controller() -> None:
        while cluster.get(SERVICE, "x", project):
            time.sleep(0.1)
        time.sleep(0.5)
        released = {"status": {"phase": "Released", "releasedAt": "2026-11-23T06:31:00Z"}}
        cluster.patch(EGRESS_LEASE, f"{network}.{project}.x.0", released, subresource="status")

    with once_there(cluster, project, controller):
        late, too_late = ansible.tasks(deleted_service(project, wait_timeout=60), deleted_service(project))

    assert changed([late, too_late]) == [True, False]
    assert phase(cluster, f"{network}.{project}.x.0") == "Released"


def test_absent_leaves_a_lease_that_was_taken_ahead(
    ansible: Ansible, cluster: KubeClient, project: str, network: str
) -> None:
    ansible.tasks(lease(network, project), service(project))

    assert changed(ansible.tasks(deleted_service(project, wait_timeout=60))) == [True]
    assert phase(cluster, f"{network}.{project}.x.0") == "Bound"


def test_bad_input_is_one_sentence(ansible: Ansible, cluster: KubeClient, project: str) -> None:
    results = ansible.tasks(
        service(project, destination_ip="no host"),
        service(project, destinations={"a.example": {"http": 80}}),
        service(project, hm_port=80),
        service(project, source_ip=["10.1.1.1", "10.1.1.2"]),
        service(project, ports=[]),
        service(project, destination_ip="10.1.1.1", destinations={"a.example": {"8080": 80}}),
        service(project, name="UPPER"),
        service("no-such-project"),
        {"avi.egress.avi_egress_service": {"name": "x", "namespace": project}},
    )

    sentences = [
        f"Service {project}/x: egress_pod.destination_ip is 'no host'; give an IPv4 or IPv6 address or a host name",
        f'Service {project}/x: egress_pod.destinations.a.example is \'http\'; give a port such as "8080" or "53/udp"',
        f"Service {project}/x: egress_pod.hm_port is 80; the service uses this port; give another",
        f"Service {project}/x: egress_pod.source_ip is ['10.1.1.1', '10.1.1.2']; give 1 address(es), for ha is false",
        f"Service {project}/x: ports is None; a new service with destination_ip needs its ports",
        "parameters are mutually exclusive: destination_ip|destinations",
        f"Service {project}/UPPER: name is 'UPPER'; give a DNS label that starts with a letter, up to 42 long",
        "project no-such-project does not exist; create the namespace first",
        "state is present but any of the following are missing: destination_ip, destinations, services",
    ]
    assert [item["msg"] for item in results] == sentences
    assert cluster.list(SERVICE, project) == []
