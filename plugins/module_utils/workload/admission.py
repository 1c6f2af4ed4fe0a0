# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who admits a service: cloud, mode, project, image, rules and network."""

from __future__ import annotations

from typing import Collection, Iterable, Mapping, Sequence

from ..annotations.egress_service import EgressService
from ..api import addresses
from ..api.errors import InvalidAnnotation, InvalidInput, Refused
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
    manifests.router_image(cloud, service)
    manifests.network_policy(service)
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
