# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_scc_account_info``: which projects of a cloud may run egress pods, and what they lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Mapping

from ..api.errors import InvalidInput, NotFound
from ..api.resources import (
    EGRESS_CLOUD,
    NAMESPACE,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    KubeObject,
    account_name,
    scc_name,
)
from ..client.kube_client import KubeClient
from ..ipam.cloud import GATEWAY, EgressCloud, read_cloud
from ..workload.accounts import scc_projects
from .argument_specs import ArgumentSpec, refuse_empty
from .result import Result
from .scc_account import check_uuid, no_such_cloud

POD_SECURITY_LABEL = "pod-security.kubernetes.io/enforce"
REFUSING = ("baseline", "restricted")
"""Levels that keep egress pods out. Without the label the cluster's own default counts, which admits them as Kubernetes
is delivered."""

SPEC = ArgumentSpec(
    {
        "cloud": {"type": "str"},
        "uuid": {"type": "str"},
        "projects": {"type": "list", "elements": "str", "aliases": ["project", "namespace", "namespaces"]},
    },
    mutually_exclusive=[("cloud", "uuid")],
)

Options = Mapping[str, Any]
Told = Mapping[str, Any]
"""A cloud or a project as the module returns it."""


@dataclass(frozen=True)
class _Accounts:
    """What there is under one UUID."""

    cloud: EgressCloud | None
    """None if there is no EgressCloud of that UUID, or it can't be read."""
    having: frozenset[str]
    """Namespaces that have the ServiceAccount."""
    users: frozenset[str] | None
    """Namespaces whose ServiceAccount is a user of the SCC; None on a platform without SCCs."""

    def includes(self, namespace: KubeObject | None) -> bool | None:
        """Whether a project takes part, as the egress controller sees it; None if there is nothing to tell it by."""
        if namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return False
        return self.cloud.includes(namespace) if self.cloud else None


def validate(options: Options) -> None:
    """Refuse a UUID that an EgressCloud could not have, and a name that none has."""
    refuse_empty("avi_scc_account_info", options, ("cloud",))
    check_uuid("avi_scc_account_info", options["uuid"])


def report(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """The clouds by name, each with its projects by name; nothing is ever changed."""
    clouds = _clouds(cluster, options)
    has_scc = cluster.serves(SECURITY_CONTEXT_CONSTRAINTS)
    namespaces = {item["metadata"]["name"]: item for item in cluster.list(NAMESPACE)}
    found = [_cloud(cluster, uuid, obj, has_scc, namespaces, options["projects"]) for uuid, obj in clouds]
    return Result(False, {}, {}, {"clouds": found, "platform": {"has_scc": has_scc}})


def _clouds(cluster: KubeClient, options: Options) -> list[tuple[str, KubeObject | None]]:
    """UUIDs with their EgressClouds, by name; a UUID that is asked for needs none."""
    name, uuid = options["cloud"], options["uuid"]
    try:
        found = {item["metadata"]["name"]: item for item in cluster.list(EGRESS_CLOUD)}
    except NotFound:
        if uuid is None:
            raise
        found = {}
    if name is not None and name not in found:
        raise no_such_cloud(name, found)
    chosen: list[tuple[str, KubeObject | None]]
    chosen = [(obj["spec"]["uuid"], obj) for key, obj in sorted(found.items()) if name in (None, key)]
    return chosen if uuid is None else [item for item in chosen if item[0] == uuid] or [(uuid, None)]


def _cloud(
    cluster: KubeClient,
    uuid: str,
    obj: KubeObject | None,
    has_scc: bool,
    namespaces: Mapping[str, KubeObject],
    wanted: Collection[str] | None,
) -> Told:
    cloud, error = _readable(obj)
    scc = cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid)) if has_scc else None
    users = (scc or {}).get("users") or []
    listed = cluster.list(SERVICE_ACCOUNT, fields=f"metadata.name={account_name(uuid)}")
    having = frozenset(item["metadata"]["namespace"] for item in listed)
    accounts = _Accounts(cloud, having, frozenset(scc_projects(users, uuid)) if has_scc else None)
    included = {name for name, namespace in namespaces.items() if accounts.includes(namespace)}
    names = set(wanted) if wanted is not None else included | having | (accounts.users or set())
    gateway = ((obj or {}).get("status") or {}).get("gateway")
    names -= {gateway} - included - set(wanted or ())
    return {
        "cloud": obj["metadata"]["name"] if obj else None,
        "uuid": uuid,
        "error": error,
        "placement": cloud.placement if cloud else None,
        "account": account_name(uuid),
        "scc": scc_name(uuid) if scc else None,
        "scc_users": users if has_scc else None,
        "projects": [_project(accounts, name, namespaces.get(name)) for name in sorted(names)],
    }


def _readable(obj: KubeObject | None) -> tuple[EgressCloud | None, str | None]:
    """The cloud, or why it can't be read."""
    try:
        return read_cloud(obj) if obj else None, None
    except InvalidInput as error:
        return None, str(error)


def _project(accounts: _Accounts, name: str, namespace: KubeObject | None) -> Told:
    included = accounts.includes(namespace)
    label = ((namespace or {}).get("metadata", {}).get("labels") or {}).get(POD_SECURITY_LABEL)
    has = {"account": name in accounts.having, "scc_user": None if accounts.users is None else name in accounts.users}
    apart = accounts.cloud is not None and accounts.cloud.placement == GATEWAY
    needs = {} if apart else {**has, "pod_security": label not in REFUSING}
    return {
        "namespace": name,
        "exists": namespace is not None,
        "included": included,
        **has,
        "pod_security": label,
        "missing": [key for key, there in needs.items() if there is False] if included is not False else [],
        "surplus": [key for key, there in has.items() if there] if included is False else [],
    }
