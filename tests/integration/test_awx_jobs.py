# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The job templates' story on one cluster, told in order, by jobs as AWX runs them (``awx_job``).

The API server has no nodes, so nothing is waited for; the egress controller runs where addresses are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    NAMESPACE,
    SERVICE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.api_server import ApiServer
from tests.support.awx_job import Awx
from tests.support.controller_process import ControllerProcess
from tests.support.waiting import wait_for

SITE: dict[str, Any] = {
    "egress_placement": "project",
    "egress_networks": [
        {
            "name": "lan",
            "uplink": "eth0",
            "subnets": [{"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.100", "end": "10.70.112.109"}]}],
        }
    ],
}
SERVICE_ANSWERS = {
    "egress_service_namespace": "green",
    "egress_service_name": "secure-egress-service",
    "egress_service_destinations": "10.10.20.20:\n  '9080': 80\n",
    "egress_service_ports": "foo=80, 53/udp",
    "egress_service_ip_families": ["IPv4"],
    "egress_service_hm_port": "9",
    "egress_service_ha": "true",
    "egress_service_network": "lan",
    "egress_service_node_selector": "{rack: '7'}",
    "egress_service_type": "LoadBalancer",
    "egress_service_wait": "false",
}


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return api.cluster()


@pytest.fixture(scope="module")
def awx(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Awx:
    """The variables of AWX's bearer-token credential, for a ServiceAccount's token and the API server's authority."""
    folder = tmp_path_factory.mktemp("awx")
    (folder / "env").mkdir()
    authority = folder / "env/tmp_authority"
    authority.write_text(api.ca_cert.read_text())
    credential = {
        "K8S_AUTH_HOST": api.host,
        "K8S_AUTH_API_KEY": service_account_token(api.kubeconfig),
        "K8S_AUTH_VERIFY_SSL": "True",
        "K8S_AUTH_SSL_CA_CERT": str(authority),
    }
    return Awx(folder, credential, SITE)


@pytest.fixture(scope="module")
def controller(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerProcess]:
    process = ControllerProcess(api.kubeconfig, tmp_path_factory.mktemp("controller") / "log", "one")
    process.start()
    try:
        yield process
    finally:
        process.end()


def service_account_token(kubeconfig: Path) -> str:
    """The token of an account ``awx`` that may do everything."""
    client = kubernetes.config.new_client_from_config(str(kubeconfig))
    core, rights = kubernetes.client.CoreV1Api(client), kubernetes.client.RbacAuthorizationV1Api(client)
    core.create_namespaced_service_account("default", {"metadata": {"name": "awx"}})
    rights.create_cluster_role_binding(
        {
            "metadata": {"name": "awx"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "awx", "namespace": "default"}],
        }
    )
    return str(core.create_namespaced_service_account_token("awx", "default", {"spec": {}}).status.token)


def test_the_inventory_configures_the_installation(awx: Awx, cluster: KubeClient) -> None:
    job = awx.job("install", egress_wait="false")

    assert (job.status, job.failure) == ("successful", "")
    assert cluster.get(EGRESS_CLOUD, "default")
    assert cluster.get(CUSTOM_RESOURCE_DEFINITION, "egressleases.egress.avi.dev")


def test_projects_are_onboarded_by_names_in_a_text(awx: Awx, cluster: KubeClient) -> None:
    job = awx.job("onboard projects", egress_projects="green,\nblue")

    assert (job.status, job.failure) == ("successful", "")
    for project in ("green", "blue"):
        namespace = cluster.get(NAMESPACE, project)
        assert namespace
        assert namespace["metadata"]["labels"]["egress.avi.dev/project"] == "included"


def test_a_check_job_foresees_a_service(awx: Awx, cluster: KubeClient) -> None:
    job = awx.job("egress service", check=True, **SERVICE_ANSWERS)

    assert (job.status, job.failure) == ("successful", "")
    assert job.artifacts["egress_service_changed"] is True
    assert job.artifacts["egress_service_source_ips"] == []
    assert cluster.get(SERVICE, "secure-egress-service", "green") is None


def test_a_service_is_made_from_a_survey(awx: Awx, cluster: KubeClient) -> None:
    job = awx.job("egress service", **SERVICE_ANSWERS)

    assert (job.status, job.failure) == ("successful", "")
    service = cluster.get(SERVICE, "secure-egress-service", "green")
    assert service
    assert job.artifacts["egress_service_changed"] is True
    assert job.artifacts["egress_service_cluster_ip"] == service["spec"]["clusterIP"]
    assert [(port["name"], port["port"], port["protocol"]) for port in service["spec"]["ports"]] == [
        ("foo", 80, "TCP"),
        ("udp-53", 53, "UDP"),
        ("egress-9080-tcp", 9080, "TCP"),
    ]
    assert service["spec"]["ipFamilies"] == ["IPv4"]


