# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The EgressCloud: the projects that take part, their networks and their images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ..api import addresses
from ..api.errors import InvalidInput
from ..api.resources import KubeObject
from ..api.selectors import NamespaceSelector, read_selector
from . import address_pool
from .cluster_networks import ClusterNetworks
from .network import EgressNetwork
from .pod_settings import PodSettings, read_pod_settings

DEFAULT_ROUTER_IMAGE = "avinetworks/avi-egress-router"
DEFAULT_BRIDGE_SUBNET = "172.18.0.1/16"


DEFAULT_BRIDGE_SUBNET_V6 = "fd00:172:18::1/64"
PROJECT = "project"
GATEWAY = "gateway"
"""Placements: where a cloud's egress pods are, see ``workload.placement``."""
CONTROL_PLANE_LABELS = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})
"""Labels of the nodes that the API server runs on, where they have no taint that keeps pods away."""
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True)
class Bridge:
    """The router's next hop on its node, for sources of one family."""

    address: str
    """BRIDGE_IP_ADDR."""
    prefix: int
    """BRIDGE_NETMASK: bits, as the article shows it."""


@dataclass(frozen=True)
class EgressCloud:
    """The article's OpenShift cloud object, as far as it concerns egress."""

    name: str
    uuid: str
    secure_egress_mode: bool
    bridges: Mapping[str, Bridge]
    """By address family, ``IPv4`` and ``IPv6``."""
    router_image: str
    allowed_images: tuple[str, ...]
    """Image names a service may ask for besides the default; ``*`` stands for any characters."""
    allowed_node_labels: tuple[str, ...] | None
    """Keys that a service's ``nodeSelector`` may name; None for all but those of the control plane."""
    allowed_tolerations: tuple[str, ...]
    """Keys of taints that a service's ``tolerations`` may name."""
    include: NamespaceSelector
    """Projects that take part; empty means all but the system's own."""
    exclude: NamespaceSelector
    networks: tuple[str, ...]
    """EgressNetworks in order of preference; empty means all, by name."""
    cluster_cidrs: tuple[str, ...] = ()
    """Where the cluster's own nodes, pods and Services are, of either family: no destination may be in them."""
    pods: PodSettings = field(default_factory=PodSettings)
    """What all egress pods have."""
    inside: ClusterNetworks = field(default_factory=ClusterNetworks)
    """What the cluster shows of that by itself."""
    told: tuple[str, ...] | None = None
    """What of it the router is told; None for all that is known now."""
    placement: str = PROJECT
    monitoring_namespaces: tuple[str, ...] = ()
    """Whose pods may read the egress pods' metrics, and reach nothing else of them."""
    controller_namespace: str | None = None
    """The egress controller's own; None where that is not known."""

    @property
    def gateway(self) -> str | None:
        """The namespace that the egress pods of all projects share; None if they are in the projects."""
        return self.controller_namespace if self.placement == GATEWAY else None

    def allows_node_label(self, key: str) -> bool:
        if self.allowed_node_labels is None:
            return key not in CONTROL_PLANE_LABELS
        return key in self.allowed_node_labels

    def includes(self, namespace: KubeObject) -> bool:
        if self.exclude.matches(namespace) or namespace["metadata"]["name"] in SYSTEM_NAMESPACES:
            return False
        return self.include.empty or self.include.matches(namespace)


def read_cloud(obj: KubeObject) -> EgressCloud:
    """An EgressCloud; InvalidInput where the schema let something wrong through."""
    name, spec = obj["metadata"]["name"], obj.get("spec") or {}
    subject = f"EgressCloud {name}"
    projects = spec.get("projects") or {}
    return EgressCloud(
        name=name,
        uuid=spec["uuid"],
        secure_egress_mode=bool(spec.get("secureEgressMode", False)),
        bridges={
            addresses.IPV4: _read_bridge(subject, spec, "bridgeSubnet", DEFAULT_BRIDGE_SUBNET),
            addresses.IPV6: _read_bridge(subject, spec, "bridgeSubnetV6", DEFAULT_BRIDGE_SUBNET_V6),
        },
        router_image=spec.get("routerImage", DEFAULT_ROUTER_IMAGE),
        allowed_images=tuple(spec.get("allowedImages") or ()),
        allowed_node_labels=_tuple_or_none(spec.get("allowedNodeLabels")),
        allowed_tolerations=tuple(spec.get("allowedTolerations") or ()),
        include=read_selector(projects.get("include")),
        exclude=read_selector(projects.get("exclude")),
        networks=tuple(spec.get("networks") or ()),
        pods=read_pod_settings(subject, spec.get("pods") or {}),
        cluster_cidrs=_read_cluster_cidrs(subject, spec.get("clusterCIDRs") or ()),
        placement=spec.get("placement", PROJECT),
        monitoring_namespaces=tuple(spec.get("monitoringNamespaces") or ()),
    )


def _tuple_or_none(items: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)


def _read_cluster_cidrs(subject: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = []
    for index, text in enumerate(texts):
        cidr = addresses.subnet(text)
        if cidr is None or not cidr.prefixlen:
            expected = "give a network of the cluster's nodes, pods or Services, such as 10.128.0.0/14"
            raise InvalidInput(subject, f"spec.clusterCIDRs[{index}]", text, expected)
        found.append(str(cidr.cidr))
    return tuple(dict.fromkeys(found))


def _read_bridge(subject: str, spec: Mapping[str, Any], field_name: str, default: str) -> Bridge:
    """A bridge of the default's family."""
    text, ip_family = spec.get(field_name, default), addresses.family_of(default)
    parsed = addresses.subnet(text)
    if parsed is None or not parsed.prefixlen or addresses.family_of(text) != ip_family:
        expected = f"give an {ip_family} address with its prefix, such as {default}"
    elif what := addresses.why_no_destination(str(parsed.ip)):
        expected = f"this is {what}; give one of a private network, such as {default}"
    elif parsed.ip in address_pool.withheld(parsed, ()):
        expected = f"give the bridge's own address, such as {default}, not its network's"
    else:
        return Bridge(str(parsed.ip), parsed.prefixlen)
    raise InvalidInput(subject, f"spec.{field_name}", text, expected)


def choose_network(
    cloud: EgressCloud, networks: Mapping[str, EgressNetwork], namespace: KubeObject, wanted: str | None
) -> Sequence[EgressNetwork]:
    """The networks a project may take an address from, best first (article's IPAM: the first available one).

    A network that the service names must still be one of the cloud's.
    """
    names = [name for name in cloud.networks or sorted(networks) if wanted in (None, name)]
    return [networks[name] for name in names if name in networks and networks[name].allows(namespace)]
