# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who admits a service: cloud, mode, project, image, rules and network."""

from __future__ import annotations

from dataclasses import replace
from typing import Collection, Iterable, Mapping, Sequence

from ..annotations.egress_service import Destination, EgressService
from ..api import addresses
from ..api.errors import InvalidAnnotation, InvalidInput, Refused, shown
from ..api.reasons import Reason
from ..api.resources import EGRESS_POD_ANNOTATION, KubeObject, longest_service_name
from ..ipam.cloud import EgressCloud, choose_network
from ..ipam.network import EgressNetwork
from . import manifests


def admit(
    service: EgressService,
    clouds: Iterable[EgressCloud],
    networks: Mapping[str, EgressNetwork],
    namespace: KubeObject,
) -> tuple[EgressCloud, Sequence[EgressNetwork]]:
    """The cloud that serves a project and the networks it may lease from, best first.

    Refused says which of cloud, mode, IP family, image, ``avi_proxy`` rules or network stands in the way.
    """
    subject = f"Service {service.namespace}/{service.name}"
    including = [cloud for cloud in clouds if cloud.includes(namespace)]
    if not including:
        raise Refused(
            Reason.PROJECT_NOT_INCLUDED,
            f"{subject}: no EgressCloud includes project {service.namespace}; see spec.projects",
        )
    if len(including) > 1:
        names = ", ".join(sorted(cloud.name for cloud in including))
        raise Refused(
            Reason.AMBIGUOUS_CLOUD, f"{subject}: EgressClouds {names} all include project {service.namespace}; one may"
        )
    cloud = including[0]
    if not cloud.secure_egress_mode:
        raise Refused(
            Reason.SECURE_EGRESS_MODE_OFF,
            f"{subject}: EgressCloud {cloud.name} has spec.secureEgressMode false; set it to true for egress pods",
        )
    _check_supported(service, subject)
    _check_outside(service, cloud, subject)
    _check_node_selector(service, cloud, subject)
    _check_tolerations(service, cloud, subject)
    manifests.router_image(cloud, service)
    manifests.network_policy(service, cloud)
    check_named(service, networks)
    wanted = service.egress_pod.network
    allowed = choose_network(cloud, networks, namespace, wanted)
    if not allowed:
        which = f"EgressNetwork {wanted} is not of EgressCloud {cloud.name}, or does not allow"
        which = which if wanted else f"no EgressNetwork of EgressCloud {cloud.name} allows"
        raise Refused(
            Reason.NETWORK_NOT_ALLOWED, f"{subject}: {which} project {service.namespace}; see spec.allowedNamespaces"
        )
    return cloud, allowed


def check_named(service: EgressService, networks: Collection[str]) -> None:
    """Refused where a service names a network that is none of these."""
    wanted = service.egress_pod.network
    if wanted and wanted not in networks:
        raise Refused(
            Reason.NETWORK_NOT_FOUND,
            f"Service {service.namespace}/{service.name}: egress_pod.network names EgressNetwork {wanted!r}, and there "
            "is none",
        )


def check_stays(service: EgressService, networks: Iterable[EgressNetwork], held: Collection[str]) -> None:
    """Refused where a service would leave the networks that it ``held`` addresses of, and nothing but an edit of theirs
    sends it away: an address does not change under a running service.

    A network or an address that its annotation names is the service's own wish.
    """
    wish = service.egress_pod
    if wish.network or wish.source_ips or not held or {network.name for network in networks} & set(held):
        return
    raise Refused(
        Reason.NETWORK_NOT_ALLOWED,
        f"Service {service.namespace}/{service.name}: it holds an address of EgressNetwork {', '.join(sorted(held))}, "
        f"which project {service.namespace} may not lease from any more; allow it there again, or send the service to "
        "another one by egress_pod.network",
    )


def leading_there(
    service: EgressService,
    networks: Sequence[EgressNetwork],
    namespace: KubeObject,
    held: Collection[str] = (),
) -> Sequence[EgressNetwork]:
    """Those of some networks whose ``spec.allowedDestinations`` let the project reach all that the service names.

    Refused where that leaves none of those that it can be in: the ones that it ``held`` addresses of, those that have
    what it asks for by ``source_ip``, or all.
    """
    hosts, wish = service.egress_pod.hosts, service.egress_pod
    excluded = {network.name: network.excluded(namespace, hosts) for network in networks}
    holding = [network for network in networks if network.name in held and not (wish.network or wish.source_ips)]
    asked = [network for network in networks if wish.source_ips and all(ip in network.pool for ip in wish.source_ips)]
    possible = holding or asked or networks
    if possible and all(excluded[network.name] for network in possible):
        raise _not_leading_there(service, possible[0], excluded[possible[0].name])
    return [network for network in networks if not excluded[network.name]]


