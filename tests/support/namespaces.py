# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Namespaces, and what a tenant may do in them."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    NAMESPACE,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.api_server import TENANT


def other_project(cluster: KubeClient, project: str) -> str:
    name = f"{project}-b"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def allow_tenant(cluster: KubeClient, namespace: str, rule: dict[str, list[str]]) -> None:
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
