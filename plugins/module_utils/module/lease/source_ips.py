# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The source addresses of projects and services, for a firewall: what the lookup ``source_ips`` answers.

A name that nothing is known of is an error: an empty list for it would empty a firewall's set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Collection, Iterable, Mapping

from ...api.addresses import IPV4, IPV6, family_of
from ...api.errors import ApiError, InvalidInput
from ...api.resources import (
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    NAMESPACE_LABEL,
    NAMESPACE_NAME,
    SERVICE,
    KubeObject,
    Resource,
)
from ...api.timestamps import read_moment, utc_now
from ...client.kube_client import KubeClient
from ...ipam import lease_status
from ..argument_specs import ArgumentSpec, refuse_empty
from ..service.definition import is_egress_service

SUBJECT = "source_ips"
SELECTORS = ("label_selector", "namespace_label_selector")
BAD_REQUEST = 400
NAMED_AT_MOST = 100
"""Projects that a request names; of more all leases are read, for a proxy may refuse an address of over 8 kB."""

SPEC = ArgumentSpec(
    {
        "_terms": {"type": "list", "elements": "str"},
        "label_selector": {"type": "str"},
        "namespace_label_selector": {"type": "str", "aliases": ["project_label_selector"]},
        "network": {"type": "str"},
        "ip_family": {"type": "str", "choices": [IPV4, IPV6]},
        "as_of": {"type": "str"},
        "quarantined": {"type": "bool", "default": False},
        "allow_empty": {"type": "bool", "default": False},
    }
)

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Owner:
    """A project, or one service of it."""

    project: str
    service: str | None = None

    def has(self, project: str, service: str) -> bool:
        return project == self.project and self.service in (None, service)

    def __str__(self) -> str:
        return f"{self.project}/{self.service}" if self.service else self.project


@dataclass(frozen=True)
class Choice:
    """Whose addresses are asked for: each of the three chooses all where it is None."""

    named: Collection[Owner] | None
    projects: Collection[str] | None
    services: Collection[tuple[str, str]] | None

    def has(self, project: str, service: str) -> bool:
        return (
            (self.named is None or any(owner.has(project, service) for owner in self.named))
            and (self.projects is None or project in self.projects)
            and (self.services is None or (project, service) in self.services)
        )


def validate(options: Options) -> None:
    """Refuse what would be taken for none or for all, and a moment of which nobody can know."""
    refuse_empty(SUBJECT, options, (*SELECTORS, "network"))
    if not options["_terms"] and not any(options[name] for name in SELECTORS):
        expected = f"name a project, as in green, or a service, as in green/web, or give {' or '.join(SELECTORS)}"
        raise InvalidInput(SUBJECT, "_terms", options["_terms"] or [], expected)
    _owners(options)
    moment = _moment(options)
    if moment and moment > utc_now():
        raise InvalidInput(SUBJECT, "as_of", options["as_of"], "give a moment that is over")
    if moment and options["quarantined"]:
        expected = "leave it out with as_of: the records say who held an address, not how long it was kept afterwards"
        raise InvalidInput(SUBJECT, "quarantined", True, expected)


def addresses(cluster: KubeClient, options: Options) -> list[str]:
    """Each address once, IPv4 first, in the order of numbers."""
    chosen = _choice(cluster, options)
    leases = cluster.list(EGRESS_LEASE, labels=_labels(chosen))
    _refuse_unknown(cluster, chosen, options["network"], leases)
    moment = _moment(options)
    found = {_held(lease, moment, options["quarantined"]) for lease in leases if _fits(lease, chosen, options)}
    families = (options["ip_family"],) if options["ip_family"] else (IPV4, IPV6)
    return sorted((address for address in found if address and family_of(address) in families), key=_order)


def _fits(lease: KubeObject, chosen: Choice, options: Options) -> bool:
    spec = lease["spec"]
    return chosen.has(spec["namespace"], spec["service"]) and options["network"] in (None, spec["network"])


def _held(lease: KubeObject, moment: datetime | None, quarantined: bool) -> str | None:
    if moment is None:
        has_it = lease_status.is_bound(lease) or (quarantined and lease_status.is_released(lease))
        return lease_status.address(lease) if has_it else None
    if not lease_status.remembers(lease, moment):
        name, known = lease["metadata"]["name"], lease_status.of(lease)[0]
        raise InvalidInput(
            SUBJECT,
            "as_of",
            moment.isoformat(),
            f"EgressLease {name} remembers what it held since {known.bound_at.isoformat()}; give a later moment",
        )
    holding = lease_status.at(lease, moment)
    return holding.address if holding else None


