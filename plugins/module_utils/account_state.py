# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Brings projects' ServiceAccounts, and their place in the cloud's SCC, into the state that a playbook asks for."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Collection, Mapping, Sequence

from .accounts import service_account
from .apply import apply
from .argument_specs import STATE, ArgumentSpec
from .cluster import Cluster, Conflict, Forbidden, NotFound
from .errors import EgressError, InvalidInput
from .outcome import Outcome, foreseen, returned, shown
from .plan import Write, delete, ensure, scc_writes
from .resources import (
    EGRESS_CLOUD,
    NAMESPACE,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    KubeObject,
    account_name,
    scc_name,
)

ATTEMPTS = 5
"""How often a change is decided anew when somebody else changes the SCC between our read and our write."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

SPEC = STATE + ArgumentSpec(
    {
        "cloud": {"type": "str"},
        "uuid": {"type": "str"},
        "projects": {
            "type": "list",
            "elements": "str",
            "required": True,
            "aliases": ["project", "namespace", "namespaces"],
        },
    },
    mutually_exclusive=[("cloud", "uuid")],
    required_one_of=[("cloud", "uuid")],
)


def validate(options: Mapping[str, Any]) -> None:
    """Refuse a UUID that an EgressCloud could not have."""
    check_uuid("avi_scc_account", options["uuid"])


def check_uuid(subject: str, uuid: str | None) -> None:
    if uuid is not None and not _UUID.fullmatch(uuid):
        raise InvalidInput(subject, "uuid", uuid, "give the UUID of the cloud, in lower case (RFC 4122)")


def reconcile(cluster: Cluster, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    """The ServiceAccount of each project and its SCC user, present or absent."""
    uuid = options["uuid"] or _cloud_uuid(cluster, options["cloud"])
    has_scc = cluster.serves(SECURITY_CONTEXT_CONSTRAINTS)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _once(cluster, uuid, options, has_scc, check_mode)
        except Conflict:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _once(cluster: Cluster, uuid: str, options: Mapping[str, Any], has_scc: bool, check_mode: bool) -> Outcome:
    projects = list(dict.fromkeys(options["projects"]))
    observed = _accounts(cluster, uuid, projects)
    scc = cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid)) if has_scc else None
    present = options["state"] == "present"
    # In check mode a project that is missing may be one that an earlier task would have made.
    missing = _missing(cluster, [name for name, found in observed.items() if not found]) if present else []
    if missing and not check_mode:
        raise NotFound(404, f"project {missing[0]} does not exist; create the namespace first")
    accounts: dict[str, tuple[KubeObject | None, list[Write]]] = {
        project: (account, _account_writes(uuid, project, account, present)) for project, account in observed.items()
    }
    for_scc = scc_writes(uuid, scc, **{"present" if present else "absent": projects}) if has_scc else []
    writes = [write for _account, some in accounts.values() for write in some] + for_scc
    stored_accounts = [_carried_out(cluster, account, some, check_mode) for account, some in accounts.values()]
    stored_scc = _carried_out(cluster, scc, for_scc, check_mode)
    return Outcome(
        changed=bool(writes),
        before=shown(*observed.values(), scc),
        after=shown(*stored_accounts, stored_scc),
        values={
            "accounts": [returned(account) for account in stored_accounts if account],
            "scc": returned(stored_scc) if stored_scc else None,
            "platform": {"has_scc": has_scc},
        },
        warnings=[f"project {name} does not exist yet" for name in missing],
    )


def _account_writes(uuid: str, project: str, account: KubeObject | None, present: bool) -> list[Write]:
    if present:
        return ensure(service_account(uuid, project), account)
    return [delete(account)] if account else []


def _carried_out(
    cluster: Cluster, observed: KubeObject | None, writes: Sequence[Write], check_mode: bool
) -> KubeObject | None:
    """The object after its write, stored or foreseen; as it was if there is none."""
    if not writes:
        return observed
    return foreseen(observed, writes[0]) if check_mode else apply(cluster, writes)[0]


def _accounts(cluster: Cluster, uuid: str, projects: Sequence[str]) -> dict[str, KubeObject | None]:
    """Each project's account, many by one list; whose rights do not reach so far asks project by project."""
    name = account_name(uuid)
    if len(projects) > 1:
        with suppress(Forbidden):
            listed = cluster.list(SERVICE_ACCOUNT, fields=f"metadata.name={name}")
            found = {item["metadata"]["namespace"]: item for item in listed}
            return {project: found.get(project) for project in projects}
    return {project: cluster.get(SERVICE_ACCOUNT, name, project) for project in projects}


def _missing(cluster: Cluster, projects: Sequence[str]) -> list[str]:
    """Those that do not exist, asked for likewise."""
    if len(projects) > 1:
        with suppress(Forbidden):
            found = {item["metadata"]["name"] for item in cluster.list(NAMESPACE)}
            return [project for project in projects if project not in found]
    return [project for project in projects if cluster.get(NAMESPACE, project) is None]


def _cloud_uuid(cluster: Cluster, name: str) -> str:
    clouds = {item["metadata"]["name"]: item["spec"]["uuid"] for item in cluster.list(EGRESS_CLOUD)}
    if name not in clouds:
        raise no_such_cloud(name, clouds)
    return str(clouds[name])


def no_such_cloud(name: str, known: Collection[str]) -> EgressError:
    told = f"there are: {', '.join(sorted(known))}" if known else "there are none; run avi.egress.site"
    return EgressError(f"EgressCloud {name} does not exist; {told}")
