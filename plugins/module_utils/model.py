# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is known: the cloud, its networks and a service's wishes, read from API objects once and then trusted.

The readers (``read_*``) are the border: behind them no field is missing, misspelt or of the wrong type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Mapping, Sequence

from .annotations.avi_proxy import Policy
from .annotations.service_port import ServicePort
from .api import addresses
from .api.addresses import AddressPool
from .api.errors import InvalidInput
from .api.resources import KubeObject

DEFAULT_ROUTER_IMAGE = "avinetworks/avi-egress-router"
DEFAULT_BRIDGE_SUBNET = "172.18.0.1/16"
DEFAULT_BRIDGE_SUBNET_V6 = "fd00:172:18::1/64"
DEFAULT_HM_PORT = 4
DEFAULT_QUARANTINE_SECONDS = 24 * 60 * 60
DEFAULT_RELEASE_BRAKE_PERCENT = 25
DEFAULT_HISTORY_SECONDS = 90 * 24 * 60 * 60
DEFAULT_ALMOST_EXHAUSTED_PERCENT = 90
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True)
class NamespaceSelector:
    """Namespaces by name or by labels; empty selects none."""

    names: frozenset[str] = frozenset()
    match_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.names and not self.match_labels

    def matches(self, namespace: KubeObject) -> bool:
        metadata = namespace["metadata"]
        if metadata["name"] in self.names:
            return True
        labels = metadata.get("labels") or {}
        return bool(self.match_labels) and all(labels.get(key) == value for key, value in self.match_labels.items())


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
    include: NamespaceSelector
    """Projects that take part; empty means all but the system's own."""
    exclude: NamespaceSelector
    networks: tuple[str, ...]
    """EgressNetworks in order of preference; empty means all, by name."""

    def includes(self, namespace: KubeObject) -> bool:
        if self.exclude.matches(namespace) or namespace["metadata"]["name"] in SYSTEM_NAMESPACES:
            return False
        return self.include.empty or self.include.matches(namespace)


@dataclass(frozen=True)
class EgressNetwork:
    """The article's north-south IPAM network: the addresses it may lease, and who may have them."""

    name: str
    pool: AddressPool
    uplink: str | None
    """The node's interface on this network; None lets the router find it by the subnet."""
    allowed: NamespaceSelector
    """Projects that may have an address; empty means every included one."""
    quarantine_seconds: int
    history_seconds: int = DEFAULT_HISTORY_SECONDS
    """How long a lease stays as a record, counted from when its address was given back."""
    release_brake_percent: int = DEFAULT_RELEASE_BRAKE_PERCENT
    """The share of its leases that may be given up at once; 100 for any."""
    almost_exhausted_percent: int = DEFAULT_ALMOST_EXHAUSTED_PERCENT
    reservations: Mapping[str, str] = field(default_factory=dict)
    """From canonical address to the one project that may have it, by asking for it."""
    addresses_per_namespace: int | None = None
    quotas: Mapping[str, int] = field(default_factory=dict)
    """From project to how many addresses it may hold, in place of ``addresses_per_namespace``."""
    created: str = ""
    """When it was made (RFC 3339): of two networks that offer the same address, the older one has it."""
    ceded: Mapping[str, AddressPool] = field(default_factory=dict)
    """By older network, the addresses that it offers too and that this one so does not lease: no part of ``pool``."""

    def allows(self, namespace: KubeObject) -> bool:
        return self.allowed.empty or self.allowed.matches(namespace)

    def quota(self, namespace: str) -> int | None:
        """How many addresses a project may hold, those in quarantine included; None for any number."""
        return self.quotas.get(namespace, self.addresses_per_namespace)

    def leases(self, address: str, namespace: str) -> bool:
        """Whether a project may have an address of it."""
        return address in self.pool and self.reservations.get(address, namespace) == namespace

    @cached_property
    def drawn(self) -> AddressPool:
        """The addresses that a claim draws from if it asks for none."""
        return self.pool.without(self.reservations)


