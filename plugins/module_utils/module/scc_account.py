# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_scc_account``: brings projects' ServiceAccounts and their place in the cloud's SCC into the state asked for."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Collection, Mapping, Sequence

from ..api.errors import EgressError, Forbidden, InvalidInput, NotFound, Refused
from ..api.reasons import Reason
from ..api.resources import (
    EGRESS_CLOUD,
    NAMESPACE,
    NAMESPACE_NAME,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    KubeObject,
    account_name,
    scc_name,
)
from ..api.writes import Write, delete, ensure
from ..client.apply import Change, settle
from ..client.fan_out import each, fan_out
from ..client.kube_client import KubeClient
from ..ipam.cloud import GATEWAY, read_cloud
from ..workload.accounts import service_account
from ..workload.plan import scc_writes
from .argument_specs import STATE, ArgumentSpec
from .item_errors import after_changes, some
from .result import Result, after_write, returned, shown

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
    """Refuse a UUID that an EgressCloud could not have, and a project that could not be."""
    check_uuid("avi_scc_account", options["uuid"])
    for number, project in enumerate(options["projects"]):
        if not NAMESPACE_NAME.fullmatch(project):
            raise InvalidInput("avi_scc_account", f"projects[{number}]", project, "give the name of a project")


def check_uuid(subject: str, uuid: str | None) -> None:
    if uuid is not None and not _UUID.fullmatch(uuid):
        raise InvalidInput(subject, "uuid", uuid, "give the UUID of the cloud, in lower case (RFC 4122)")


def reconcile(cluster: KubeClient, options: Mapping[str, Any], check_mode: bool) -> Result:
    """The ServiceAccount of each project and its SCC user, present or absent."""
    named = None if options["uuid"] else _cloud_named(cluster, options["cloud"])
    uuid = str(named["spec"]["uuid"]) if named else options["uuid"]
    has_scc = cluster.serves(SECURITY_CONTEXT_CONSTRAINTS)
    projects, present = list(dict.fromkeys(options["projects"])), options["state"] == "present"
    observed = _accounts(cluster, uuid, projects)
    accounts = [_account(cluster, uuid, project, account, present) for project, account in observed.items()]
    sccs = [_scc(cluster, uuid, projects, present)] if has_scc else []
    lacking = [name for name, found in observed.items() if not found] if present else []
    warnings = _obstacles(cluster, named, uuid, lacking, check_mode) if lacking else []
    # The right first: OpenShift's label syncer looks at it when the account comes or goes.
    rights = _settled(cluster, sccs, [], check_mode)
    done = [*_settled(cluster, accounts, rights, check_mode), *rights]
    return Result(
        changed=any(item.change.write for item in done),
        before=shown(*(item.change.before for item in done)),
        after=shown(*(item.after for item in done)),
        values={
            "accounts": [returned(item.after) for item in done[: len(accounts)] if item.after],
            "scc": next((returned(item.after) for item in done[len(accounts) :] if item.after), None),
            "platform": {"has_scc": has_scc},
        },
        warnings=warnings,
    )


def _obstacles(
    cluster: KubeClient, named: KubeObject | None, uuid: str, projects: Sequence[str], check_mode: bool
) -> list[str]:
    """Refuse projects that are missing or take no part.

    In check mode they are warned of, for an earlier task may be one that would have made or included them.
    """
    namespaces = _namespaces(cluster, projects)
    missing = [name for name, namespace in namespaces.items() if namespace is None]
    if missing and not check_mode:
        raise NotFound(404, f"project {missing[0]} does not exist; create the namespace first")
    there = [namespace for namespace in namespaces.values() if namespace is not None]
    refusal = _refusal([named] if named else _clouds(cluster), uuid, there) if there else None
    if refusal and not check_mode:
        raise refusal
    return [*(f"project {name} does not exist yet" for name in missing), *([str(refusal)] if refusal else [])]


def _refusal(clouds: Sequence[KubeObject] | None, uuid: str, namespaces: Sequence[KubeObject]) -> Refused | None:
    """Why the egress controller would take the accounts of some projects away again; None if it keeps them all.

    None too where nobody can say, for the clouds could not be read.
    """
    if clouds is None:
        return None
    cloud = next((item for item in clouds if item["spec"]["uuid"] == uuid), None)
    return _refusal_of(cloud, namespaces) if cloud else _no_cloud_has(uuid, clouds, namespaces)


def _no_cloud_has(uuid: str, clouds: Sequence[KubeObject], namespaces: Sequence[KubeObject]) -> Refused:
    known = ", ".join(sorted(f"{item['spec']['uuid']} ({item['metadata']['name']})" for item in clouds))
    other = f", or give the uuid of one that is there: {known}" if known else ""
    projects = some([item["metadata"]["name"] for item in namespaces])
    told = (
        f"no EgressCloud has uuid {uuid}, so projects {projects} can keep no account of it; create it first, by "
        f"avi.egress.site with egress_cloud_uuid{other}"
    )
    return Refused(Reason.PROJECT_NOT_INCLUDED, told)


