# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Bridge mode: a point-to-point veth from the pod to the node, and proxy ARP for exactly one address on the uplink.

All that the node gets is bound to the veth: when the pod's network namespace goes, the kernel removes the veth and with
it the route, and without the route the kernel stops answering for the address. Nothing has to run for that to happen.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from socket import AF_INET
from typing import Any, Final

from pyroute2.netlink.exceptions import NetlinkError

from egress_router.config import Config, ConfigError
from egress_router.namespace import Namespace
from egress_router.ruleset import EGRESS_INTERFACE, MARK, PodInterface

# linux/if.h, linux/rtnetlink.h, linux/neighbour.h
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8
_IFF_LOWER_UP: Final = 0x10000
_RT_SCOPE_LINK: Final = 253
_RTN_UNREACHABLE: Final = 7
_RTNH_ONLINK: Final = 4
_NTF_PROXY: Final = 8
_NUD_PERMANENT: Final = 0x80

_DEFAULT: Final = "0.0.0.0/0"
_RULE_PRIORITY: Final = 100
# Behind every other route of the table, and after the main table could never be asked.
_LAST_METRIC: Final = 0xFF000000


class AttachError(OSError):
    """The node's side is not in a state in which the router can work; the text says what and the remedy."""


@dataclass(frozen=True)
class Uplink:
    """The node's interface towards the outside LAN.

    ``address``: one of its own there, if any; ``mtu`` in bytes; ``connected``: whether it is up and has a carrier.
    """

    index: int
    name: str
    mac: bytes
    mtu: int
    address: IPv4Address | None
    connected: bool


@dataclass(frozen=True)
class _Piece:
    """One setting of the data path: how to see that it is there, how to put it there."""

    name: str
    is_there: Callable[[], bool]
    put: Callable[[], object]


def pod_interface(pod: Namespace) -> PodInterface:
    """The interface of the pod's default route and its address; raise ``AttachError`` if there is none."""
    with pod.netlink() as netlink:
        indexes = [
            route.get_attr("RTA_OIF")
            for route in netlink.get_routes(family=AF_INET, table=254)
            if route["dst_len"] == 0 and route.get_attr("RTA_OIF") is not None
        ]
        for index in indexes:
            for address in netlink.get_addr(family=AF_INET, index=index):
                name = netlink.link("get", index=index)[0].get_attr("IFLA_IFNAME")
                return PodInterface(name, IPv4Address(address.get_attr("IFA_ADDRESS")))
    raise AttachError("the pod has no interface with an IPv4 address and a default route: check its pod network")


def host_interface_name(source: IPv4Address) -> str:
    """Name of the veth's end on the node; one per address, so the node's kernel refuses a second holder of its own."""
    return "av" + hashlib.sha256(source.packed).hexdigest()[:8]