@dataclass(frozen=True)
class Destination:
    """One port of the service and where the router sends what arrives there."""

    port: int
    """In ``destinations`` the Service's port; in an EgressService's ``routes`` the pod's."""
    protocol: str
    """``TCP`` or ``UDP``, as Kubernetes spells it."""
    host: str
    """An address or a host name."""
    host_port: int


@dataclass(frozen=True)
class EgressPod:
    """The ``egress_pod`` annotation, parsed (article, "Creating a Secure Egress Service")."""

    destination_ip: str | None
    destinations: tuple[Destination, ...]
    """From ``destinations``; empty when ``destination_ip`` stands for every port of the service."""
    hm_port: int = DEFAULT_HM_PORT
    image: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    ha: bool = False
    network: str | None = None
    source_ips: tuple[str, ...] = ()
    """Addresses the tenant asks for; each must be reserved for its project."""
    resolve: str = "ttl"

    @property
    def ip_family(self) -> str | None:
        """The one family of all addresses in it; None if it has none, only host names."""
        literals = [*filter(addresses.canonical, self.hosts), *self.source_ips]
        return addresses.family_of(literals[0]) if literals else None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every destination's host, once, in its order."""
        return tuple(dict.fromkeys([*filter(None, [self.destination_ip]), *(to.host for to in self.destinations)]))


@dataclass(frozen=True)
class EgressService:
    """A Service with an ``egress_pod`` annotation: the intent of one reconciliation."""

    namespace: str
    name: str
    uid: str
    egress_pod: EgressPod
    routes: tuple[Destination, ...]
    """Every served pod port with its destination, in the order of the Service's ports."""
    ports: tuple[ServicePort, ...] = ()
    policy: Policy | None = None
    """From ``avi_proxy``: who may connect; None admits the project's own namespace only."""
    ip_families: tuple[str, ...] = (addresses.IPV4,)
    """The Service's own: the families of its cluster IPs, the first of them preferred."""

    @property
    def ip_family(self) -> str:
        """The family of its source addresses and destinations: that of the addresses named, else the Service's first.

        Whether the Service has it too is not said; see ``plan.admit``.
        """
        return self.egress_pod.ip_family or self.ip_families[0]

    @property
    def slots(self) -> int:
        """How many source addresses it holds: 1, or 2 under ``ha``."""
        return 2 if self.egress_pod.ha else 1


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
        include=_selector(projects.get("include")),
        exclude=_selector(projects.get("exclude")),
        networks=tuple(spec.get("networks") or ()),
    )


def _read_bridge(subject: str, spec: Mapping[str, Any], field_name: str, default: str) -> Bridge:
    """A bridge of the default's family."""
    text, ip_family = spec.get(field_name, default), addresses.family_of(default)
    parsed = addresses.subnet(text)
    if parsed is None or not parsed.prefixlen or addresses.family_of(text) != ip_family:
        expected = f"give an {ip_family} address with its prefix, such as {default}"
    elif what := addresses.why_no_destination(str(parsed.ip)):
        expected = f"this is {what}; give one of a private network, such as {default}"
    elif parsed.ip in addresses.withheld(parsed, ()):
        expected = f"give the bridge's own address, such as {default}, not its network's"
    else:
        return Bridge(str(parsed.ip), parsed.prefixlen)
    raise InvalidInput(subject, f"spec.{field_name}", text, expected)


