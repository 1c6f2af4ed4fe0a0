# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""All tasks of one run mean one cluster and one user, kubernetes.core's and the collection's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE, SERVICE

from tests.support.ansible_run import Ansible
from tests.support.api_server import ADMIN_TOKEN, TENANT, TENANT_TOKEN, ApiServer, api_server
from tests.support.definitions import CRDS, define

PROJECT = "green"
IN_A_POD = """
mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io
cp -r "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"
"""
"""What a pod sees where kubelet puts its account, in a mount namespace of its own."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The cluster of the pod that Ansible runs in."""
    with api_server(tmp_path_factory.mktemp("other")) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def services(api: ApiServer, other: ApiServer) -> None:
    """In each cluster one that tells which cluster it is."""
    for server, name in ((api, "meant"), (other, "other")):
        cluster = server.cluster()
        define(cluster, CRDS)
        cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROJECT}})
        metadata = {"name": name, "namespace": PROJECT, "annotations": {"egress_pod": '{"destination_ip": "10.1.1.1"}'}}
        spec = {"ports": [{"port": 80}]}
        cluster.create(SERVICE, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


@pytest.fixture(scope="module")
def pod(ansible: Ansible, other: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Ansible in a pod of the other cluster."""
    account = tmp_path_factory.mktemp("account")
    (account / "token").write_text(ADMIN_TOKEN)
    shutil.copy(other.ca_cert, account / "ca.crt")
    command = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", IN_A_POD, "in-a-pod", str(account))
    return replace(ansible, program=(*command, *ansible.program))


@pytest.fixture(scope="module")
def certificate(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of the cluster that is meant, whose user is known by a client certificate."""
    given = yaml.safe_load(api.kubeconfig.read_text())
    user = {"client-certificate": str(api.client_cert), "client-key": str(api.client_key)}
    given["users"] = [{"name": "admin", "user": user}]
    path: Path = tmp_path_factory.mktemp("certificate") / "kubeconfig"
    path.write_text(yaml.safe_dump(given))
    return path


def both(environment: dict[str, str]) -> list[dict[str, Any]]:
    """A task of kubernetes.core and one of the collection's that list the services, in that environment."""
    listed = {"api_version": "v1", "kind": "Service", "namespace": PROJECT}
    return [
        {"kubernetes.core.k8s_info": listed, "environment": environment},
        {"avi.egress.avi_egress_service_info": {"namespace": PROJECT}, "environment": environment},
    ]


def seen(results: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """By what pairs of such tasks found, which cluster each means."""
    assert not [item["msg"] for item in results if item.get("failed")]
    names = [
        item["resources"][0]["metadata"]["name"] if "resources" in item else item["services"][0]["name"]
        for item in results
    ]
    return list(zip(names[::2], names[1::2], strict=True))


def test_every_order_of_settings_means_one_cluster(
    pod: Ansible, api: ApiServer, other: ApiServer, tmp_path: Path
) -> None:
    (tmp_path / ".kube").mkdir()
    shutil.copy(api.kubeconfig, tmp_path / ".kube/config")
    account = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(other.port)}
    meant = {"KUBECONFIG": str(api.kubeconfig)}
    server = {"K8S_AUTH_HOST": api.host, "K8S_AUTH_VERIFY_SSL": "false"}
    keys = {"K8S_AUTH_CERT_FILE": str(api.client_cert), "K8S_AUTH_KEY_FILE": str(api.client_key)}
    orders = {
        "the pod's account before a kubeconfig that is found": ({**account, **meant}, "other"),
        "and before the one in its home": ({**account, "HOME": str(tmp_path)}, "other"),
        "a kubeconfig that is given": ({**account, "K8S_AUTH_KUBECONFIG": str(api.kubeconfig)}, "meant"),
        "a context that is given": ({**account, **meant, "K8S_AUTH_CONTEXT": "it"}, "meant"),
        "a token and its server": ({**account, **server, "K8S_AUTH_API_KEY": ADMIN_TOKEN}, "meant"),
        "a certificate and its server": ({**account, **server, **keys}, "meant"),
        "outside of pods, what is found": ({**meant}, "meant"),
        "outside of pods, the one at home": ({"HOME": str(tmp_path)}, "meant"),
    }
    tasks = [task for environment, _cluster in orders.values() for task in both(environment)]

    found = seen(pod.tasks(*tasks, environment={"K8S_AUTH_KUBECONFIG": ""}))

    assert dict(zip(orders, found, strict=True)) == {name: (cluster,) * 2 for name, (_env, cluster) in orders.items()}


def test_a_token_is_the_user_whatever_the_kubeconfig_says(ansible: Ansible, certificate: Path) -> None:
    listed = {"namespace": PROJECT, "kubeconfig": str(certificate)}
    fine, wrong, tenant = ansible.tasks(
        {"avi.egress.avi_egress_service_info": listed},
        {"avi.egress.avi_egress_service_info": {**listed, "api_key": "wrong"}},
        {"avi.egress.avi_egress_service_info": {**listed, "api_key": TENANT_TOKEN}},
    )

    assert not fine.get("failed"), fine["msg"]
    assert fine["services"][0]["name"] == "meant"
    assert wrong["msg"] == "the API server does not know these credentials; the token may have expired"
    assert f'User "{TENANT}" cannot list resource "services"' in tenant["msg"]


def test_contradictions_are_told(ansible: Ansible, api: ApiServer) -> None:
    listed = {"namespace": PROJECT, "host": api.host}
    two_users, two_clusters = ansible.tasks(
        {
            "avi.egress.avi_egress_service_info": {
                **listed,
                "api_key": ADMIN_TOKEN,
                "client_cert": str(api.client_cert),
                "client_key": str(api.client_key),
            }
        },
        {"avi.egress.avi_egress_service_info": {**listed, "context": "it"}},
    )

    assert two_users["msg"] == "api_key and client_cert are given, which may be two users; give one of them"
    assert two_clusters["msg"] == (
        f"host is {api.host!r} and context is 'it', which may be two clusters; give one of them"
    )


def test_a_run_that_would_be_two_users_changes_nothing(ansible: Ansible, api: ApiServer, certificate: Path) -> None:
    before = api.cluster().list(NAMESPACE)

    run = ansible.playbook(
        "avi.egress.onboard_project",
        *("-e", json.dumps({"egress_projects": [PROJECT]})),
        environment={"K8S_AUTH_KUBECONFIG": str(certificate), "K8S_AUTH_API_KEY": ADMIN_TOKEN},
    )

    assert run.failure == (
        "api_key is given, and the kubeconfig's user has a client certificate, which would go before it; "
        "give a kubeconfig without it. Nothing was changed."
    )
    assert api.cluster().list(NAMESPACE) == before
