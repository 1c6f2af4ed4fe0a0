# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Bridge mode: a point-to-point veth from the pod to the node, and a proxy entry for exactly one address on the uplink.

All that the node gets is bound to the veth: when the pod's network namespace goes, the kernel removes the veth and with
it the route, and without the route nothing answers for the address: proxy ARP looks at it by itself, for IPv6 the
node's guard does (``ruleset.guard_node``). Nothing has to run for that to happen.

The ends of an IPv6 link know each other's MAC by permanent entries. So neighbour discovery, link-local addresses and
router advertisements have no place on it, and the guards let nothing through but EGRESS_SOURCE.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any, Final

from egress_router.config import Config, ConfigError
from egress_router.digest import sha256_hex
from egress_router.family import IPV4, Address, Family
from egress_router.namespace import Namespace
from egress_router.nat import NodeGuard
from egress_router.netlink import NetlinkError
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
# linux/if_addr.h: no duplicate address detection, a deprecated address, one that is not usable yet or never was.
_IFA_F_NODAD: Final = 0x02
_IFA_F_DADFAILED: Final = 0x08
_IFA_F_DEPRECATED: Final = 0x20
_IFA_F_TENTATIVE: Final = 0x40

_RULE_PRIORITY: Final = 100
# Seconds. A half-closed connection is kept for as long as kube-proxy keeps it; RFC 4787 §4.3 has a datagram's answer
# wait for two minutes at least.
_TIMEOUTS: Final = (("tcp_timeout_close_wait", "3600"), ("udp_timeout", "120"), ("udp_timeout_stream", "120"))
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
    address: Address | None
    connected: bool


@dataclass(frozen=True)
class _Piece:
    """One setting of the data path: how to see that it is there, how to put it there."""

    name: str
    is_there: Callable[[], bool]
    put: Callable[[], object]


def pod_interface(pod: Namespace, family: Family) -> PodInterface:
    """The interface of the pod's default route and its address; raise ``AttachError`` if there is none."""
    unusable = _IFA_F_DADFAILED | _IFA_F_DEPRECATED | _IFA_F_TENTATIVE
    with pod.netlink() as netlink:
        indexes = [
            route.get_attr("RTA_OIF")
            for route in netlink.get_routes(family=family.socket, table=254)
            if route["dst_len"] == 0 and route.get_attr("RTA_OIF") is not None
        ]
        for index in indexes:
            for address in netlink.get_addr(family=family.socket, index=index):
                # Every IPv6 interface has a link-local address, which no Service leads to.
                is_local = family is not IPV4 and address["scope"] == _RT_SCOPE_LINK
                if not is_local and not address["flags"] & unusable:
                    name = netlink.link("get", index=index)[0].get_attr("IFLA_IFNAME")
                    return PodInterface(name, ip_address(address.get_attr("IFA_ADDRESS")))
    raise AttachError(f"the pod has no interface with an {family} address and a default route: check its pod network")


def host_interface_name(source: Address) -> str:
    """Name of the veth's end on the node; one per address, so the node's kernel refuses a second holder of its own."""
    return "av" + sha256_hex(source.packed)[:8]


