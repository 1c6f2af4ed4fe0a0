# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The node's interface towards the outside LAN: which one it is, and what the node's routes say of it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any, Final

from egress_router import faults
from egress_router.config import Config, ConfigError
from egress_router.family import Address, Family
from egress_router.faults import Faulty
from egress_router.netlink import NetlinkError
from egress_router.routes import RTN_UNICAST, default_hops, destination, hops
from egress_router.rtnetlink import kind_of
from egress_router.ways import Way

# linux/if.h, linux/rtnetlink.h
_ETHERNET: Final = 1
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8
_IFF_LOWER_UP: Final = 0x10000
_MAIN_TABLE: Final = 254
_NO_ROUTE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)
# A port of a bridge of a bond of a VLAN: more floors than that no node has.
_MASTERS: Final = 8


@dataclass(frozen=True)
class Uplink:
    """The node's interface towards the outside LAN.

    ``mac``: six bytes. ``mtu`` in bytes. ``own``: an address of its own there with its network, if any, the one whose
    network has EGRESS_SOURCE, or the gateway of a routed one, before others. ``connected``: whether it is up and has
    a carrier. ``ports``: names of a bridge's, sorted.
    """

    index: int
    name: str
    mac: bytes
    mtu: int
    own: IPv4Interface | IPv6Interface | None
    connected: bool
    ports: tuple[str, ...] = ()

    @property
    def address(self) -> Address | None:
        """Its own address there, if any."""
        return None if self.own is None else self.own.ip


