# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The modules, run by Ansible against a real API server.

No egress controller runs here. Where a module waits for one, a thread plays its part by hand; that the controller
plays it so is shown by the end-to-end tests.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    EVENT,
    NAMESPACE,
    REPLICATION_CONTROLLER,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE,
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module import scc_account, scc_account_info
from ansible_collections.avi.egress.plugins.module_utils.module.lease import (
    ipam_lease,
    ipam_lease_import,
    ipam_lease_info,
)
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service, egress_service_info
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import security_context_constraints

from tests.faults import FaultProxy
from tests.faults.requests import WRITES
from tests.faults.rules import CONFLICT, INTERNAL_ERROR, TOO_MANY_REQUESTS, Rule
from tests.support.ansible_run import Ansible
from tests.support.api_server import ADMIN_TOKEN, TENANT, TENANT_TOKEN, ApiServer
from tests.support.breaking import BreakingCluster
from tests.support.http_proxy import HttpProxy

CHECKOUT = Path(__file__).parents[2]
UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
SOURCE = "10.70.112.100"


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    """The administrator's direct access, with the custom resources in place."""
    found = api.cluster()
    for path in (CHECKOUT / "roles/egress/files/crds").glob("*.yaml"):
        found.create(CUSTOM_RESOURCE_DEFINITION, yaml.safe_load(path.read_text()))
    _wait_until_served(found, EGRESS_NETWORK, EGRESS_LEASE, EGRESS_ADDRESS)
    return found


@pytest.fixture(scope="module")
def openshift(cluster: KubeClient) -> None:
    """From the first test that asks for it on, the API server knows SecurityContextConstraints."""
    definition = yaml.safe_load((CHECKOUT / "tests/cluster/manifests/scc-crd.yaml").read_text())
    cluster.create(CUSTOM_RESOURCE_DEFINITION, definition)
    _wait_until_served(cluster, SECURITY_CONTEXT_CONSTRAINTS)


@pytest.fixture
def project(cluster: KubeClient) -> str:
    """A namespace of its own."""
    name = f"green-{uuid.uuid4().hex[:6]}"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


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


def service(project: str, **options: Any) -> dict[str, Any]:
    """A task; ``wait`` only where it is asked for."""
    egress = {} if {"destination_ip", "destinations"} & set(options) else {"destination_ip": "10.10.10.200"}
    ports = [{"name": "foo", "port": 80}]
    defaults = {"name": "x", "namespace": project, "wait": False, "ports": ports, **egress}
    return {"avi.egress.avi_egress_service": {**defaults, **options}}