def _order(address: str) -> tuple[int, int]:
    number = ip_address(address)
    return number.version, int(number)


def _moment(options: Options) -> datetime | None:
    return None if options["as_of"] is None else read_moment(SUBJECT, "as_of", options["as_of"])


def _owners(options: Options) -> list[Owner]:
    return [_owner(term) for term in options["_terms"] or ()]


def _owner(term: str) -> Owner:
    project, slash, service = term.partition("/")
    if not NAMESPACE_NAME.fullmatch(project) or (slash and not NAMESPACE_NAME.fullmatch(service)):
        raise InvalidInput(SUBJECT, "_terms", term, "name a project, as in green, or a service, as in green/web")
    return Owner(project, service or None)


def _choice(cluster: KubeClient, options: Options) -> Choice:
    """What names and labels choose together; InvalidInput where labels choose nothing and that is not allowed."""
    of_services, of_namespaces = (options[name] for name in SELECTORS)
    named = _owners(options) or None
    projects = services = None
    if of_namespaces is not None:
        projects = {item["metadata"]["name"] for item in _labelled(cluster, NAMESPACE, options, SELECTORS[1])}
        projects = {name for name in projects if named is None or any(owner.project == name for owner in named)}
        _refuse_none(options, "namespace_label_selector", "project", projects)
    if of_services is not None:
        alone = named[0].project if named and len(named) == 1 else None
        found = _labelled(cluster, SERVICE, options, SELECTORS[0], alone)
        listed = [item["metadata"] for item in found if is_egress_service(item)]
        among = Choice(named, projects, None)
        services = {(item["namespace"], item["name"]) for item in listed if among.has(item["namespace"], item["name"])}
        _refuse_none(options, "label_selector", "secure egress service", services)
    return Choice(named, projects, services)


def _labelled(
    cluster: KubeClient, resource: Resource, options: Options, selector: str, namespace: str | None = None
) -> list[KubeObject]:
    """What an option's labels choose; InvalidInput where the API server can't read them."""
    try:
        return cluster.list(resource, namespace, labels=options[selector])
    except ApiError as error:
        if error.status != BAD_REQUEST:
            raise
        raise InvalidInput(SUBJECT, selector, options[selector], f"it is no label selector: {error}") from error


def _refuse_none(options: Options, selector: str, kind: str, found: Collection[Any]) -> None:
    if not found and not options["allow_empty"]:
        expected = f"it chooses no {kind}; correct it, or set allow_empty if there may be none"
        raise InvalidInput(SUBJECT, selector, options[selector], expected)


def _labels(chosen: Choice) -> str | None:
    """The label selector of the leases that tell of all that is chosen; None where it would be too long, or of none."""
    if chosen.named is not None:  # whatever labels leave of them: of each that is named it is to be known whether it is
        projects = {owner.project for owner in chosen.named}
    elif chosen.services is not None:
        projects = {project for project, _service in chosen.services}
    else:
        projects = set(chosen.projects or ())
    return f"{NAMESPACE_LABEL} in ({','.join(sorted(projects))})" if 0 < len(projects) <= NAMED_AT_MOST else None


def _refuse_unknown(cluster: KubeClient, chosen: Choice, network: str | None, leases: Iterable[KubeObject]) -> None:
    """A project, service or network that neither a lease nor an object is of."""
    known = [lease["spec"] for lease in leases]
    for owner in chosen.named or ():
        recorded = any(owner.has(spec["namespace"], spec["service"]) for spec in known)
        if not recorded and not _exists(cluster, owner):
            kind = "secure egress service" if owner.service else "project"
            raise InvalidInput(SUBJECT, "_terms", str(owner), f"there is no such {kind}, and no lease of one")
    of_network = any(spec["network"] == network for spec in known)
    if network is not None and not of_network and cluster.get(EGRESS_NETWORK, network) is None:
        raise InvalidInput(SUBJECT, "network", network, "there is no such EgressNetwork")


def _exists(cluster: KubeClient, owner: Owner) -> bool:
    if owner.service is None:
        return cluster.get(NAMESPACE, owner.project) is not None
    service = cluster.get(SERVICE, owner.service, owner.project)
    return service is not None and is_egress_service(service)