def _not_leading_there(service: EgressService, network: EgressNetwork, host: str | None) -> Refused:
    return Refused(
        Reason.DESTINATION_NOT_ALLOWED,
        f"Service {service.namespace}/{service.name}: {EGRESS_POD_ANNOTATION} leads to {shown(host)}, which "
        f"EgressNetwork {network.name} does not allow to project {service.namespace}; name a destination of its "
        "spec.allowedDestinations, or have this one added there",
    )


def as_allowed(service: EgressService, network: EgressNetwork) -> EgressService:
    """The service as it is carried out in a network: names that a list allows are absolute.

    A search list would let a project answer for an allowed name that is nobody's, by a Service of its own.
    """
    if network.destinations is None:
        return service
    wish = service.egress_pod
    named = replace(
        wish,
        destination_ip=wish.destination_ip and _absolute(wish.destination_ip),
        destinations=_all_absolute(wish.destinations),
    )
    return replace(service, egress_pod=named, routes=_all_absolute(service.routes))


def _all_absolute(routes: Iterable[Destination]) -> tuple[Destination, ...]:
    return tuple(replace(route, host=_absolute(route.host)) for route in routes)


def _absolute(host: str) -> str:
    return host if addresses.canonical(host) or host.endswith(".") else f"{host}."


def _check_outside(service: EgressService, cloud: EgressCloud, subject: str) -> None:
    """Refuse an address of the cluster itself as a destination: egress is no way round the project's own policies.

    A host name's addresses are the router's to refuse, which hears of the same networks.
    """
    for host in service.egress_pod.hosts:
        if host == cloud.bridges[service.ip_family].address:
            what = f"the address of the bridge of EgressCloud {cloud.name}"
        elif not addresses.canonical(host):
            continue
        elif cidr := addresses.network_with(host, cloud.cluster_cidrs):
            what = f"in {cidr}, one of spec.clusterCIDRs of EgressCloud {cloud.name}"
        elif seen := cloud.inside.why_inside(host):
            what = seen
        else:
            continue
        expected = f"this is {what}; name an application outside the cluster"
        raise InvalidAnnotation(subject, EGRESS_POD_ANNOTATION, host, expected)


def _check_node_selector(service: EgressService, cloud: EgressCloud, subject: str) -> None:
    """Refuse to be sent where the administrator wants no egress pods."""
    refused = next((key for key in service.egress_pod.node_selector if not cloud.allows_node_label(key)), None)
    if refused is None:
        return
    allowed = cloud.allowed_node_labels
    some = "any but those of the control plane" if allowed is None else f"one of {', '.join(allowed)}"
    raise Refused(
        Reason.NODE_LABEL_NOT_ALLOWED,
        f"{subject}: {EGRESS_POD_ANNOTATION}.nodeSelector names the label {shown(refused)}, which "
        f"spec.allowedNodeLabels of EgressCloud {cloud.name} does not allow; name {some}",
    )


def _check_tolerations(service: EgressService, cloud: EgressCloud, subject: str) -> None:
    """Refuse to be on nodes that are kept for something else, as by the control plane's taint."""
    for toleration in service.egress_pod.tolerations:
        key = toleration.get("key")
        if key in cloud.allowed_tolerations:
            continue
        taint = f"the taint {shown(key)}" if key else "all taints"
        allowed = f"name {', '.join(cloud.allowed_tolerations)}" if cloud.allowed_tolerations else "leave it out"
        raise Refused(
            Reason.TOLERATION_NOT_ALLOWED,
            f"{subject}: {EGRESS_POD_ANNOTATION}.tolerations names {taint}, which "
            f"spec.allowedTolerations of EgressCloud {cloud.name} does not allow; {allowed}",
        )


def _check_supported(service: EgressService, subject: str) -> None:
    """Refuse what the egress pod or its leases cannot do, before anything is made for it."""
    longest = longest_service_name(service.egress_pod.ha)
    if len(service.name) > longest:
        raise InvalidInput(
            subject,
            "metadata.name",
            service.name,
            f"give a name of up to {longest} characters: the names and labels of its pods hold it",
        )
    if service.ip_family not in service.ip_families:
        raise Refused(
            Reason.IP_FAMILY_MISSING,
            f"{subject}: spec.ipFamilies is {', '.join(service.ip_families)}, and {EGRESS_POD_ANNOTATION} asks for "
            f"{service.ip_family}; set spec.ipFamilyPolicy to PreferDualStack and add {service.ip_family} to "
            "spec.ipFamilies",
        )
