# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The project's ServiceAccount and its place in the SecurityContextConstraints (article, "Workflow Overview")."""

from __future__ import annotations

from typing import Iterable

from ..api.resources import (
    CLOUD_LABEL,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    KubeObject,
    account_name,
    account_user,
    scc_name,
)


def service_account(cloud_uuid: str, namespace: str) -> KubeObject:
    """The ServiceAccount that the project's egress pods run as; its token is of no use to them and not mounted."""
    return {
        "apiVersion": SERVICE_ACCOUNT.api_version,
        "kind": SERVICE_ACCOUNT.kind,
        "metadata": {"name": account_name(cloud_uuid), "namespace": namespace, "labels": {CLOUD_LABEL: cloud_uuid}},
        "automountServiceAccountToken": False,
    }


def security_context_constraints(cloud_uuid: str, namespaces: Iterable[str]) -> KubeObject:
    """The SCC, every setting as the article's ``oc describe scc`` shows it, with one user for each project.

    Not ``seccompProfiles``: egress pods name none, and the platform may have a policy that gives all pods one, which an
    administrator then allows here.
    """
    return {
        "apiVersion": SECURITY_CONTEXT_CONSTRAINTS.api_version,
        "kind": SECURITY_CONTEXT_CONSTRAINTS.kind,
        "metadata": {"name": scc_name(cloud_uuid), "labels": {CLOUD_LABEL: cloud_uuid}},
        "priority": None,
        "users": [account_user(cloud_uuid, namespace) for namespace in sorted(namespaces)],
        "groups": [],
        "allowPrivilegedContainer": True,
        "allowPrivilegeEscalation": True,
        "defaultAllowPrivilegeEscalation": None,
        "defaultAddCapabilities": None,
        "requiredDropCapabilities": None,
        "allowedCapabilities": None,
        "volumes": ["*"],
        "allowedFlexVolumes": None,
        "allowHostDirVolumePlugin": True,
        "allowHostNetwork": True,
        "allowHostPorts": True,
        "allowHostPID": False,
        "allowHostIPC": False,
        "allowedUnsafeSysctls": None,
        "forbiddenSysctls": None,
        "readOnlyRootFilesystem": False,
        "runAsUser": {"type": "RunAsAny"},
        "seLinuxContext": {"type": "RunAsAny"},
        "fsGroup": {"type": "RunAsAny"},
        "supplementalGroups": {"type": "RunAsAny"},
    }


def with_user_namespaces(desired: KubeObject, observed: KubeObject | None) -> KubeObject:
    """An SCC that also lets pods be in the node's user namespace, where the platform knows that field.

    OpenShift does since 4.17, and fills it in; an older one drops it, and would be asked for it again for ever.
    """
    if "userNamespaceLevel" not in (observed or {}):
        return desired
    return {**desired, "userNamespaceLevel": "AllowHostLevel"}


def scc_users(
    observed: Iterable[str], cloud_uuid: str, present: Iterable[str] = (), absent: Iterable[str] = ()
) -> list[str]:
    """The SCC's users with some projects added and others taken away; users that are none of ours stay.

    ``present`` and ``absent`` are namespaces. Order is kept, so an unchanged set is an unchanged list.
    """
    gone = {account_user(cloud_uuid, namespace) for namespace in absent}
    users = [user for user in observed if user not in gone]
    wanted = sorted(account_user(cloud_uuid, namespace) for namespace in present)
    return users + [user for user in wanted if user not in users]


def scc_projects(users: Iterable[str], cloud_uuid: str) -> set[str]:
    """The namespaces whose ServiceAccount is among an SCC's users."""
    prefix, suffix = account_user(cloud_uuid, "/").split("/")
    return {user[len(prefix) : -len(suffix)] for user in users if user.startswith(prefix) and user.endswith(suffix)}