class Attachment:
    """The veth between the pod and the node with all that belongs to it on both sides."""

    def __init__(self, config: Config, pod: Namespace, node: Namespace) -> None:
        self._source = config.source
        self._bridge = config.bridge.ip
        self._wanted_uplink = config.uplink
        self._name = host_interface_name(config.source)
        self._pod_namespace = pod
        self._node_namespace = node
        self._pod = pod.netlink()
        # Kept for withdrawal and repair: both need a way into the node's namespace.
        self._node = node.netlink()

    def uplink(self) -> Uplink:
        """The interface named by EGRESS_UPLINK, else the one whose subnet holds EGRESS_SOURCE; raise ConfigError."""
        if any(address.ip == self._source for _index, address in self._addresses()):
            raise ConfigError(
                f"EGRESS_SOURCE={str(self._source)!r} is not usable: it is an address of this node itself."
            )
        return self._named_uplink() if self._wanted_uplink else self._connected_uplink()

    def is_held(self) -> bool:
        """Whether the veth is there, is this pod's own, and the node's route to EGRESS_SOURCE leads into it."""
        ends = self._ends()
        return ends is not None and self._route_leads_to(ends[1])

    def is_taken(self) -> bool:
        """Whether another pod of this node holds the address, such as one that is terminating."""
        return self._link(self._node, self._name) is not None and self._ends() is None

    def plug(self, uplink: Uplink) -> None:
        """Make the veth anew; raise ``AttachError`` if another pod of this node was faster."""
        self._remove(self._pod, EGRESS_INTERFACE)
        peer = {"ifname": EGRESS_INTERFACE, "mtu": uplink.mtu, "net_ns_fd": self._pod_namespace.fd}
        try:
            self._node.link("add", ifname=self._name, kind="veth", mtu=uplink.mtu, peer=peer)
        except NetlinkError as error:
            if error.code == errno.EEXIST:
                raise AttachError(f"another pod on this node has just taken {self._source}") from error
            raise

    def repair(self, uplink: Uplink) -> list[str]:
        """Put every missing setting in place, in an order in which no packet can go astray; the names of those put."""
        ends = self._ends()
        if ends is None:
            raise AttachError(f"{EGRESS_INTERFACE} or its peer {self._name} is gone")
        put: list[str] = []
        for piece in (*self._pod_pieces(ends[0]), *self._node_pieces(ends[1], uplink)):
            if not piece.is_there():
                piece.put()
                put.append(piece.name)
        return put

    def withdraw(self, uplink: Uplink | None) -> None:
        """Give the address up: no more answers for it, then no way to it. Does nothing to another pod's."""
        if self._ends() is None:
            return
        try:
            if uplink is not None and self._is_proxied(uplink):
                self._node.neigh("del", dst=str(self._source), ifindex=uplink.index, flags=_NTF_PROXY)
        finally:
            # Without the veth the entry is without effect, so this must happen even if the uplink has gone.
            self._remove(self._node, self._name)

    def _pod_pieces(self, index: int) -> tuple[_Piece, ...]:
        netlink, namespace = self._pod, self._pod_namespace
        bridge, source = str(self._bridge), str(self._source)
        return (
            # Without IPv6 on the link nothing but ARP and the guarded IPv4 ever crosses it.
            self._sysctl(namespace, f"ipv6/conf/{EGRESS_INTERFACE}/disable_ipv6", "1"),
            # Replies come from addresses that the main table expects behind the pod's interface: loose, RFC 3704 §2.4.
            self._sysctl(namespace, f"ipv4/conf/{EGRESS_INTERFACE}/rp_filter", "2"),
            self._address(netlink, index, source, "pod"),
            self._up(netlink, index, EGRESS_INTERFACE),
            _Piece(
                "route to the node",
                lambda: self._has_route(254, f"{bridge}/32", index),
                lambda: netlink.route("replace", dst=f"{bridge}/32", oif=index, scope=_RT_SCOPE_LINK),
            ),
            _Piece(
                "last route of the egress table",
                lambda: self._has_route(MARK, _DEFAULT, None),
                lambda: netlink.route(
                    "replace", dst=_DEFAULT, family=AF_INET, table=MARK, type="unreachable", priority=_LAST_METRIC
                ),
            ),
            _Piece(
                "default route of the egress table",
                lambda: self._has_route(MARK, _DEFAULT, index),
                lambda: netlink.route(
                    "replace", dst=_DEFAULT, family=AF_INET, gateway=bridge, oif=index, table=MARK, flags=_RTNH_ONLINK
                ),
            ),
            _Piece(
                "rule for marked packets",
                self._has_rule,
                lambda: netlink.rule("add", family=AF_INET, fwmark=MARK, table=MARK, priority=_RULE_PRIORITY),
            ),
            self._sysctl(namespace, "ipv4/ip_forward", "1"),
        )

    def _node_pieces(self, index: int, uplink: Uplink) -> tuple[_Piece, ...]:
        netlink, namespace = self._node, self._node_namespace
        source = str(self._source)
        return (
            self._sysctl(namespace, f"ipv6/conf/{self._name}/disable_ipv6", "1"),
            # Strict, RFC 3704 §2.2: from this pod the node takes EGRESS_SOURCE only.
            self._sysctl(namespace, f"ipv4/conf/{self._name}/rp_filter", "1"),
            self._sysctl(namespace, f"ipv4/conf/{self._name}/forwarding", "1"),
            self._sysctl(namespace, f"ipv4/conf/{uplink.name}/forwarding", "1"),
            # The kernel delays proxied answers by up to 0.8 s otherwise.
            self._sysctl(namespace, f"ipv4/neigh/{uplink.name}/proxy_delay", "0"),
            self._address(netlink, index, str(self._bridge), "node"),
            self._up(netlink, index, self._name),
            _Piece(
                "node's route to the pod",
                lambda: self._route_leads_to(index),
                lambda: netlink.route("replace", dst=f"{source}/32", oif=index, scope=_RT_SCOPE_LINK),
            ),
            # Last: from here on the LAN sends packets to this node.
            _Piece(
                "proxy ARP entry",
                lambda: self._is_proxied(uplink),
                lambda: netlink.neigh(
                    "replace", dst=source, ifindex=uplink.index, flags=_NTF_PROXY, state=_NUD_PERMANENT, family=AF_INET
                ),
            ),
        )

    @staticmethod
    def _sysctl(namespace: Namespace, name: str, value: str) -> _Piece:
        def is_there() -> bool:
            try:
                return namespace.read_sysctl(name) == value
            except FileNotFoundError:
                # A kernel without IPv6 has nothing to disable.
                return name.startswith("ipv6/")

        return _Piece(name, is_there, lambda: namespace.write_sysctl(name, value))

    @staticmethod
    def _address(netlink: Any, index: int, address: str, side: str) -> _Piece:
        return _Piece(
            f"{side}'s address {address}",
            lambda: any(a.get_attr("IFA_ADDRESS") == address for a in netlink.get_addr(family=AF_INET, index=index)),
            lambda: netlink.addr("replace", index=index, address=address, prefixlen=32),
        )

    @staticmethod
    def _up(netlink: Any, index: int, name: str) -> _Piece:
        return _Piece(
            f"{name} up",
            lambda: bool(netlink.link("get", index=index)[0]["flags"] & _IFF_UP),
            lambda: netlink.link("set", index=index, state="up"),
        )

    def _ends(self) -> tuple[int, int] | None:
        """Interface indexes of the veth in the pod and on the node, if each is the other's peer."""
        pod, node = self._link(self._pod, EGRESS_INTERFACE), self._link(self._node, self._name)
        if pod is None or node is None:
            return None
        pod_index, node_index = int(pod["index"]), int(node["index"])
        peers = (pod.get_attr("IFLA_LINK"), node.get_attr("IFLA_LINK"))
        return (pod_index, node_index) if peers == (node_index, pod_index) else None

    @staticmethod
    def _link(netlink: Any, name: str) -> Any | None:
        try:
            return netlink.link("get", ifname=name)[0]
        except NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise

    def _remove(self, netlink: Any, name: str) -> None:
        link = self._link(netlink, name)
        if link is not None:
            netlink.link("del", index=link["index"])

    def _route_leads_to(self, index: int) -> bool:
        try:
            return bool(self._node.route("get", dst=str(self._source))[0].get_attr("RTA_OIF") == index)
        except NetlinkError as error:
            if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                return False
            raise

    def _has_route(self, table: int, destination: str, index: int | None) -> bool:
        """Whether the pod's table has the route by that interface; for None, the unreachable one."""
        network = IPv4Interface(destination).network
        for route in self._pod.get_routes(family=AF_INET, table=table):
            if route["dst_len"] != network.prefixlen:
                continue
            if network.prefixlen and route.get_attr("RTA_DST") != str(network.network_address):
                continue
            if route["type"] == _RTN_UNREACHABLE if index is None else route.get_attr("RTA_OIF") == index:
                return True
        return False

    def _has_rule(self) -> bool:
        return any(
            rule.get_attr("FRA_FWMARK") == MARK and rule.get_attr("FRA_TABLE") == MARK
            for rule in self._pod.get_rules(family=AF_INET)
        )

    def _is_proxied(self, uplink: Uplink) -> bool:
        try:
            return bool(
                self._node.neigh("get", dst=str(self._source), ifindex=uplink.index, flags=_NTF_PROXY, family=AF_INET)
            )
        except NetlinkError as error:
            if error.code == errno.ENOENT:
                return False
            raise

    def _named_uplink(self) -> Uplink:
        name = self._wanted_uplink or ""
        link = self._link(self._node, name)
        if link is None:
            raise ConfigError(f"EGRESS_UPLINK={name!r} is not usable: this node has no interface of that name.")
        addresses = [address for index, address in self._addresses() if index == link["index"]]
        nearest = [address for address in addresses if self._source in address.network] or addresses
        return self._describe(link, nearest[0].ip if nearest else None)

    def _connected_uplink(self) -> Uplink:
        found: list[tuple[int, Any, IPv4Address]] = []
        for index, address in self._addresses():
            if self._source in address.network and address.network.prefixlen < 32:
                link = self._node.link("get", index=index)[0]
                if link["flags"] & _IFF_UP and not link["flags"] & _IFF_LOOPBACK:
                    found.append((address.network.prefixlen, link, address.ip))
        if not found:
            raise ConfigError(
                f"EGRESS_SOURCE={str(self._source)!r} is not usable on this node: no interface that is up has a subnet"
                " with it, so set nodeSelector to nodes that are on its network or name the interface by EGRESS_UPLINK."
            )
        _length, link, own = max(found, key=lambda entry: entry[0])
        return self._describe(link, own)

    def _addresses(self) -> list[tuple[int, IPv4Interface]]:
        """The node's own addresses with the indexes of their interfaces."""
        return [
            (
                int(address["index"]),
                IPv4Interface(
                    f"{address.get_attr('IFA_LOCAL') or address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}"
                ),
            )
            for address in self._node.get_addr(family=AF_INET)
        ]

    @staticmethod
    def _describe(link: Any, address: IPv4Address | None) -> Uplink:
        mac = bytes.fromhex((link.get_attr("IFLA_ADDRESS") or "").replace(":", ""))
        name = link.get_attr("IFLA_IFNAME")
        if len(mac) != 6:
            raise ConfigError(
                f"EGRESS_UPLINK={name!r} is not usable: only Ethernet interfaces speak ARP for EGRESS_SOURCE."
            )
        connected = bool(link["flags"] & _IFF_LOWER_UP)
        return Uplink(link["index"], name, mac, link.get_attr("IFLA_MTU"), address, connected)