class Attachment:
    """The veth between the pod and the node with all that belongs to it on both sides."""

    def __init__(self, config: Config, pod: Namespace, node: Namespace) -> None:
        self._family = config.family
        self._source = config.source
        self._bridge = config.bridge.ip
        self._wanted_uplink = config.uplink
        self._name = host_interface_name(config.source)
        self._pod_namespace = pod
        self._node_namespace = node
        self._pod = pod.netlink()
        # Kept for withdrawal and repair: both need a way into the node's namespace.
        self._node = node.netlink()
        self._guard = NodeGuard(node, self._name, config.source) if isinstance(config.source, IPv6Address) else None

    def uplink(self) -> Uplink:
        """The interface named by EGRESS_UPLINK, else the one whose subnet holds EGRESS_SOURCE; raise ConfigError."""
        if any(address.ip == self._source for _index, address in self._addresses()):
            raise ConfigError(
                f"EGRESS_SOURCE={str(self._source)!r} is not usable: it is an address of this node itself."
            )
        return self._named_uplink() if self._wanted_uplink else self._connected_uplink()

    def check_node(self, uplink: Uplink) -> None:
        """Raise ``AttachError`` if the node doesn't forward IPv6.

        That is the node's owner's decision: a node that begins to forward stops taking routes from advertisements.
        """
        if self._family is IPV4:
            return
        for where in ("all", uplink.name):
            if self._node_namespace.read_sysctl(f"ipv6/conf/{where}/forwarding") == "0":
                raise AttachError(
                    f"net.ipv6.conf.{where}.forwarding is 0 on this node, so no IPv6 source address can be given:"
                    f" set it to 1 (and net.ipv6.conf.{uplink.name}.accept_ra to 2 if the node learns its routes by"
                    " router advertisements)"
                )

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

    def prepare(self, uplink: Uplink) -> None:
        """Put everything in place but the proxy entry, so that the LAN doesn't notice yet."""
        self._put(self._pieces(uplink)[:-1])

    def repair(self, uplink: Uplink) -> list[str]:
        """Put every missing setting in place, in an order in which no packet can go astray; the names of those put."""
        return self._put(self._pieces(uplink))

    def _pieces(self, uplink: Uplink) -> tuple[_Piece, ...]:
        ends = self._ends()
        if ends is None:
            raise AttachError(f"{EGRESS_INTERFACE} or its peer {self._name} is gone")
        if self._guard is not None and not self._guard.is_loaded:
            # As with the pod's rule set, a restarted router replaces what it finds.
            self._guard.load()
        return (*self._pod_pieces(*ends), *self._node_pieces(*ends, uplink))

    @staticmethod
    def _put(pieces: tuple[_Piece, ...]) -> list[str]:
        put: list[str] = []
        for piece in pieces:
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
                self._node.neigh(
                    "del", dst=str(self._source), ifindex=uplink.index, flags=_NTF_PROXY, family=self._family.socket
                )
            if self._guard is not None:
                self._guard.remove()
        finally:
            # Without the veth the entry is without effect, so this must happen even if the uplink has gone. It comes
            # last: from here on another pod of this node may take the address, with all that belongs to it.
            self._remove(self._node, self._name)

    def _pod_pieces(self, index: int, node_index: int) -> tuple[_Piece, ...]:
        netlink, family = self._pod, self._family
        source, to_node = str(self._source), family.host(self._bridge)
        return (
            *self._link_settings(self._pod_namespace, EGRESS_INTERFACE),
            # Replies come from addresses that the main table expects behind the pod's interface: loose, RFC 3704 §2.4.
            self._sysctl(self._pod_namespace, f"ipv4/conf/{EGRESS_INTERFACE}/rp_filter", "2"),
            self._address(netlink, index, source, "pod"),
            self._up(netlink, index, EGRESS_INTERFACE),
            *self._far_end(netlink, index, self._bridge, lambda: self._mac(self._node, node_index), "pod"),
            _Piece(
                "route to the node",
                lambda: self._has_route(254, to_node, index),
                lambda: netlink.route("replace", dst=to_node, family=family.socket, oif=index, scope=_RT_SCOPE_LINK),
            ),
            _Piece(
                "last route of the egress table",
                lambda: self._has_route(MARK, family.default_route, None),
                lambda: netlink.route(
                    "replace",
                    dst=family.default_route,
                    family=family.socket,
                    table=MARK,
                    type="unreachable",
                    priority=_LAST_METRIC,
                ),
            ),
            _Piece(
                "default route of the egress table",
                lambda: self._has_route(MARK, family.default_route, index),
                lambda: netlink.route(
                    "replace",
                    dst=family.default_route,
                    family=family.socket,
                    gateway=str(self._bridge),
                    oif=index,
                    table=MARK,
                    flags=_RTNH_ONLINK,
                ),
            ),
            _Piece(
                "rule for marked packets",
                self._has_rule,
                lambda: netlink.rule("add", family=family.socket, fwmark=MARK, table=MARK, priority=_RULE_PRIORITY),
            ),
            self._sysctl(self._pod_namespace, family.forwarding, "1"),
            *(self._sysctl(self._pod_namespace, f"netfilter/nf_conntrack_{name}", value) for name, value in _TIMEOUTS),
        )

    def _node_pieces(self, pod_index: int, index: int, uplink: Uplink) -> tuple[_Piece, ...]:
        netlink, namespace, family = self._node, self._node_namespace, self._family
        source = str(self._source)
        return (
            *self._link_settings(namespace, self._name),
            # Strict, RFC 3704 §2.2: from this pod the node takes EGRESS_SOURCE only, and no IPv4 if that is IPv6.
            self._sysctl(namespace, f"ipv4/conf/{self._name}/rp_filter", "1"),
            *self._proxy_settings(uplink),
            # The kernel delays proxied answers by up to 0.8 s otherwise.
            self._sysctl(namespace, f"{family.sysctl}/neigh/{uplink.name}/proxy_delay", "0"),
            self._address(netlink, index, str(self._bridge), "node"),
            self._up(netlink, index, self._name),
            *self._far_end(netlink, index, self._source, lambda: self._mac(self._pod, pod_index), "node"),
            _Piece(
                "node's route to the pod",
                lambda: self._route_leads_to(index),
                lambda: netlink.route(
                    "replace", dst=family.host(self._source), family=family.socket, oif=index, scope=_RT_SCOPE_LINK
                ),
            ),
            # Last: from here on the LAN sends packets to this node.
            _Piece(
                "proxy ARP entry" if family is IPV4 else "proxy NDP entry",
                lambda: self._is_proxied(uplink),
                lambda: netlink.neigh(
                    "replace",
                    dst=source,
                    ifindex=uplink.index,
                    flags=_NTF_PROXY,
                    state=_NUD_PERMANENT,
                    family=family.socket,
                ),
            ),
        )

    def _link_settings(self, namespace: Namespace, name: str) -> tuple[_Piece, ...]:
        if self._family is IPV4:
            # Without IPv6 on the link nothing but ARP and the guarded IPv4 ever crosses it.
            return (self._sysctl(namespace, f"ipv6/conf/{name}/disable_ipv6", "1"),)
        return (
            # 1: IN6_ADDR_GEN_MODE_NONE, no link-local address.
            self._sysctl(namespace, f"ipv6/conf/{name}/addr_gen_mode", "1"),
            self._sysctl(namespace, f"ipv6/conf/{name}/accept_ra", "0"),
            self._sysctl(namespace, f"ipv6/conf/{name}/disable_ipv6", "0"),
        )

    def _proxy_settings(self, uplink: Uplink) -> tuple[_Piece, ...]:
        namespace = self._node_namespace
        if self._guard is None:
            return (
                self._sysctl(namespace, f"ipv4/conf/{self._name}/forwarding", "1"),
                self._sysctl(namespace, f"ipv4/conf/{uplink.name}/forwarding", "1"),
            )
        return (
            _Piece("node's guard", self._guard.is_intact, self._guard.load),
            self._sysctl(namespace, f"ipv6/conf/{uplink.name}/proxy_ndp", "1"),
        )

    def _far_end(
        self, netlink: Any, index: int, address: Address, mac: Callable[[], str], side: str
    ) -> tuple[_Piece, ...]:
        """How one end of an IPv6 link reaches the other without asking."""
        if self._family is IPV4:
            return ()

        def is_there() -> bool:
            entry = self._neighbour(netlink, address, index, 0)
            return entry is not None and bool(entry["state"] & _NUD_PERMANENT) and entry.get_attr("NDA_LLADDR") == mac()

        def put() -> None:
            netlink.neigh(
                "replace",
                dst=str(address),
                lladdr=mac(),
                ifindex=index,
                state=_NUD_PERMANENT,
                family=self._family.socket,
            )

        return (_Piece(f"{side}'s neighbour {address}", is_there, put),)

    @staticmethod
    def _sysctl(namespace: Namespace, name: str, value: str) -> _Piece:
        def is_there() -> bool:
            try:
                return namespace.read_sysctl(name) == value
            except FileNotFoundError:
                # A kernel without IPv6 has nothing to disable.
                return name.startswith("ipv6/")

        return _Piece(name, is_there, lambda: namespace.write_sysctl(name, value))

    def _address(self, netlink: Any, index: int, address: str, side: str) -> _Piece:
        family = self._family
        # Duplicate address detection on a link with two ends, both ours, would only delay it.
        flags = {} if family is IPV4 else {"flags": _IFA_F_NODAD}
        return _Piece(
            f"{side}'s address {address}",
            lambda: any(
                a.get_attr("IFA_ADDRESS") == address for a in netlink.get_addr(family=family.socket, index=index)
            ),
            lambda: netlink.addr(
                "replace", index=index, address=address, prefixlen=family.bits, family=family.socket, **flags
            ),
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
            route = self._node.route("get", dst=str(self._source), family=self._family.socket)[0]
            return bool(route.get_attr("RTA_OIF") == index)
        except NetlinkError as error:
            if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                return False
            raise

    def _has_route(self, table: int, destination: str, index: int | None) -> bool:
        """Whether the pod's table has the route by that interface; for None, the unreachable one."""
        network = ip_network(destination)
        for route in self._pod.get_routes(family=self._family.socket, table=table):
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
            for rule in self._pod.get_rules(family=self._family.socket)
        )

    def _is_proxied(self, uplink: Uplink) -> bool:
        return self._neighbour(self._node, self._source, uplink.index, _NTF_PROXY) is not None

    def _neighbour(self, netlink: Any, address: Address, index: int, flags: int) -> Any | None:
        try:
            return netlink.neigh("get", dst=str(address), ifindex=index, flags=flags, family=self._family.socket)[0]
        except NetlinkError as error:
            if error.code == errno.ENOENT:
                return None
            raise

    @staticmethod
    def _mac(netlink: Any, index: int) -> str:
        return str(netlink.link("get", index=index)[0].get_attr("IFLA_ADDRESS"))

    def _named_uplink(self) -> Uplink:
        name = self._wanted_uplink or ""
        link = self._link(self._node, name)
        if link is None:
            raise ConfigError(f"EGRESS_UPLINK={name!r} is not usable: this node has no interface of that name.")
        addresses = [address for index, address in self._addresses() if index == link["index"]]
        nearest = [address for address in addresses if self._source in address.network] or addresses
        return self._describe(link, nearest[0].ip if nearest else None)

    def _connected_uplink(self) -> Uplink:
        found: list[tuple[int, Any, Address]] = []
        for index, address in self._addresses():
            if self._source in address.network and address.network.prefixlen < self._family.bits:
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

    def _addresses(self) -> list[tuple[int, IPv4Interface | IPv6Interface]]:
        """The node's own addresses with the indexes of their interfaces."""
        return [
            (
                int(address["index"]),
                ip_interface(
                    f"{address.get_attr('IFA_LOCAL') or address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}"
                ),
            )
            for address in self._node.get_addr(family=self._family.socket)
        ]

    @staticmethod
    def _describe(link: Any, address: Address | None) -> Uplink:
        mac = bytes.fromhex((link.get_attr("IFLA_ADDRESS") or "").replace(":", ""))
        name = link.get_attr("IFLA_IFNAME")
        if len(mac) != 6:
            raise ConfigError(
                f"EGRESS_UPLINK={name!r} is not usable: only Ethernet interfaces can answer for EGRESS_SOURCE."
            )
        connected = bool(link["flags"] & _IFF_LOWER_UP)
        return Uplink(link["index"], name, mac, link.get_attr("IFLA_MTU"), address, connected)
