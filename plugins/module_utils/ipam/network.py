# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The EgressNetwork: the addresses that it may lease, and who may have them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Mapping, Sequence

from ..api import addresses
from ..api.errors import InvalidInput
from ..api.resources import KubeObject
from ..api.selectors import NamespaceSelector, read_selector
from . import address_pool
from .address_pool import AddressPool
from .allowed_destinations import AllowedDestinations, first_excluded, read_allowed_destinations
from .pod_settings import read_node_selector

with suppress(ImportError):  # ``addresses`` tells of it
    import netaddr

DEFAULT_QUARANTINE_SECONDS = 24 * 60 * 60
DEFAULT_RELEASE_BRAKE_PERCENT = 25
DEFAULT_HISTORY_SECONDS = 90 * 24 * 60 * 60
DEFAULT_ALMOST_EXHAUSTED_PERCENT = 90
SHARE_PERCENT = 50
"""What of a network one project's services may draw where no quota says more or less."""
SMALLEST_SHARE = 16
"""As many they may draw of any network: a network of so few is shared by people who know each other."""


@dataclass(frozen=True)
class Subnet:
    """One subnet of a network, in canonical form, with the address of its router, if that is given."""

    cidr: str
    gateway: str | None = None


@dataclass(frozen=True)
class EgressNetwork:
    """The article's north-south IPAM network: the addresses it may lease, and who may have them."""

    name: str
    pool: AddressPool
    uplink: str | None
    """The node's interface on this network, or towards a routed one's gateway; None lets the router find it."""
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
    subnets: Sequence[Subnet] = ()
    is_routed: bool = False
    """Whether its addresses are on no link of the nodes, and found by the routes that the nodes offer."""
    destinations: tuple[AllowedDestinations, ...] | None = None
    """Where its addresses may lead; None for everywhere outside the cluster."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes that have it; empty where all have."""

    def subnet_of(self, address: str) -> Subnet | None:
        """The smallest of the subnets that an address is in; None for an address that it no longer offers."""
        return next((subnet for block, subnet in self._by_size if address in block), None)

    def within(self, subnet: Subnet) -> EgressNetwork:
        """The network with the addresses of one subnet alone."""
        return replace(self, pool=self.pool.shared_with(AddressPool([netaddr.IPNetwork(subnet.cidr)])))

    def allows(self, namespace: KubeObject) -> bool:
        return self.allowed.empty or self.allowed.matches(namespace)

    def excluded(self, namespace: KubeObject, hosts: Sequence[str]) -> str | None:
        """The first of some destinations that the project may not reach from it; None if it may reach all."""
        return None if self.destinations is None else first_excluded(self.destinations, namespace, hosts)

    def quota(self, namespace: str) -> int | None:
        """How many addresses a project may hold, those in quarantine included; None for any number."""
        return self.quotas.get(namespace, self.addresses_per_namespace)

    def share(self, ip_family: str) -> int:
        """How many addresses of a family the services of a project without a quota may hold, as for ``quota``."""
        return max(SMALLEST_SHARE, self._sizes[ip_family] * SHARE_PERCENT // 100)

    def limits(self, namespace: str, ip_family: str) -> bool:
        """Whether a project's services may not have all addresses of a family."""
        return self.quota(namespace) is not None or self.share(ip_family) < self._sizes[ip_family]

    def leases(self, address: str, namespace: str) -> bool:
        """Whether a project may have an address of it."""
        return address in self.pool and self.reservations.get(address, namespace) == namespace

    @cached_property
    def drawn(self) -> AddressPool:
        """The addresses that a claim draws from if it asks for none."""
        return self.pool.without(self.reservations)

    @cached_property
    def _sizes(self) -> Mapping[str, int]:
        """How many of those there are, by family: each claim asks for it."""
        return {family: self.drawn.of(family).size for family in addresses.IP_FAMILIES}

    @cached_property
    def _by_size(self) -> Sequence[tuple[AddressPool, Subnet]]:
        """The subnets with all their addresses, the smallest first."""
        found = [(netaddr.IPNetwork(subnet.cidr), subnet) for subnet in self.subnets]
        found.sort(key=lambda item: item[0].prefixlen, reverse=True)
        return [(AddressPool([block]), subnet) for block, subnet in found]


def read_network(obj: KubeObject) -> EgressNetwork:
    """An EgressNetwork; InvalidInput names the subnet, range or exclusion that makes no sense."""
    name, spec = obj["metadata"]["name"], obj.get("spec") or {}
    offered, withheld = addresses.no_addresses(), addresses.no_addresses()
    subnets: list[Subnet] = []
    is_routed = spec.get("mode") == "routed"
    for index, item in enumerate(spec.get("subnets") or ()):
        subnet, usable, kept_back = _read_subnet(f"EgressNetwork {name}", f"spec.subnets[{index}]", item)
        subnets.append(subnet)
        offered |= usable
        withheld |= kept_back
    _check_gateways(f"EgressNetwork {name}", subnets, is_routed, spec.get("uplink"))
    return EgressNetwork(
        name=name,
        # Withheld last: what one subnet keeps back, an overlapping one must not offer.
        pool=AddressPool((offered - withheld).iter_ipranges()),
        uplink=spec.get("uplink"),
        allowed=read_selector(spec.get("allowedNamespaces")),
        quarantine_seconds=int(spec.get("quarantineSeconds", DEFAULT_QUARANTINE_SECONDS)),
        history_seconds=int(spec.get("historySeconds", DEFAULT_HISTORY_SECONDS)),
        release_brake_percent=int(spec.get("releaseBrakePercent", DEFAULT_RELEASE_BRAKE_PERCENT)),
        almost_exhausted_percent=int(spec.get("almostExhaustedPercent", DEFAULT_ALMOST_EXHAUSTED_PERCENT)),
        reservations=_read_reservations(f"EgressNetwork {name}", spec.get("reservations") or ()),
        addresses_per_namespace=spec.get("addressesPerNamespace"),
        quotas={item["namespace"]: int(item["addresses"]) for item in spec.get("quotas") or ()},
        created=obj["metadata"].get("creationTimestamp", ""),
        subnets=tuple(subnets),
        is_routed=is_routed,
        destinations=_read_destinations(f"EgressNetwork {name}", spec.get("allowedDestinations")),
        node_selector=read_node_selector(f"EgressNetwork {name}", spec.get("nodeSelector") or {}),
    )


def _read_destinations(
    subject: str, items: Sequence[Mapping[str, Any]] | None
) -> tuple[AllowedDestinations, ...] | None:
    return None if items is None else read_allowed_destinations(subject, items)


def _read_reservations(subject: str, items: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for index, item in enumerate(items):
        where, address = f"spec.reservations[{index}].address", addresses.canonical(item["address"])
        if address is None:
            raise InvalidInput(subject, where, item["address"], "give an IPv4 or IPv6 address")
        if found.setdefault(address, item["namespace"]) != item["namespace"]:
            raise InvalidInput(subject, where, item["address"], f"{address} is reserved for {found[address]} already")
    return found


def _read_subnet(subject: str, where: str, item: Mapping[str, Any]) -> tuple[Subnet, Any, Any]:
    """The subnet, the addresses (IPSets) that it offers, and those that are never leased."""
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
    gateway = _read_gateway(subject, f"{where}.gateway", cidr, item["gateway"]) if item.get("gateway") else None
    if gateway is not None:
        excluded.append(netaddr.IPNetwork(gateway))
    subnet = Subnet(str(cidr), gateway)
    return subnet, address_pool.offered(cidr, ranges), address_pool.withheld(cidr, excluded)


def _read_gateway(subject: str, where: str, cidr: Any, text: str) -> str:
    """Its canonical form."""
    address = addresses.canonical(text)
    if address is None or netaddr.IPAddress(address).version != cidr.version:
        raise InvalidInput(subject, where, text, f"give the address that the router has in {cidr}")
    return address


def _check_gateways(subject: str, subnets: Sequence[Subnet], is_routed: bool, uplink: str | None) -> None:
    """The way out of a subnet is on its link; that of a routed one, which is on no link, is on another."""
    for index, subnet in enumerate(subnets):
        gateway, where = subnet.gateway, f"spec.subnets[{index}].gateway"
        if gateway is None:
            continue
        if not is_routed:
            if gateway not in netaddr.IPNetwork(subnet.cidr):
                raise InvalidInput(subject, where, gateway, f"give the address that the router has in {subnet.cidr}")
            continue
        around = next((other.cidr for other in subnets if gateway in netaddr.IPNetwork(other.cidr)), None)
        if around is not None:
            right = f"{around} is routed, so on no link; give the nodes' own router, or leave it out"
            raise InvalidInput(subject, where, gateway, right)
        if netaddr.IPAddress(gateway).is_link_local() and uplink is None:
            raise InvalidInput(subject, where, gateway, "a link-local address is one of each link; name the uplink too")


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