def _refusal_of(obj: KubeObject, namespaces: Sequence[KubeObject]) -> Refused | None:
    """Why this cloud lets some projects keep no account."""
    try:
        cloud = read_cloud(obj)
    except InvalidInput:
        return None  # The controller leaves all accounts as they are till it can read the cloud.
    if cloud.placement == GATEWAY:
        gateway = (obj.get("status") or {}).get("gateway")
        apart = [item["metadata"]["name"] for item in namespaces if item["metadata"]["name"] != gateway]
        told = (
            f"projects {some(apart)} can keep no account of EgressCloud {cloud.name}: its spec.placement is {GATEWAY}, "
            "so egress pods are in the controller's namespace and projects need none; set egress_placement to project, "
            "or leave this out"
        )
        return Refused(Reason.PROJECT_NOT_INCLUDED, told) if apart else None
    outside = [item["metadata"]["name"] for item in namespaces if not cloud.includes(item)]
    told = (
        f"projects {some(outside)} can keep no account of EgressCloud {cloud.name}: its spec.projects does not include "
        "them; run avi.egress.onboard_project, or include them by egress_include"
    )
    return Refused(Reason.PROJECT_NOT_INCLUDED, told) if outside else None


@dataclass(frozen=True)
class _Part:
    """One of the objects, and how it comes into its state."""

    told: str
    change: Change
    read: Callable[[], KubeObject | None]
    decide: Callable[[KubeObject | None], Write | None]


@dataclass(frozen=True)
class _Done:
    """What was, or would be, changed of one of the objects."""

    told: str
    change: Change
    after: KubeObject | None


def _account(cluster: KubeClient, uuid: str, project: str, account: KubeObject | None, present: bool) -> _Part:
    name = account_name(uuid)

    def decide(observed: KubeObject | None) -> Write | None:
        if present:
            return next(iter(ensure(service_account(uuid, project), observed)), None)
        return delete(observed) if observed else None

    told = f"{SERVICE_ACCOUNT.kind} {project}/{name}"
    change = Change(account, decide(account))
    return _Part(told, change, lambda: cluster.get(SERVICE_ACCOUNT, name, project), decide)


def _scc(cluster: KubeClient, uuid: str, projects: Sequence[str], present: bool) -> _Part:
    name = scc_name(uuid)

    def read() -> KubeObject | None:
        return cluster.get(SECURITY_CONTEXT_CONSTRAINTS, name)

    def decide(observed: KubeObject | None) -> Write | None:
        return next(iter(scc_writes(uuid, observed, **{"present" if present else "absent": projects})), None)

    scc = read()
    return _Part(f"{SECURITY_CONTEXT_CONSTRAINTS.kind} {name}", Change(scc, decide(scc)), read, decide)


def _settled(cluster: KubeClient, parts: Sequence[_Part], before: Sequence[_Done], check_mode: bool) -> list[_Done]:
    """The parts in their state, or in check mode as they would be; a failure tells what was changed."""
    outcomes = fan_out(lambda part: _settle(cluster, part, check_mode), parts)
    if error := outcomes.first_error:
        done = [*before, *(outcomes.done[place] for place in sorted(outcomes.done))]
        changed = [item.told for item in done if item.change.write]
        raise after_changes(changed, error) if changed else error
    return [outcomes.done[place] for place in range(len(parts))]


def _settle(cluster: KubeClient, part: _Part, check_mode: bool) -> _Done:
    if check_mode:
        write = part.change.write
        return _Done(part.told, part.change, after_write(part.change.before, write) if write else part.change.before)
    return _Done(part.told, *settle(cluster, part.change, part.read, part.decide))


def _accounts(cluster: KubeClient, uuid: str, projects: Sequence[str]) -> dict[str, KubeObject | None]:
    """Each project's account, many by one list; whose rights do not reach so far asks project by project."""
    name = account_name(uuid)
    if len(projects) > 1:
        with suppress(Forbidden):
            listed = cluster.list(SERVICE_ACCOUNT, fields=f"metadata.name={name}")
            found = {item["metadata"]["namespace"]: item for item in listed}
            return {project: found.get(project) for project in projects}
    return dict(zip(projects, each(lambda project: cluster.get(SERVICE_ACCOUNT, name, project), projects)))


def _namespaces(cluster: KubeClient, projects: Sequence[str]) -> dict[str, KubeObject | None]:
    """Each project's namespace, asked for likewise."""
    if len(projects) > 1:
        with suppress(Forbidden):
            known = {item["metadata"]["name"]: item for item in cluster.list(NAMESPACE)}
            return {project: known.get(project) for project in projects}
    return dict(zip(projects, each(lambda project: cluster.get(NAMESPACE, project), projects)))


def _cloud_named(cluster: KubeClient, name: str) -> KubeObject:
    clouds = {item["metadata"]["name"]: item for item in cluster.list(EGRESS_CLOUD)}
    if name not in clouds:
        raise no_such_cloud(name, clouds)
    return clouds[name]


def _clouds(cluster: KubeClient) -> list[KubeObject] | None:
    """None where their kind is not there yet, or who asks may not read them."""
    with suppress(NotFound, Forbidden):
        return cluster.list(EGRESS_CLOUD)
    return None


def no_such_cloud(name: str, known: Collection[str]) -> EgressError:
    told = f"there are: {', '.join(sorted(known))}" if known else "there are none; run avi.egress.site"
    return EgressError(f"EgressCloud {name} does not exist; {told}")
