# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The rights that each playbook asks for before it begins: all that it uses, and whoever lacks one changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE, NODE, POD
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.preflight.pods import PREFLIGHT_NAMESPACE
from jinja2.nativetypes import NativeEnvironment

from tests.faults import FaultProxy
from tests.support.ansible_run import Ansible
from tests.support.api_server import ADMIN_TOKEN, TENANT, TENANT_TOKEN, ApiServer
from tests.support.checkout import CHECKOUT
from tests.support.definitions import SCC_CRD, define
from tests.support.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING
from tests.support.meanwhile import meanwhile
from tests.support.site import SITE

VARIABLES = {
    **SITE,
    "egress_namespace": "avi-egress",
    "egress_admission_policy": True,
    "egress_sub_domain": "",
    "egress_leases_file": "no-leases.yml",
}
PLAYBOOKS = {
    "site": ("install", "onboard"),
    "preflight": ("nodes",),
    "audit": ("audit",),
    "offboard_project": ("offboard",),
    "uninstall": ("uninstall",),
}
"""In the order of a cluster's life, each with the lists of rights that it asks for."""
EVERYBODYS = {"selfsubjectaccessreviews.authorization.k8s.io"}
"""What every account may ask."""

OF_OBJECTS = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)/(?:namespaces/(?P<namespace>[^/]+)/(?=[^/]))?(?P<rest>[^/]+.*)"
)

Right = dict[str, Any]
Use = tuple[str, str, str]
"""A verb, a resource as ``kubectl auth can-i`` has it, and the namespace, empty for all or none."""


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    """As of OpenShift, so that there are SCCs to be written."""
    found = api.cluster()
    define(found, [SCC_CRD])
    return found


def rights(*lists: str) -> list[Right]:
    """The role's own, with the variables of this test."""
    content = yaml.safe_load((CHECKOUT / "roles/egress/vars/main.yml").read_text())["egress_rights"]
    environment = NativeEnvironment(autoescape=False)
    environment.filters["bool"] = bool

    def read(value: Any) -> Any:
        return environment.from_string(value).render(VARIABLES) if isinstance(value, str) else value

    return [{key: read(value) for key, value in right.items()} for name in lists for right in content[name]]


def granted(found: list[Right]) -> set[Use]:
    return {(verb, right["resource"], right.get("namespace", "")) for right in found for verb in right["verbs"]}


def used(proxy: FaultProxy) -> Iterator[Use]:
    """What a playbook has asked of the objects of this cluster."""
    for verb, path in proxy.journal.requests():
        found = OF_OBJECTS.fullmatch(path)
        if not found:
            continue  # Which kinds there are, which every account may ask.
        plural, _name, *subresource = (*found["rest"].split("/"), "")[:3]
        resource = f"{plural}.{found['group']}" if found["group"] else plural
        yield verb, "/".join([resource, *filter(None, subresource)]), found["namespace"] or ""


def in_rbac(resource: str) -> dict[str, list[str]]:
    """A resource, or subresource of one, as a ClusterRole names it."""
    whole, slash, subresource = resource.partition("/")
    plural, _dot, group = whole.partition(".")
    return {"apiGroups": [group], "resources": [f"{plural}{slash}{subresource}"]}


def play(ansible: Ansible, name: str, kubeconfig: Path) -> Any:
    environment = {"K8S_AUTH_KUBECONFIG": str(kubeconfig)}
    return ansible.playbook(f"avi.egress.{name}", "-e", json.dumps(VARIABLES), environment=environment)


@pytest.fixture
def node(api: ApiServer) -> Iterator[None]:
    """A node that is ready, and whose kubelet ends each pod of a preflight at once: nothing is in the way."""
    cluster = api.cluster()
    cluster.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it is"}
    cluster.patch(NODE, "worker", {"status": {"conditions": [ready]}}, subresource="status")
    with kubelet(cluster):
        yield
    cluster.delete_named(NODE, "worker")


@contextmanager
def kubelet(cluster: KubeClient) -> Iterator[None]:
    def end_pods() -> None:
        for pod in cluster.list(POD, PREFLIGHT_NAMESPACE):
            if "containerStatuses" not in pod["status"]:
                end_pod(cluster, pod)

    with meanwhile(end_pods, pause=0.1):
        yield


def end_pod(cluster: KubeClient, pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    terminated = {"exitCode": 0, "reason": "Completed", "message": json.dumps({"looks": ["uplink"]})}
    named = {"name": container["name"], "image": container["image"], "imageID": ""}
    status = {**named, "ready": False, "restartCount": 0, "state": {"terminated": terminated}}
    body = {"status": {"phase": "Succeeded", "containerStatuses": [status]}}
    cluster.patch(POD, pod["metadata"]["name"], body, PREFLIGHT_NAMESPACE, subresource="status")


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbook_uses_no_right_that_it_did_not_ask_for(
    ansible: Ansible, cluster: KubeClient, faults: FaultProxy, name: str
) -> None:
    run = play(ansible, name, faults.kubeconfig)

    assert run.failure == ""
    asked = granted(rights(*PLAYBOOKS[name]))
    everywhere = {(verb, resource) for verb, resource, namespace in asked if not namespace}
    beyond = {
        use for use in used(faults) if use not in asked and use[:2] not in everywhere and use[1] not in EVERYBODYS
    }
    assert beyond == set()


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_whoever_lacks_one_right_is_told_that_one_and_changes_nothing(
    ansible: Ansible, api: ApiServer, cluster: KubeClient, tmp_path: Path, name: str
) -> None:
    wanted = rights(PLAYBOOKS[name][0])
    lacking = [right for right in wanted if not right.get("if_served")][-1]
    verb = lacking["verbs"][-1]
    rules = [
        {
            **in_rbac(right["resource"]),
            "verbs": [item for item in right["verbs"] if right is not lacking or item != verb] or ["watch"],
        }
        for right in wanted
    ]
    role = f"almost-{name.replace('_', '-')}"
    cluster.create(
        CLUSTER_ROLE,
        {"apiVersion": CLUSTER_ROLE.api_version, "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
    )
    subjects = [{"kind": "User", "name": TENANT, "apiGroup": "rbac.authorization.k8s.io"}]
    reference = {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"apiVersion": CLUSTER_ROLE_BINDING.api_version, "kind": "ClusterRoleBinding", "metadata": {"name": role}}
    cluster.create(CLUSTER_ROLE_BINDING, {**binding, "subjects": subjects, "roleRef": reference})
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api.kubeconfig.read_text().replace(ADMIN_TOKEN, TENANT_TOKEN))
    try:
        run = play(ansible, name, kubeconfig)
    finally:
        cluster.delete_named(CLUSTER_ROLE_BINDING, role)

    where = f"in namespace {lacking['namespace']}" if lacking.get("namespace") else "in the cluster"
    assert run.failure.startswith(f"this account may not {verb} {lacking['resource']} {where}; grant it, or run as")
    assert run.stats["changed"] == 0
    assert cluster.get(NAMESPACE, "avi-egress") is None