class Uplinks:
    """The node's interfaces, as one router looks at them."""

    def __init__(self, config: Config, node: Any) -> None:
        """``node``: a route netlink connection into the node's namespace."""
        self._source = config.source
        self._family: Family = config.family
        self._wanted = config.uplink
        self._gateway = config.gateway
        self._is_routed = config.is_routed
        # Of a routed source whose gateway isn't given: the node's, as the last ``find`` saw them.
        self._defaults: list[tuple[int, Address]] = []
        self._netlink = node

    def find(self) -> Uplink:
        """The interface named by EGRESS_UPLINK, else the one whose subnet holds EGRESS_SOURCE; raise ConfigError.

        For a routed source, else the one by which the node reaches the gateway; raise ``Faulty`` if there is none.
        The port of a bridge or bond stands for its master, which is what has the node's place on the LAN.
        """
        addresses = self._addresses()
        if any(address.ip == self._source for _index, address in addresses):
            raise ConfigError(
                f"EGRESS_SOURCE={str(self._source)!r} is not usable: it is an address of this node itself."
            )
        if self._is_routed:
            self._refuse_if_on_a_link(addresses)
            self._defaults = [] if self._gateway else default_hops(self._main_table(), self._family)
        if self._wanted:
            return self._named(addresses)
        return self._towards_gateway(addresses) if self._is_routed else self._connected(addresses)

    def default(self, uplink: Uplink) -> tuple[Address | None, tuple[str, ...]]:
        """The gateway of the node's default route by the uplink, if there is one, and other Ethernets that have one.

        As they were when ``find`` gave this uplink.
        """
        indexes = sorted({index for index, _gateway in self._defaults})
        others = [self._netlink.link("get", index=index)[0] for index in indexes]
        names = [
            link.get_attr("IFLA_IFNAME")
            for link in others
            if link["index"] != uplink.index and link["ifi_type"] == _ETHERNET
        ]
        return self._default_by(uplink.index), tuple(names)

    def ways(self, uplink: Uplink) -> tuple[Way, ...]:
        """The node's own routes by the uplink, those of its main table."""
        found: set[Way] = set()
        for route in self._main_table():
            if route["type"] != RTN_UNICAST:
                continue
            network = destination(route, self._family)
            if network.is_link_local or network.is_multicast:
                continue
            for index, gateway in hops(route):
                if index == uplink.index:
                    found.add(Way(network, gateway))
        return tuple(sorted(found, key=str))

    def leads_by(self, uplink: Uplink, station: Address) -> str | None:
        """What is wrong with the node's route to the destination, if it doesn't leave by the uplink."""
        try:
            route = self._netlink.route("get", dst=str(station), family=self._family.socket)[0]
        except NetlinkError as error:
            if error.code in _NO_ROUTE:
                return f"the node has no route to {station}"
            raise
        index = route.get_attr("RTA_OIF")
        if index == uplink.index:
            return None
        name = self._netlink.link("get", index=index)[0].get_attr("IFLA_IFNAME")
        return f"the node's route to {station} leaves by {name}, not by the uplink {uplink.name}"

    def _named(self, addresses: list[tuple[int, IPv4Interface | IPv6Interface]]) -> Uplink:
        try:
            link = self._netlink.link("get", ifname=self._wanted)[0]
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise
            raise ConfigError(
                f"EGRESS_UPLINK={self._wanted!r} is not usable: this node has no interface of that name."
            ) from error
        uplink = self._describe(self._master_of(link), {link["index"]}, addresses)
        if not self._is_routed and (uplink.own is None or self._source not in uplink.own.network):
            self._refuse_if_elsewhere(uplink, addresses)
        return uplink

    def _refuse_if_elsewhere(self, uplink: Uplink, addresses: list[tuple[int, IPv4Interface | IPv6Interface]]) -> None:
        """An uplink without an address in the network may still be on that LAN, unless another shows that it isn't."""
        others = [index for index, address in addresses if self._is_on_network(address)]
        if others:
            name = self._netlink.link("get", index=others[0])[0].get_attr("IFLA_IFNAME")
            right = f"on this node the network of EGRESS_SOURCE {self._source} is at {name}"
        elif self._gateway is None:
            right = f"it has no address in a network with EGRESS_SOURCE {self._source} and no gateway is given"
        else:
            return
        raise ConfigError(f"EGRESS_UPLINK={self._wanted!r} is not usable: {right}.")

    def _refuse_if_on_a_link(self, addresses: list[tuple[int, IPv4Interface | IPv6Interface]]) -> None:
        """Nobody answers for a routed address, so the stations of its link would look for it in vain."""
        for index, address in addresses:
            if self._is_on_network(address):
                name = self._netlink.link("get", index=index)[0].get_attr("IFLA_IFNAME")
                raise ConfigError(
                    f"EGRESS_SOURCE={str(self._source)!r} is not usable: its EgressNetwork is routed, but"
                    f" {address.network} is on this node's link {name}, so give it the mode lan, or subnets that are on"
                    " no link."
                )

    def _towards_gateway(self, addresses: list[tuple[int, IPv4Interface | IPv6Interface]]) -> Uplink:
        """The interface by which the node reaches the gateway that is given, else that of its default route."""
        if self._gateway is None:
            index = next((index for index, _gateway in self._defaults), None)
            lacks = "no default route by a gateway"
        else:
            index, lacks = self._link_of(self._gateway), f"no link with the gateway {self._gateway}"
        if index is None:
            # It may come: routing daemons bring routes, and take them.
            raise Faulty(faults.no_way_out(self._source, f"the node has {lacks}"))
        link = self._netlink.link("get", index=index)[0]
        return self._describe(self._master_of(link), {index}, addresses)

    def _link_of(self, station: Address) -> int | None:
        """The index of the interface on whose link a station is."""
        try:
            (route,) = self._netlink.route("get", dst=str(station), family=self._family.socket)
        except NetlinkError as error:
            if error.code in _NO_ROUTE:
                return None
            raise
        index: int | None = route.get_attr("RTA_OIF")
        return index if route.get_attr("RTA_GATEWAY") is None and route["type"] == RTN_UNICAST else None

    def _connected(self, addresses: list[tuple[int, IPv4Interface | IPv6Interface]]) -> Uplink:
        found = []
        for index, address in addresses:
            if self._is_on_network(address):
                link = self._netlink.link("get", index=index)[0]
                if link["flags"] & _IFF_UP and not link["flags"] & _IFF_LOOPBACK:
                    found.append((address.network.prefixlen, link))
        if not found:
            raise ConfigError(
                f"EGRESS_SOURCE={str(self._source)!r} is not usable on this node: no interface that is up has a subnet"
                " with it, so set nodeSelector to nodes that are on its network or name the interface by EGRESS_UPLINK."
            )
        _length, link = max(found, key=lambda entry: entry[0])
        return self._describe(self._master_of(link), {link["index"]}, addresses)

    def _is_on_network(self, address: IPv4Interface | IPv6Interface) -> bool:
        return self._source in address.network and address.network.prefixlen < self._family.bits

    def _master_of(self, link: Any) -> Any:
        for _floor in range(_MASTERS):
            index = link.get_attr("IFLA_MASTER")
            if index is None:
                return link
            master = self._netlink.link("get", index=index)[0]
            kind = kind_of(master)
            if kind == "vrf":
                # A group of interfaces with a routing table of their own; each has its own place on a LAN.
                return link
            if kind == "openvswitch":
                name = link.get_attr("IFLA_IFNAME")
                raise ConfigError(
                    f"EGRESS_UPLINK={name!r} is not usable: it is a port of Open vSwitch, so name that bridge's own"
                    " interface, such as br-ex."
                )
            link = master
        return link

    def _describe(
        self, link: Any, indexes: set[int], addresses: list[tuple[int, IPv4Interface | IPv6Interface]]
    ) -> Uplink:
        mac = bytes.fromhex((link.get_attr("IFLA_ADDRESS") or "").replace(":", ""))
        name = link.get_attr("IFLA_IFNAME")
        if len(mac) != 6:
            raise ConfigError(
                f"EGRESS_UPLINK={name!r} is not usable: only Ethernet interfaces can answer for EGRESS_SOURCE."
            )
        own = [address for index, address in addresses if index == link["index"] or index in indexes]
        neighbour = self._gateway or self._default_by(link["index"]) if self._is_routed else self._source
        nearest = [address for address in own if neighbour is not None and neighbour in address.network] or own
        return Uplink(
            index=link["index"],
            name=name,
            mac=mac,
            mtu=link.get_attr("IFLA_MTU"),
            own=nearest[0] if nearest else None,
            connected=bool(link["flags"] & _IFF_LOWER_UP),
            ports=self._ports(link) if kind_of(link) == "bridge" else (),
        )

    def _ports(self, bridge: Any) -> tuple[str, ...]:
        ports = self._netlink.get_links(master=bridge["index"])
        return tuple(sorted(port.get_attr("IFLA_IFNAME") for port in ports))

    def _default_by(self, index: int) -> Address | None:
        """The gateway of the best default route by an interface."""
        return next((gateway for by, gateway in self._defaults if by == index), None)

    def _main_table(self) -> Any:
        return self._netlink.get_routes(family=self._family.socket, table=_MAIN_TABLE)

    def _addresses(self) -> list[tuple[int, IPv4Interface | IPv6Interface]]:
        """The node's own addresses with the indexes of their interfaces."""
        return [
            (
                int(address["index"]),
                ip_interface(
                    f"{address.get_attr('IFA_LOCAL') or address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}"
                ),
            )
            for address in self._netlink.get_addr(family=self._family.socket)
        ]
