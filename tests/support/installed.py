# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the role installs, from its own templates and without Ansible: the controller's account and the policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.api_server import ApiServer
from tests.support.checkout import CHECKOUT
from tests.support.controller_process import NAMESPACE_OF_CONTROLLER

ROLE = CHECKOUT / "roles/egress"


def install_account(api: ApiServer, cluster: KubeClient, folder: Path) -> Path:
    """The kubeconfig of the controller's account, with the rights that the role gives it and no more."""
    for body in rendered("access.yaml.j2"):
        cluster.create(_resource(body), body)
    return account_kubeconfig(api, cluster, folder)


def account_kubeconfig(api: ApiServer, cluster: KubeClient, folder: Path) -> Path:
    """The kubeconfig of the controller's account, where the role has made it."""
    path = SERVICE_ACCOUNT.path(NAMESPACE_OF_CONTROLLER, "avi-egress-controller", "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = cluster._request("POST", path, SERVICE_ACCOUNT, None, request)["status"]["token"]
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return kubeconfig


def install_policies(cluster: KubeClient) -> None:
    """The admission policies; it takes a moment until they are in force."""
    for body in rendered("admission.yaml.j2"):
        cluster.create(_resource(body), body)


def rendered(template: str) -> Iterator[KubeObject]:
    environment = jinja2.Environment(trim_blocks=True)  # as Ansible has it
    environment.filters["bool"] = bool
    text = environment.from_string((ROLE / "templates" / template).read_text())
    yield from yaml.safe_load_all(text.render(egress_namespace=NAMESPACE_OF_CONTROLLER, egress_cluster_admin=False))


def _resource(body: KubeObject) -> Resource:
    kind = body["kind"]
    group, _slash, version = body["apiVersion"].rpartition("/")
    plural = f"{kind[:-1].lower()}ies" if kind.endswith("y") else f"{kind.lower()}s"
    return Resource(group, version, kind, plural, "namespace" in body["metadata"])
