# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The SecurityContextConstraints that every OpenShift has, by what distinguishes them, and who may use which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_GROUP, _RBAC = "security.openshift.io", "rbac.authorization.k8s.io"
FOR_ALL = "restricted-v2"
"""What all authenticated users may use, by a ClusterRole."""

_ANY, _RANGE, _OWN = {"type": "RunAsAny"}, {"type": "MustRunAsRange"}, {"type": "MustRunAs"}
_PLAIN_VOLUMES = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"]
_VOLUMES = [*_PLAIN_VOLUMES, "projected", "secret"]
_HOST = ("HostDirVolumePlugin", "HostIPC", "HostNetwork", "HostPID", "HostPorts")
_RESTRICTED: dict[str, Any] = {
    **{f"allow{what}": False for what in _HOST},
    "allowPrivilegedContainer": False,
    "allowPrivilegeEscalation": True,
    "requiredDropCapabilities": ["KILL", "MKNOD", "SETUID", "SETGID"],
    **dict.fromkeys(("priority", "allowedCapabilities", "defaultAddCapabilities")),
    "readOnlyRootFilesystem": False,
    "runAsUser": _RANGE,
    "seLinuxContext": _OWN,
    "fsGroup": _OWN,
    "supplementalGroups": _ANY,
    "users": [],
    "groups": [],
    "volumes": _VOLUMES,
}
_SECOND: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "allowedCapabilities": ["NET_BIND_SERVICE"],
    "requiredDropCapabilities": ["ALL"],
    "seccompProfiles": ["runtime/default"],
}
"""What the second edition of an SCC has in another way than the first."""
_NON_ROOT: dict[str, Any] = {"runAsUser": {"type": "MustRunAsNonRoot"}, "fsGroup": _ANY}
_HOST_NETWORK: dict[str, Any] = {"allowHostNetwork": True, "allowHostPorts": True, "supplementalGroups": _OWN}
_STANDARD: dict[str, dict[str, Any]] = {
    "restricted": {},
    "restricted-v2": _SECOND,
    "nonroot": _NON_ROOT,
    "nonroot-v2": {**_NON_ROOT, **_SECOND},
    "hostnetwork": _HOST_NETWORK,
    "hostnetwork-v2": {**_HOST_NETWORK, **_SECOND},
    "hostaccess": {**{f"allow{what}": True for what in _HOST}, "volumes": [*_VOLUMES, "hostPath"]},
    "hostmount-anyuid": {
        "allowHostDirVolumePlugin": True,
        "requiredDropCapabilities": ["MKNOD"],
        "runAsUser": _ANY,
        "fsGroup": _ANY,
        "users": ["system:serviceaccount:openshift-infra:pv-recycler-controller"],
        "volumes": [*_VOLUMES, "hostPath", "nfs"],
    },
    "anyuid": {
        "priority": 10,
        "requiredDropCapabilities": ["MKNOD"],
        "runAsUser": _ANY,
        "fsGroup": _ANY,
        "groups": ["system:cluster-admins"],
    },
    "privileged": {
        **{f"allow{what}": True for what in _HOST},
        "allowPrivilegedContainer": True,
        "allowedCapabilities": ["*"],
        "allowedUnsafeSysctls": ["*"],
        "requiredDropCapabilities": None,
        "seccompProfiles": ["*"],
        "runAsUser": _ANY,
        "seLinuxContext": _ANY,
        "fsGroup": _ANY,
        "users": ["system:admin", "system:serviceaccount:openshift-infra:build-controller"],
        "groups": ["system:cluster-admins", "system:nodes", "system:masters"],
        "volumes": ["*"],
    },
}


def scc(name: str, **fields: Any) -> dict[str, Any]:
    """An SCC that is as ``restricted`` but for some fields."""
    head = {"apiVersion": f"{_GROUP}/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name}}
    return {**head, **_RESTRICTED, **fields}


def standard_sccs() -> Iterator[dict[str, Any]]:
    """All of them, and what lets everybody use the strictest."""
    for name, fields in _STANDARD.items():
        yield scc(name, **fields)
    name, sccs = f"system:openshift:scc:{FOR_ALL}", "securitycontextconstraints"
    rule = {"apiGroups": [_GROUP], "resources": [sccs], "resourceNames": [FOR_ALL], "verbs": ["use"]}
    yield {**_rbac("ClusterRole", name), "rules": [rule]}
    everybody = {"apiGroup": _RBAC, "kind": "Group", "name": "system:authenticated"}
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
    yield {**_rbac("ClusterRoleBinding", name), "roleRef": role, "subjects": [everybody]}


def _rbac(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": {"name": name}}