def deleted_service(project: str, **options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_egress_service": {"name": "x", "namespace": project, "state": "absent", **options}}


def account(*projects: str, **options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_scc_account": {"uuid": UUID, "projects": list(projects), **options}}


def lease(network: str, project: str, service: str = "x", **options: Any) -> dict[str, Any]:
    return {
        "avi.egress.avi_ipam_lease": {"network": network, "namespace": project, "service": service, **options},
    }


def services(*items: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_egress_service": {"wait": False, "services": list(items), **options}}


def checked(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "check_mode": True}


def changed(results: list[dict[str, Any]]) -> list[bool]:
    failures = [item["msg"] for item in results if item.get("failed")]
    assert not failures
    return [item["changed"] for item in results]


class TestService:
    def test_its_life(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
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

    def test_others_additions_stay(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
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

    def test_an_applications_own_service_is_left_alone(
        self, ansible: Ansible, cluster: KubeClient, project: str
    ) -> None:
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": project}}
        cluster.create(SERVICE, {**body, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})

        results = ansible.tasks(service(project), deleted_service(project))

        assert [item.get("failed") for item in results] == [True, True]
        assert "is no secure egress service" in results[0]["msg"]
        assert cluster.get(SERVICE, "x", project) is not None

    def test_it_waits_until_ready_and_reports_the_source(
        self, ansible: Ansible, cluster: KubeClient, project: str
    ) -> None:
        def controller() -> None:
            _set_condition(cluster, project, "WaitingForPod", ready=False)
            time.sleep(0.5)
            cluster.patch(SERVICE, "x", {"metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}}}, project)
            _set_condition(cluster, project, "EgressReady", ready=True)

        with _once_there(cluster, project, controller):
            (result,) = ansible.tasks(service(project, wait=True, wait_timeout=60))

        assert changed([result]) == [True]
        assert result["source_ips"] == [SOURCE]
        assert result["condition"]["status"] == "True"

    def test_a_refusal_ends_the_wait_with_its_message(
        self, ansible: Ansible, cluster: KubeClient, project: str
    ) -> None:
        started = time.monotonic()
        with _once_there(cluster, project, lambda: _set_condition(cluster, project, "PoolExhausted", ready=False)):
            (result,) = ansible.tasks(service(project, wait=True, wait_timeout=300))

        assert result["failed"]
        assert result["changed"]
        assert (result["msg"], result["reason"]) == ("about PoolExhausted", "PoolExhausted")
        assert time.monotonic() - started < 60

    def test_a_timeout_names_condition_and_event(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
        _create_event(cluster, project)
        with _once_there(cluster, project, lambda: _set_condition(cluster, project, "WaitingForPod", ready=False)):
            (result,) = ansible.tasks(service(project, wait=True, wait_timeout=3))

        assert result["msg"] == (
            f"Service {project}/x: condition EgressReady is not True after 3 s: it is False (WaitingForPod: about "
            "WaitingForPod); last Event: Warning FailedCreate: no such account"
        )

    def test_absent_waits_until_the_lease_is_released(
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
    ) -> None:
        ansible.tasks(lease(network, project), service(project))

        def controller() -> None:
            while cluster.get(SERVICE, "x", project):
                time.sleep(0.1)
            time.sleep(0.5)
            released = {"status": {"phase": "Released", "releasedAt": "2026-11-23T06:31:00Z"}}
            cluster.patch(EGRESS_LEASE, f"{network}.{project}.x.0", released, subresource="status")

        with _once_there(cluster, project, controller):
            late, too_late = ansible.tasks(deleted_service(project, wait_timeout=60), deleted_service(project))

        assert changed([late, too_late]) == [True, False]
        assert _phase(cluster, f"{network}.{project}.x.0") == "Released"

    def test_bad_input_is_one_sentence(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
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
            f"Service {project}/x: egress_pod.destinations.a.example is 'http'; "
            'give a port such as "8080" or "53/udp"',
            f"Service {project}/x: egress_pod.hm_port is 80; the service uses this port; give another",
            f"Service {project}/x: egress_pod.source_ip is ['10.1.1.1', '10.1.1.2']; "
            "give 1 address(es), for ha is false",
            f"Service {project}/x: ports is None; a new service with destination_ip needs its ports",
            "parameters are mutually exclusive: destination_ip|destinations",
            f"Service {project}/UPPER: name is 'UPPER'; give a DNS label that starts with a letter, up to 48 long",
            'namespaces "no-such-project" not found',
            "state is present but any of the following are missing: destination_ip, destinations, services",
        ]
        assert [item["msg"] for item in results] == sentences
        assert cluster.list(SERVICE, project) == []


class TestServices:
    """The list form of ``avi_egress_service``."""

    def test_many_at_once(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
        other = _other_project(cluster, project)
        ansible.tasks(service(project, name="same"), service(other, name="gone"))
        task = services(
            _service(project, "same", ports=[{"name": "foo", "port": 80}]),
            _service(other, "new", labels={"svc": "new"}),
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

    def test_one_bad_item_keeps_all_from_being_written(
        self, ansible: Ansible, cluster: KubeClient, project: str
    ) -> None:
        good = _service(project, "good")

        results = ansible.tasks(
            services(good, _service(project, "bad", destination_ip="no host")),
            services(good, {"namespace": project, "name": "bad"}),
            services(good, good),
            services(good, _service("no-such-project", "bad")),
            services(good, _service(project, "bad", labels={"no label!": "x"})),
            services(good, name="x"),
            services(good, state="absent"),
            services({"name": "bad"}),
        )

        told = [item["msg"] for item in results]
        assert told[0].startswith(
            f"services[1], Service {project}/bad: egress_pod.destination_ip is 'no host'; give an"
        )
        assert told[1].endswith("is None; give exactly one of destination_ip and destinations")
        assert told[2].endswith("name is 'good'; services[0] has the same; give it once")
        assert told[3] == 'services[1], Service no-such-project/bad: namespaces "no-such-project" not found'
        assert told[4].startswith(f"services[1], Service {project}/bad: POST Service: ")
        assert "no label!" in told[4]
        assert told[5] == "parameters are mutually exclusive: services|name"
        assert told[6] == "parameters are mutually exclusive: services|state"
        assert told[7] == "missing required arguments: namespace found in services"
        assert not any(item.get("changed") for item in results)
        assert cluster.list(SERVICE, project) == []

    def test_a_hundred_that_are_ready_cost_one_list_and_no_write(
        self, api: ApiServer, cluster: KubeClient, project: str
    ) -> None:
        other = _other_project(cluster, project)
        names = [(namespace, f"s{number}") for namespace in (project, other) for number in range(50)]
        items = [_as_given(_service(*name)) for name in names]
        first, second, third = api.cluster(), api.cluster(), api.cluster()

        made = egress_service.reconcile(first, {"services": items, "wait": False}, False)
        for namespace, name in names:
            _set_condition(cluster, namespace, "EgressReady", ready=True, name=name)
        same = egress_service.reconcile(second, {"services": items, "wait": True, "wait_timeout": 60}, False)
        items[7] = {**items[7], "labels": {"svc": "7"}}
        one = egress_service.reconcile(third, {"services": items, "wait": False}, False)

        assert (made.changed, same.changed, one.changed) == (True, False, True)
        # The list, whether the product is installed, and each creation, tried before the first is made.
        assert (first.requests, first.writes) == (2 + 200, 200)
        assert (second.requests, second.writes) == (1, 0)
        assert (third.requests, third.writes) == (2 + 1, 1)
        assert [item["changed"] for item in one.values["services"]].index(True) == 7

    def test_all_are_waited_for_together(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
        other = _other_project(cluster, project)
        task = services(
            _service(project, "x"), _service(project, "y"), _service(other, "z"), wait=True, wait_timeout=60
        )

        def controller() -> None:
            for namespace, name in ((other, "z"), (project, "x"), (project, "y")):
                _once(lambda place=namespace, one=name: cluster.get(SERVICE, one, place))
                cluster.patch(
                    SERVICE, name, {"metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}}}, namespace
                )
                _set_condition(cluster, namespace, "EgressReady", ready=True, name=name)

        with _once_there(cluster, project, controller):
            (result,) = ansible.tasks(task)

        assert changed([result]) == [True]
        assert [item["condition"]["status"] for item in result["services"]] == ["True"] * 3
        assert [item["source_ips"] for item in result["services"]] == [[SOURCE]] * 3

    def test_a_timeout_names_each_that_is_not_ready(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
        _create_event(cluster, project)
        task = services(
            _service(project, "w"), _service(project, "x"), _service(project, "y"), wait=True, wait_timeout=5
        )

        def controller() -> None:
            _set_condition(cluster, project, "WaitingForPod", ready=False)
            _once(lambda: cluster.get(SERVICE, "y", project))
            _set_condition(cluster, project, "EgressReady", ready=True, name="w")
            _set_condition(cluster, project, "PoolExhausted", ready=False, name="y")

        with _once_there(cluster, project, controller):
            (result,) = ansible.tasks(task)

        assert result["msg"] == (
            f"services[1], Service {project}/x: condition EgressReady is not True after 5 s: it is False "
            "(WaitingForPod: about WaitingForPod); last Event: Warning FailedCreate: no such account; "
            f"services[2], Service {project}/y: about PoolExhausted"
        )
        assert (result["changed"], result["reason"]) == (True, "PoolExhausted")

    def test_absent_ones_are_waited_for_until_their_leases_are_released(
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
    ) -> None:
        names = ("x", "y")
        ansible.tasks(
            *(lease(network, project, name) for name in names), services(*(_service(project, name) for name in names))
        )

        def controller() -> None:
            for name in names:
                _once(lambda one=name: not cluster.get(SERVICE, one, project))
                released = {"status": {"phase": "Released", "releasedAt": "2026-11-23T06:31:00Z"}}
                cluster.patch(EGRESS_LEASE, f"{network}.{project}.{name}.0", released, subresource="status")

        gone = [{"namespace": project, "name": name, "state": "absent"} for name in names]
        with _once_there(cluster, project, controller):
            late, too_late = ansible.tasks(services(*gone, wait=True, wait_timeout=60), services(*gone, wait=True))

        assert changed([late, too_late]) == [True, False]
        assert [_phase(cluster, f"{network}.{project}.{name}.0") for name in names] == ["Released"] * 2

    def test_rights_in_the_projects_alone_are_enough(self, api: ApiServer, cluster: KubeClient, project: str) -> None:
        projects = [project, _other_project(cluster, project)]
        for namespace in projects:
            _allow_tenant(cluster, namespace, {"apiGroups": [""], "resources": ["services"], "verbs": ["*"]})
        items = [_as_given(_service(namespace, "x")) for namespace in projects]
        tenant = api.cluster(TENANT_TOKEN)

        made = egress_service.reconcile(tenant, {"services": items, "wait": False}, False)

        assert [item["changed"] for item in made.values["services"]] == [True, True]


class TestServiceInfo:
    def test_what_there_is_and_how_it_fares(
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
    ) -> None:
        def info(**options: Any) -> dict[str, Any]:
            return {"avi.egress.avi_egress_service_info": {"namespace": project, **options}}

        ansible.tasks(
            lease(network, project, "b", address=SOURCE),
            services(
                _service(project, "b", labels={"team": "t"}),
                _service(project, "a", destination_ip=None, destinations={"a.example": {"53/udp": 53}}),
            ),
        )
        web = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": project}}
        cluster.create(SERVICE, {**web, "spec": {"ports": [{"port": 80}]}})
        sources = {"metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}}}
        made = cluster.patch(SERVICE, "b", sources, project)
        _set_condition(cluster, project, "EgressReady", ready=True, name="b")
        cluster.create(REPLICATION_CONTROLLER, _replication_controller(made))

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
        assert [(item["network"], item["address"], item["phase"]) for item in b["leases"]] == [
            (network, SOURCE, "Bound")
        ]
        assert [(item["kind"], item["name"], item["replicas"]) for item in b["controllers"]] == [
            ("ReplicationController", "b-avi-egress-pod", 1)
        ]
        assert [[item["name"] for item in result["services"]] for result in results[2:5]] == [["a"], ["b"], []]
        assert "unable to parse requirement" in results[5]["msg"]
        assert results[6]["msg"] == "avi_egress_service_info: name is ''; give a value, or leave it out for all"
        assert results[7]["services"] == []

    def test_what_rights_do_not_reach_to_is_null_with_a_warning(
        self, ansible: Ansible, api: ApiServer, cluster: KubeClient, project: str
    ) -> None:
        ansible.tasks(services(_service(project, "a")))
        _allow_tenant(cluster, project, {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]})
        credentials = {"host": api.host, "api_key": TENANT_TOKEN, "validate_certs": False}

        (result,) = ansible.tasks({"avi.egress.avi_egress_service_info": {"namespace": project, **credentials}})

        assert changed([result]) == [False]
        (found,) = result["services"]
        assert (found["name"], found["leases"], found["controllers"]) == ("a", None, None)
        assert [warning.split(":")[0] for warning in result["warnings"]] == ["EgressLease", "ReplicationController"]

    def test_a_hundred_services_cost_four_lists(self, api: ApiServer, cluster: KubeClient, project: str) -> None:
        items = [_as_given(_service(project, f"s{number}")) for number in range(100)]
        egress_service.reconcile(cluster, {"services": items, "wait": False}, False)
        reader = api.cluster()

        found = egress_service_info.report(
            reader, {**dict.fromkeys(egress_service_info.SPEC.options), "namespace": project}, False
        )

        assert len(found.values["services"]) == 100
        assert (reader.requests, reader.writes) == (4, 0)


class TestAccount:
    def test_without_security_context_constraints(self, ansible: Ansible, cluster: KubeClient, project: str) -> None:
        results = ansible.tasks(
            checked(account(project)),
            account(project),
            account(project),
            account(project, state="absent"),
            account(project, state="absent"),
            account("no-such-project"),
            account(project, uuid="ABC"),
            {"avi.egress.avi_scc_account": {"cloud": "none", "project": project}},
        )

        assert changed(results[:5]) == [True, True, False, True, False]
        assert [item["platform"]["has_scc"] for item in results[:5]] == [False] * 5
        assert results[0]["diff"]["after"].keys() == results[1]["diff"]["after"].keys()
        assert results[1]["accounts"][0]["metadata"]["name"] == f"avivantage-{UUID}"
        assert [item["msg"] for item in results[5:]] == [
            "project no-such-project does not exist; create the namespace first",
            "avi_scc_account: uuid is 'ABC'; give the UUID of the cloud, in lower case (RFC 4122)",
            "EgressCloud none does not exist; there are none; run avi.egress.site",
        ]
        assert cluster.get(SERVICE_ACCOUNT, f"avivantage-{UUID}", project) is None

    def test_with_security_context_constraints(
        self, ansible: Ansible, cluster: KubeClient, openshift: None, project: str
    ) -> None:
        other = f"{project}-b"
        cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
        scc = f"avivantage-scc-{UUID}"

        made = ansible.tasks(checked(account(project, other)), account(project, other), account(project, other))
        users = cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc)
        assert users
        cluster.patch(SECURITY_CONTEXT_CONSTRAINTS, scc, {"users": [*users["users"], "somebody"]})
        taken = ansible.tasks(account(other, state="absent"), account(other, state="absent"), account(project))

        assert changed(made) == [True, True, False]
        assert made[0]["diff"]["after"].keys() == made[1]["diff"]["after"].keys()
        assert changed(taken) == [True, False, False]
        assert taken[2]["scc"]["users"] == [
            f"system:serviceaccount:{project}:avivantage-{UUID}",
            "somebody",
        ]

    def test_projects_added_at_the_same_time_are_all_there(
        self, api: ApiServer, cluster: KubeClient, openshift: None, project: str
    ) -> None:
        projects = [f"{project}-{number}" for number in range(4)]
        cloud = str(uuid.uuid4())
        for name in projects:
            cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        cluster.create(SECURITY_CONTEXT_CONSTRAINTS, security_context_constraints(cloud, []))

        def add(name: str) -> None:
            options = {"uuid": cloud, "cloud": None, "projects": [name], "state": "present"}
            scc_account.reconcile(api.cluster(), options, False)

        with ThreadPoolExecutor(len(projects)) as pool:
            list(pool.map(add, projects))

        found = cluster.get(SECURITY_CONTEXT_CONSTRAINTS, f"avivantage-scc-{cloud}")
        assert found
        assert sorted(found["users"]) == [f"system:serviceaccount:{name}:avivantage-{cloud}" for name in projects]

    def test_a_hundred_projects_that_are_as_they_should_be_cost_one_list(
        self, api: ApiServer, cluster: KubeClient, openshift: None, project: str
    ) -> None:
        projects = [f"{project}-{number}" for number in range(100)]
        for name in projects:
            cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        options = {"uuid": str(uuid.uuid4()), "cloud": None, "projects": projects, "state": "present"}
        first, second, third = api.cluster(), api.cluster(), api.cluster()

        made = scc_account.reconcile(first, options, False)
        same = scc_account.reconcile(second, options, False)
        gone = scc_account.reconcile(third, {**options, "projects": projects[:2], "state": "absent"}, False)

        assert [item.changed for item in (made, same, gone)] == [True, False, True]
        # Whether there are SCCs, this one, the accounts, and for those that are to be made the namespaces.
        assert (first.requests - first.writes, first.writes) == (4, 101)
        assert (second.requests, second.writes) == (3, 0)
        assert (third.requests - third.writes, third.writes) == (3, 3)


class TestAccountInfo:
    def test_a_hundred_projects_cost_one_list_of_each_kind(
        self, api: ApiServer, cluster: KubeClient, openshift: None
    ) -> None:
        reader = api.cluster()
        options = {"cloud": None, "uuid": str(uuid.uuid4()), "projects": [f"p{number}" for number in range(100)]}

        found = scc_account_info.report(reader, options, False)

        assert len(found.values["clouds"][0]["projects"]) == 100
        # The clouds, whether there are SCCs, this one, the projects and the accounts.
        assert (reader.requests, reader.writes) == (5, 0)

    def test_what_projects_have_and_lack(
        self, ansible: Ansible, cluster: KubeClient, openshift: None, project: str
    ) -> None:
        def info(**options: Any) -> dict[str, Any]:
            return {"avi.egress.avi_scc_account_info": options}

        other, cloud = _other_project(cluster, project), str(uuid.uuid4())
        label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        cluster.patch(NAMESPACE, project, label)
        spec = {"uuid": cloud, "projects": {"include": {"names": [project, other]}}}
        body = {"apiVersion": "egress.avi.dev/v1", "kind": "EgressCloud", "metadata": {"name": project}, "spec": spec}
        cluster.create(EGRESS_CLOUD, body)

        results = ansible.tasks(
            info(cloud=project),
            account(project, uuid=cloud),
            checked(info(cloud=project)),
            info(uuid=cloud, project=[project]),
            info(),
            info(cloud="none"),
            info(cloud=project, uuid=cloud),
            info(uuid="ABC"),
        )

        assert changed([*results[:5]]) == [False, True, False, False, False]
        assert [item["missing"] for item in results[0]["clouds"][0]["projects"]] == [
            ["account", "scc_user"],
            ["account", "scc_user", "pod_security"],
        ]
        (found,) = results[2]["clouds"]
        assert (found["cloud"], found["account"], found["scc"]) == (
            project,
            f"avivantage-{cloud}",
            f"avivantage-scc-{cloud}",
        )
        assert found["scc_users"] == [f"system:serviceaccount:{project}:avivantage-{cloud}"]
        assert [(item["namespace"], item["missing"]) for item in found["projects"]] == [
            (project, []),
            (other, ["account", "scc_user", "pod_security"]),
        ]
        assert results[3]["clouds"] == [{**found, "projects": found["projects"][:1]}]
        assert found in results[4]["clouds"]
        assert results[5]["msg"].startswith("EgressCloud none does not exist; there are: ")
        assert results[6]["msg"] == "parameters are mutually exclusive: cloud|uuid"
        assert results[7]["msg"].startswith("avi_scc_account_info: uuid is 'ABC'; give the UUID of the cloud")
        found_cloud = cluster.get(EGRESS_CLOUD, project)
        assert found_cloud
        cluster.delete(EGRESS_CLOUD, found_cloud)


class TestLease:
    def test_its_life(self, ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
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

    def test_either_family_can_be_had(self, ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
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

    def test_refusals_are_one_sentence(self, ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
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
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
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
        self, api: ApiServer, cluster: KubeClient, project: str, network: str, made: bool
    ) -> None:
        for number in range(1, 6):
            giver, heir = f"giver{number}", f"heir{number}"
            source = {"namespace": None, "service": giver, "slot": 0}
            handed = {"leases": [_item(network, project, heir, transfer_from=source)]}
            ipam_lease.reconcile(cluster, {"leases": [_item(network, project, giver, address=SOURCE)]}, False)

            with pytest.raises(EgressError, match="the connection broke"):
                ipam_lease.reconcile(BreakingCluster(api, number, made=made), handed, False)
            foreseen = ipam_lease.reconcile(cluster, handed, True)
            completed = ipam_lease.reconcile(cluster, handed, False)
            again = ipam_lease.reconcile(cluster, handed, False)

            assert (foreseen.changed, again.changed) == (completed.changed, False)
            held = [item["spec"] for item in cluster.list(EGRESS_ADDRESS) if item["spec"]["network"] == network]
            assert [(item["address"], item["lease"]) for item in held] == [(SOURCE, f"{network}.{project}.{heir}.0")]
            assert _phase(cluster, f"{network}.{project}.{heir}.0") == "Bound"
            assert _phase(cluster, f"{network}.{project}.{giver}.0") == "Expired"
            _make_anew(cluster, network)

    def test_many_at_once(self, ansible: Ansible, cluster: KubeClient, project: str, network: str) -> None:
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
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
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
        self, api: ApiServer, cluster: KubeClient, project: str, network: str
    ) -> None:
        other = f"{project}-b"
        cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
        cluster.patch(EGRESS_NETWORK, network, {"spec": {"subnets": [{"cidr": "10.70.112.0/24"}]}})
        items = [_item(network, namespace, f"s{number}") for namespace in (project, other) for number in range(50)]

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
        self, api: ApiServer, cluster: KubeClient, project: str, network: str
    ) -> None:
        cluster.patch(EGRESS_NETWORK, network, {"spec": {"subnets": [{"cidr": "10.70.112.0/24"}]}})
        items = [_item(network, project, f"s{number}") for number in range(100)]
        ipam_lease.reconcile(cluster, {"leases": items}, False)
        reader = api.cluster()

        found = ipam_lease_info.report(
            reader, {**dict.fromkeys(ipam_lease_info.SPEC.options), "network": network}, False
        )

        assert len(found.values["leases"]) == 100
        # Leases, locks and networks, and the nodes and clouds whose own addresses are not leased.
        assert (reader.requests, reader.writes) == (5, 0)

        importer = api.cluster()
        records = [{**item, "history": [], "released_at": None, "reason": None} for item in found.values["leases"]]

        same = ipam_lease_import.reconcile(importer, {"leases": records}, False)

        assert not same.changed
        assert (importer.requests, importer.writes) == (3, 0)

    def test_a_list_stops_at_what_somebody_else_was_faster_at_and_says_what_was_done(
        self, api: ApiServer, project: str, network: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        items = [
            _item(network, project, name, address=address) for name, address in zip("ab", (SOURCE, "10.70.112.101"))
        ]
        cluster = api.cluster()
        create = KubeClient.create

        def overtaken(self: KubeClient, resource: Resource, body: KubeObject, **options: Any) -> KubeObject:
            if self is cluster and body["metadata"]["name"] == f"{network}.{project}.b.0":
                other = _item(network, project, "c", address="10.70.112.101")
                ipam_lease.reconcile(api.cluster(), {"leases": [other]}, False)
            return create(self, resource, body, **options)

        monkeypatch.setattr(KubeClient, "create", overtaken)
        with pytest.raises(EgressError) as caught:
            ipam_lease.reconcile(cluster, {"leases": items}, False)

        a, b, c = (f"{network}.{project}.{name}.0" for name in "abc")
        told = f"leases[1], {b}: EgressNetwork {network}: 10.70.112.101 is held by {c}; changed already: {a}"
        assert str(caught.value) == told
        assert (caught.value.reason, caught.value.changed) == ("AddressTaken", True)

    def test_who_holds_what_is_told_and_who_held_it(
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
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
        self, api: ApiServer, cluster: KubeClient, project: str, network: str
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


class TestConnection:
    def test_a_token_is_enough_and_bad_ones_are_told(self, ansible: Ansible, api: ApiServer, project: str) -> None:
        by_token = {"host": api.host, "api_key": "admin-token", "validate_certs": False}
        results = ansible.tasks(
            account(project, **by_token),
            account(project, **{**by_token, "api_key": "wrong"}),
            account(project, **{**by_token, "validate_certs": True}),
            account(project, **{**by_token, "host": "https://127.0.0.1:1"}),
            account(project, kubeconfig="/no/such/file"),
            account(project, **{**by_token, "api_key": TENANT_TOKEN}),
        )

        assert changed(results[:1]) == [True]
        told = [item["msg"] for item in results[1:]]
        assert told[0] == "the API server does not know these credentials; the token may have expired"
        assert "cannot be reached" in told[1]
        assert "certificate" in told[1].lower()
        assert told[2].startswith("the API server at https://127.0.0.1:1 cannot be reached: ")
        assert told[3] == "kubeconfig is '/no/such/file'; there is no such file"
        assert told[4].startswith("permission is missing: ")
        assert f'User "{TENANT}" cannot get resource "serviceaccounts"' in told[4]
        assert all("\n" not in message for message in told)

    def test_module_defaults_and_environment(self, ansible: Ansible, api: ApiServer, project: str) -> None:
        credentials = {"host": api.host, "api_key": "admin-token", "validate_certs": False}
        variables = {
            "K8S_AUTH_KUBECONFIG": "",
            "K8S_AUTH_HOST": api.host,
            "K8S_AUTH_API_KEY": "admin-token",
            "K8S_AUTH_VERIFY_SSL": "false",
        }

        assert changed(ansible.tasks(account(project), defaults=credentials, environment={"K8S_AUTH_KUBECONFIG": ""}))
        assert changed(ansible.tasks(account(project), environment=variables)) == [False]

    def test_a_client_certificate_and_the_servers_authority(
        self, ansible: Ansible, api: ApiServer, cluster: KubeClient
    ) -> None:
        files = {"client_cert": str(api.client_cert), "client_key": str(api.client_key), "ca_cert": str(api.ca_cert)}
        variables = {
            "K8S_AUTH_KUBECONFIG": "",
            "K8S_AUTH_HOST": f"{api.host}/",
            "K8S_AUTH_CERT_FILE": str(api.client_cert),
            "K8S_AUTH_CLIENT_KEY": str(api.client_key),
            "K8S_AUTH_SSL_CA_CERT": str(api.ca_cert),
            "K8S_AUTH_VERIFY_SSL": "true",
        }

        assert changed(ansible.tasks(leases_info(host=api.host, validate_certs=True, **files))) == [False]
        assert changed(ansible.tasks(leases_info(), environment=variables)) == [False]

    def test_a_kubeconfig_may_be_a_dictionary_whose_secrets_are_not_shown(
        self, ansible: Ansible, api: ApiServer, cluster: KubeClient
    ) -> None:
        given = yaml.safe_load(api.kubeconfig.read_text())
        given["users"][0]["user"]["token"] = "{{ secret }}"

        here, other = ansible.tasks(
            leases_info(kubeconfig=given),
            leases_info(kubeconfig=given, context="other"),
            variables={"secret": ADMIN_TOKEN},
            environment={"K8S_AUTH_KUBECONFIG": "/no/such/file"},
        )

        assert changed([here]) == [False]
        shown = here["invocation"]["module_args"]["kubeconfig"]
        assert ADMIN_TOKEN not in str(here)
        assert shown == {**given, "users": [{"name": "admin", "user": {"token": shown["users"][0]["user"]["token"]}}]}
        assert other["msg"] == "context is 'other'; the kubeconfig has no such context"

    def test_requests_may_be_made_as_somebody_else(self, ansible: Ansible, cluster: KubeClient) -> None:
        variables = {"K8S_AUTH_IMPERSONATE_USER": TENANT, "K8S_AUTH_IMPERSONATE_GROUPS": "some,system:masters"}

        alone, grouped = ansible.tasks(
            leases_info(impersonate_user=TENANT),
            leases_info(impersonate_user=TENANT, impersonate_groups=["some", "system:masters"]),
        )

        assert f'User "{TENANT}" cannot list resource' in alone["msg"]
        assert changed([grouped, *ansible.tasks(leases_info(), environment=variables)]) == [False, False]

    def test_a_proxy_is_used_as_it_wishes_but_for_what_is_excepted(self, ansible: Ansible, cluster: KubeClient) -> None:
        with HttpProxy() as proxy:
            by_option = ansible.tasks(
                leases_info(proxy=proxy.url, proxy_headers={"proxy_basic_auth": "user:pass", "user_agent": "foo/1.0"}),
                leases_info(proxy=proxy.url, no_proxy="localhost,127.0.0.1"),
            )
            variables = {"K8S_AUTH_PROXY": proxy.url, "K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH": "user:other"}
            by_variable = ansible.tasks(leases_info(), environment=variables)

        assert changed([*by_option, *by_variable]) == [False] * 3
        told = [{key.lower(): value for key, value in headers.items()} for headers in proxy.asked]
        assert [item["proxy-authorization"] for item in told] == ["Basic dXNlcjpwYXNz", "Basic dXNlcjpvdGhlcg=="]
        assert told[0]["user-agent"] == "foo/1.0"
        assert "pass" not in str(by_option[0]["invocation"]["module_args"]["proxy_headers"])


class TestUnderFaults:
    def test_many_services_are_made_though_others_are_faster(
        self, faults: FaultProxy, cluster: KubeClient, project: str
    ) -> None:
        items = [_as_given(_service(project, f"s{number}")) for number in range(20)]
        # As often as one Service may meet it, of the dry runs and of the creates: whoever they hit, it is not too much.
        dry_runs = Rule(CONFLICT, WRITES, path="/services", times=4)
        creates = Rule(CONFLICT, WRITES, path="/services", skip=30, times=4)
        faults.use(dry_runs, creates)

        made = egress_service.reconcile(_through(faults), {"services": items, "wait": False}, False)

        assert faults.journal.count(fault="Conflict") == 8
        assert [item["changed"] for item in made.values["services"]] == [True] * 20
        assert [item["name"] for item in made.values["services"]] == [item["name"] for item in items]
        assert len(cluster.list(SERVICE, project)) == 20

    def test_accounts_are_made_though_others_are_faster(
        self, faults: FaultProxy, cluster: KubeClient, openshift: None, project: str
    ) -> None:
        options = {"uuid": str(uuid.uuid4()), "cloud": None, "projects": [project], "state": "present"}
        faults.use(
            Rule(CONFLICT, WRITES, path="/serviceaccounts", times=2),
            Rule(CONFLICT, WRITES, path="/securitycontextconstraints", times=2),
        )

        made = scc_account.reconcile(_through(faults), options, False)

        assert (made.changed, faults.journal.count(fault="Conflict")) == (True, 4)
        assert not scc_account.reconcile(_through(faults), options, False).changed

    def test_a_server_that_is_too_busy_is_asked_again_when_it_says_so(
        self, ansible: Ansible, faults: FaultProxy, cluster: KubeClient, project: str
    ) -> None:
        faults.use(Rule(TOO_MANY_REQUESTS, times=3))

        (made,) = ansible.tasks(service(project, kubeconfig=str(faults.kubeconfig)))

        assert changed([made]) == [True]
        assert faults.journal.count(fault="TooManyRequests") == 3

    def test_a_failure_in_the_middle_tells_what_was_changed_and_the_next_run_does_the_rest(
        self, faults: FaultProxy, cluster: KubeClient, project: str
    ) -> None:
        items = [_as_given(_service(project, f"s{number}")) for number in range(40)]
        # Spares the dry runs, and some of the creates.
        faults.use(Rule(INTERNAL_ERROR, {"create"}, skip=60, times=1))

        with pytest.raises(EgressError) as caught:
            egress_service.reconcile(_through(faults), {"services": items, "wait": False}, False)

        there = {item["metadata"]["name"] for item in cluster.list(SERVICE, project)}
        assert 0 < len(there) < 40
        assert caught.value.changed
        told = str(caught.value).partition("; changed already: ")[2]
        assert told.endswith(f" and {len(there) - 5} more")
        again = egress_service.reconcile(_through(faults), {"services": items, "wait": False}, False)
        assert {item["name"] for item in again.values["services"] if not item["changed"]} == there

    def test_a_wait_is_one_watch_and_asks_for_nothing_else(
        self, ansible: Ansible, faults: FaultProxy, cluster: KubeClient, project: str
    ) -> None:
        def controller() -> None:
            for number in range(5):
                time.sleep(0.5)
                _set_condition(cluster, project, f"Step{number}", ready=False)
            _set_condition(cluster, project, "EgressReady", ready=True)

        with _once_there(cluster, project, controller):
            task = service(project, wait=True, wait_timeout=60, kubeconfig=str(faults.kubeconfig))
            assert changed(ansible.tasks(task)) == [True]

        paths = [(verb, path) for verb, path in faults.journal.requests() if "services" in path]
        assert sorted(verb for verb, _path in paths) == ["create", "get", "list", "watch"]
        assert faults.journal.count(path="services") == 4


def leases_info(**options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_ipam_lease_info": options}


def _through(faults: FaultProxy) -> KubeClient:
    return KubeClient(Connection(kubeconfig=str(faults.kubeconfig)))


def _item(network: str, project: str, service: str, **options: Any) -> dict[str, Any]:
    """One of a list, as the module gets it from Ansible."""
    given = {"network": network, "namespace": project, "service": service, "slot": 0, "state": "present"}
    return {**given, "address": None, "ip_family": None, "transfer_from": None, **options}


def _service(project: str, name: str, **options: Any) -> dict[str, Any]:
    """One of a list of services."""
    return {"namespace": project, "name": name, "destination_ip": "10.10.10.200", "ports": [{"port": 80}], **options}


def _as_given(item: dict[str, Any]) -> dict[str, Any]:
    """One of a list of services, as the module gets it from Ansible."""
    options = egress_service.SPEC.options["services"]["options"]
    ports = [{"name": None, "target_port": None, "protocol": "TCP", **port} for port in item["ports"]]
    return {**{name: option.get("default") for name, option in options.items()}, **item, "ports": ports}


def _other_project(cluster: KubeClient, project: str) -> str:
    name = f"{project}-b"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def _allow_tenant(cluster: KubeClient, namespace: str, rule: dict[str, list[str]]) -> None:
    """Give the tenant some rights in one project."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": TENANT, "namespace": namespace}
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": TENANT},
        "subjects": [{"apiGroup": group, "kind": "User", "name": TENANT}],
    }
    cluster.create(Resource(group, "v1", "Role", "roles"), role)
    cluster.create(Resource(group, "v1", "RoleBinding", "rolebindings"), binding)


def _replication_controller(service: KubeObject) -> KubeObject:
    """What the egress controller makes for a Service, without what is in its pods."""
    metadata = service["metadata"]
    name = f"{metadata['name']}-avi-egress-pod"
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
    template = {
        "metadata": {"labels": {"name": name}},
        "spec": {"containers": [{"name": "avi-egress-router", "image": "none.example/none"}]},
    }
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "namespace": metadata["namespace"], "ownerReferences": [owner]},
        "spec": {"replicas": 1, "selector": {"name": name}, "template": template},
    }


def _make_anew(cluster: KubeClient, network: str) -> None:
    """Give all addresses of a network back, as the end of the quarantine does."""
    for resource in (EGRESS_LEASE, EGRESS_ADDRESS):
        for item in cluster.list(resource, labels=f"egress.avi.dev/network={network}"):
            cluster.delete(resource, item)


def _set_condition(cluster: KubeClient, project: str, reason: str, *, ready: bool, name: str = "x") -> None:
    """What the egress controller would say of the Service."""
    condition = {
        "type": "EgressReady",
        "status": str(ready),
        "reason": reason,
        "message": f"about {reason}",
        "lastTransitionTime": "2026-11-23T06:31:00Z",
    }
    cluster.patch(SERVICE, name, {"status": {"conditions": [condition]}}, project, subresource="status")


def _once(there: Callable[[], object]) -> None:
    """Wait for something to be so."""
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def _create_event(cluster: KubeClient, project: str) -> None:
    cluster.create(
        EVENT,
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "x.1", "namespace": project},
            "involvedObject": {"apiVersion": "v1", "kind": "Service", "name": "x", "namespace": project},
            "type": "Warning",
            "reason": "FailedCreate",
            "message": "no such account",
            "lastTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    )


@contextmanager
def _once_there(cluster: KubeClient, project: str, play: Callable[[], None]) -> Iterator[None]:
    """Play the controller's part in a thread as soon as the Service is there; its failure fails the test."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _once(lambda: cluster.get(SERVICE, "x", project))
            play()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=120)
    assert not failures, failures


def _wait_until_served(cluster: KubeClient, *resources: Resource) -> None:
    deadline = time.monotonic() + 30
    while not all(cluster.serves(resource) for resource in resources):
        assert time.monotonic() < deadline, "the custom resources were never served"
        time.sleep(0.1)


def _phase(cluster: KubeClient, name: str) -> str | None:
    found: KubeObject | None = cluster.get(EGRESS_LEASE, name)
    return ((found or {}).get("status") or {}).get("phase")


class TestReservation:
    """``avi_ipam_lease`` without a service."""

    def test_an_address_is_reserved_for_a_project_and_given_free_again(
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
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
        self, ansible: Ansible, cluster: KubeClient, project: str, network: str
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