def read_network(obj: KubeObject) -> EgressNetwork:
    """An EgressNetwork; InvalidInput names the subnet, range or exclusion that makes no sense."""
    name, spec = obj["metadata"]["name"], obj.get("spec") or {}
    offered, withheld = addresses.no_addresses(), addresses.no_addresses()
    for index, item in enumerate(spec.get("subnets") or ()):
        usable, kept_back = _read_subnet(f"EgressNetwork {name}", f"spec.subnets[{index}]", item)
        offered |= usable
        withheld |= kept_back
    return EgressNetwork(
        name=name,
        # Withheld last: what one subnet keeps back, an overlapping one must not offer.
        pool=AddressPool((offered - withheld).iter_ipranges()),
        uplink=spec.get("uplink"),
        allowed=_selector(spec.get("allowedNamespaces")),
        quarantine_seconds=int(spec.get("quarantineSeconds", DEFAULT_QUARANTINE_SECONDS)),
        history_seconds=int(spec.get("historySeconds", DEFAULT_HISTORY_SECONDS)),
        release_brake_percent=int(spec.get("releaseBrakePercent", DEFAULT_RELEASE_BRAKE_PERCENT)),
        almost_exhausted_percent=int(spec.get("almostExhaustedPercent", DEFAULT_ALMOST_EXHAUSTED_PERCENT)),
        reservations=_read_reservations(f"EgressNetwork {name}", spec.get("reservations") or ()),
        addresses_per_namespace=spec.get("addressesPerNamespace"),
        quotas={item["namespace"]: int(item["addresses"]) for item in spec.get("quotas") or ()},
        created=obj["metadata"].get("creationTimestamp", ""),
    )


def _read_reservations(subject: str, items: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for index, item in enumerate(items):
        where, address = f"spec.reservations[{index}].address", addresses.canonical(item["address"])
        if address is None:
            raise InvalidInput(subject, where, item["address"], "give an IPv4 or IPv6 address")
        if found.setdefault(address, item["namespace"]) != item["namespace"]:
            raise InvalidInput(subject, where, item["address"], f"{address} is reserved for {found[address]} already")
    return found


def _read_subnet(subject: str, where: str, item: Mapping[str, Any]) -> tuple[Any, Any]:
    """The addresses (IPSets) that a subnet offers, and those that are never leased."""
    cidr = addresses.subnet(item["cidr"])
    if cidr is None:
        raise InvalidInput(subject, f"{where}.cidr", item["cidr"], "give a subnet, such as 10.70.112.0/24")
    ranges = [
        _read_range(subject, f"{where}.ranges[{number}]", cidr, block)
        for number, block in enumerate(item.get("ranges") or ())
    ]
    excluded = [
        _read_exclusion(subject, f"{where}.exclude[{number}]", text)
        for number, text in enumerate(item.get("exclude") or ())
    ]
    if item.get("gateway"):
        excluded.append(_read_exclusion(subject, f"{where}.gateway", item["gateway"]))
    return addresses.offered(cidr, ranges), addresses.withheld(cidr, excluded)


def _read_range(subject: str, where: str, cidr: Any, block: Mapping[str, str]) -> Any:
    parsed = addresses.address_range(block["begin"], block["end"])
    if parsed is None or parsed not in cidr:
        shown = f"{block['begin']}-{block['end']}"
        raise InvalidInput(subject, where, shown, f"begin and end must be addresses of {cidr}, in this order")
    return parsed


def _read_exclusion(subject: str, where: str, text: str) -> Any:
    parsed = addresses.address_or_subnet(text)
    if parsed is None:
        raise InvalidInput(subject, where, text, "give an address or a subnet")
    return parsed


def _selector(value: Mapping[str, Any] | None) -> NamespaceSelector:
    value = value or {}
    return NamespaceSelector(frozenset(value.get("names") or ()), dict(value.get("matchLabels") or {}))


def choose_network(
    cloud: EgressCloud, networks: Mapping[str, EgressNetwork], namespace: KubeObject, wanted: str | None
) -> Sequence[EgressNetwork]:
    """The networks a project may take an address from, best first (article's IPAM: the first available one).

    A network that the service names must still be one of the cloud's.
    """
    names = [name for name in cloud.networks or sorted(networks) if wanted in (None, name)]
    return [networks[name] for name in names if name in networks and networks[name].allows(namespace)]