def test_what_is_not_answered_stays_as_it_is(awx: Awx, cluster: KubeClient) -> None:
    before = cluster.get(SERVICE, "secure-egress-service", "green")

    job = awx.job(
        "egress service",
        egress_service_namespace="green",
        egress_service_name="secure-egress-service",
        egress_service_hm_port="11",
        egress_service_wait="false",
    )

    after = cluster.get(SERVICE, "secure-egress-service", "green")
    assert before
    assert after
    assert (job.status, job.failure) == ("successful", "")
    kept = json.loads(before["metadata"]["annotations"]["egress_pod"])
    assert json.loads(after["metadata"]["annotations"]["egress_pod"]) == {**kept, "hm_port": 11}
    assert after["spec"] == before["spec"]
    assert after["spec"]["type"] == "LoadBalancer"


def test_what_is_wrong_in_an_answer_is_told(awx: Awx) -> None:
    ports = awx.job("egress service", **{**SERVICE_ANSWERS, "egress_service_ports": "80/sctp"})
    template = awx.job("egress service", **{**SERVICE_ANSWERS, "egress_service_network": "{{ lookup('env', 'HOME') }}"})
    projects = awx.job("egress service", **{**SERVICE_ANSWERS, "egress_service_namespace": "green, blue"})
    nowhere = awx.job("egress service", egress_service_namespace="green", egress_service_name="new")

    assert (ports.status, template.status, projects.status) == ("failed", "failed", "failed")
    assert nowhere.failure.startswith("green/new has no destination; name the application by egress_service_destin")
    assert "'80/sctp' is no port; give 80, 8080:80, 53/udp or name=80" in ports.failure
    assert "{{ lookup('env', 'HOME') }}" in template.failure
    assert 'its project is one of ["green", "blue"]; name the service by egress_service_name' in projects.failure


def test_a_workflow_needs_one_answer_for_the_project_and_passes_the_addresses_on(
    awx: Awx, cluster: KubeClient, controller: ControllerProcess
) -> None:
    answers = {
        "egress_projects": "green",
        "egress_service_name": "another",
        "egress_service_destination_ip": "10.10.10.200",
        "egress_service_ports": "80",
    }
    onboarded = awx.job("onboard projects", egress_projects="green")
    passed = {**onboarded.artifacts, **answers, "egress_service_wait": "false"}
    awx.job("egress service", passed=passed)
    wait_for("all leases", lambda: len(cluster.list(EGRESS_LEASE)) == 3)
    wait_for("the address at the service", lambda: _source_ips(cluster, "another"))

    job = awx.job("egress service", passed=passed)

    assert job.status == "successful"
    assert job.artifacts["egress_service_changed"] is False
    assert job.artifacts["egress_service_source_ips"] == _source_ips(cluster, "another").split(",")


def test_leases_are_an_artifact_that_the_import_takes(awx: Awx, cluster: KubeClient) -> None:
    exported = awx.job("export leases")
    imported = awx.job("import leases", check=True, egress_leases_content=exported.artifacts["egress_leases_content"])

    assert exported.artifacts["egress_leases_exported"] == len(cluster.list(EGRESS_LEASE))
    assert exported.changed == 0
    assert (imported.status, imported.artifacts) == ("successful", {"egress_leases_imported": 0})


def test_a_strict_audit_fails_by_its_findings(awx: Awx) -> None:
    job = awx.job("audit", egress_audit_strict="true")
    after = awx.job("audit", egress_audit_failed="true")

    assert job.status == "failed"
    assert after.failure == f"a job before this one has failed; {job.failure}"
    assert job.artifacts["egress_audit_findings"] > 0
    assert "green/another" in job.artifacts["egress_audit_unready"]


def test_offboarding_takes_the_services_if_its_survey_says_so(awx: Awx, cluster: KubeClient) -> None:
    job = awx.job("offboard projects", egress_projects="green gone", egress_offboard_services="true")

    assert (job.status, job.failure) == ("successful", "")
    assert cluster.get(SERVICE, "secure-egress-service", "green") is None


def _source_ips(cluster: KubeClient, name: str) -> str:
    service = cluster.get(SERVICE, name, "green") or {"metadata": {}}
    return str(service["metadata"].get("annotations", {}).get("egress.avi.dev/source-ips", ""))
