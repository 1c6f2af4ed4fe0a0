# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The link of an egress pod to the outside LAN: a veth whose frames the node passes to its uplink and back.

The end in the pod has EGRESS_SOURCE and the uplink's MAC address, so the pod is a station of the LAN beside its node:
its kernel answers for the address and finds the gateway by itself. The end on the node has no address at all; the
node's table (``relay_rules``) takes frames from it and brings them to it. A routed EGRESS_SOURCE is on no LAN: the end
in the pod has no neighbours and asks for none.

All that the node gets is bound to the veth: when the pod's network namespace goes, the kernel removes the veth, and
nothing answers for the address any more. Nothing has to run for that to happen.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from egress_router.config import Config
from egress_router.digest import sha256_hex
from egress_router.family import IPV4, IPV6, Address
from egress_router.namespace import Namespace
from egress_router.netlink import NetlinkError
from egress_router.relay import RelayTables, remove_orphans
from egress_router.relay_rules import Relay
from egress_router.routes import destination, hops
from egress_router.ruleset import EGRESS_INTERFACE, MARK
from egress_router.uplink import Uplink
from egress_router.ways import Way, gateway_of, next_hops

# linux/if.h, linux/rtnetlink.h
_IFF_UP, _IFF_NOARP = 0x1, 0x80
_RT_SCOPE_LINK: Final = 253
_RTN_UNREACHABLE: Final = 7
_RTNH_ONLINK: Final = 4
# linux/if_addr.h: no duplicate address detection.
_IFA_F_NODAD: Final = 0x02

_RULE_PRIORITY: Final = 100
# Seconds. A half-closed connection is kept for as long as kube-proxy keeps it; RFC 4787 §4.3 has a datagram's answer
# wait for two minutes at least.
_TIMEOUTS: Final = (("tcp_timeout_close_wait", "3600"), ("udp_timeout", "120"), ("udp_timeout_stream", "120"))
# Behind every other route of the table, and after the main table could never be asked.
_LAST_METRIC: Final = 0xFF000000
# The last of the settings, in this order: the table by which the LAN is met, and the rule by which clients get out.
_RELAY_AND_RULE: Final = 2

log = logging.getLogger(__name__)


class LinkError(OSError):
    """The pod's or the node's side is not in a state in which the router can work; the text says what."""


@dataclass(frozen=True)
class _Piece:
    """One setting of the data path: how to see that it is there, how to put it there."""

    name: str
    is_there: Callable[[], bool]
    put: Callable[[], object]


@dataclass(frozen=True)
class Path:
    """What the link is to be: by which uplink, by which ways, to which destinations.

    ``entrances``: names of other interfaces by which packets to a routed source may come.
    """

    uplink: Uplink
    ways: tuple[Way, ...]
    destinations: frozenset[Address]
    entrances: tuple[str, ...] = ()


def host_interface_name(source: Address) -> str:
    """Name of the veth's end on the node; one per address, so the node's kernel refuses a second holder of its own."""
    return "av" + sha256_hex(source.packed)[:8]


class Link:
    """The veth between the pod and the node with all that belongs to it on both sides."""

    def __init__(self, config: Config, pod: Namespace, node: Namespace) -> None:
        self._family = config.family
        self._source = config.source
        self._is_routed = config.is_routed
        self._name = host_interface_name(config.source)
        self._pod_namespace = pod
        self._node_namespace = node
        self._pod = pod.netlink()
        # Kept for withdrawal and repair: both need a way into the node's namespace.
        self._node = node.netlink()
        self._relay = RelayTables(node, self._name)

    def is_held(self) -> bool:
        """Whether the veth is there, is this pod's own, and the node passes frames between it and the LAN."""
        return self._ends() is not None and self._relay.is_there()

    def is_taken(self) -> bool:
        """Whether another pod of this node holds the address, such as one that is terminating."""
        return self._node.find_link(self._name) is not None and self._ends() is None

    def refusal(self, path: Path) -> str | None:
        """What the node's kernel says if it can't pass frames so; nothing is changed by asking."""
        return self._relay.refusal(self._relay_for(path))

    def plug(self, uplink: Uplink) -> None:
        """Make the veth anew; raise ``LinkError`` if another pod of this node was faster."""
        self._remove(self._pod, EGRESS_INTERFACE)
        peer = {"ifname": EGRESS_INTERFACE, "mtu": uplink.mtu, "net_ns_fd": self._pod_namespace.fd}
        try:
            self._node.link("add", ifname=self._name, kind="veth", mtu=uplink.mtu, peer=peer)
        except NetlinkError as error:
            if error.code == errno.EEXIST:
                raise LinkError(f"another pod on this node has just taken {self._source}") from error
            raise

    def prepare(self, path: Path) -> None:
        """Put everything in place but what meets the LAN and what lets clients out."""
        self._put(self._pieces(path)[:-_RELAY_AND_RULE])

    def join(self, path: Path) -> None:
        """Meet the LAN: from here on its stations find the address here. Clients are not let out yet."""
        self._put(self._pieces(path)[:-1])

    def rehearse(self, path: Path) -> None:
        """Put in place what frames pass, and nothing else: the pod has no address, so it answers for none."""
        index, node_index = self._both_ends()
        self._put((*self._ends_of(path, index, node_index), self._relay_piece(path)))

    def repair(self, path: Path) -> list[str]:
        """Put every missing setting in place, in an order in which no packet can go astray; the names of those put."""
        return self._put(self._pieces(path))

    def index(self) -> int:
        """Of the link's end in the pod; raise ``LinkError`` if it is gone."""
        return self._both_ends()[0]

    def node_index(self) -> int | None:
        """Of the link's end on the node, if this pod has it."""
        ends = self._ends()
        return None if ends is None else ends[1]

    def withdraw(self) -> None:
        """Give the address up: no more answers for it, then no way to it. Does nothing to another pod's."""
        if self._ends() is None:
            return
        try:
            self._relay.remove()
        finally:
            # It comes last: from here on another pod of this node may take the address.
            self._remove(self._node, self._name)

    def remove_orphans(self) -> None:
        """Remove what killed pods left at the node's interfaces, of whichever address."""
        try:
            for name in remove_orphans(self._node_namespace, self._node):
                log.info("removed the node's table %s, whose link is gone", name)
        except OSError as error:
            log.warning("what killed pods left on the node is not looked for: %s", error)

    def _pieces(self, path: Path) -> tuple[_Piece, ...]:
        index, node_index = self._both_ends()
        netlink, family = self._pod, self._family
        return (
            *self._ends_of(path, index, node_index),
            self._address(index),
            _Piece("last route of the egress table", self._has_last_route, self._put_last_route),
            _Piece(
                "routes of the egress table",
                lambda: self._routes(index) == set(path.ways),
                lambda: self._put_routes(index, path.ways),
            ),
            self._sysctl(self._pod_namespace, family.forwarding, "1"),
            *(self._sysctl(self._pod_namespace, f"netfilter/nf_conntrack_{name}", value) for name, value in _TIMEOUTS),
            self._relay_piece(path),
            _Piece(
                "rule for marked packets",
                self._has_rule,
                lambda: netlink.rule("add", family=family.socket, fwmark=MARK, table=MARK, priority=_RULE_PRIORITY),
            ),
        )

    def _ends_of(self, path: Path, index: int, node_index: int) -> tuple[_Piece, ...]:
        """The settings of both ends, without any address."""
        netlink, family, uplink, mac = self._pod, self._family, path.uplink, path.uplink.mac.hex(":")
        return (
            # The node has no business on the link: no address of its own, so none to answer for either. A route into
            # it needs IPv6, but no address.
            *self._settings(self._node_namespace, self._name, ipv6=self._is_routed and family is IPV6),
            *self._length(self._node, node_index, self._name, uplink.mtu),
            self._up(self._node, node_index, self._name),
            *self._settings(self._pod_namespace, EGRESS_INTERFACE, ipv6=family is IPV6),
            # Replies come from addresses that the main table expects behind the pod's interface: loose, RFC 3704 §2.4.
            self._sysctl(self._pod_namespace, f"ipv4/conf/{EGRESS_INTERFACE}/rp_filter", "2"),
            _Piece(
                f"MAC address {mac} of uplink {uplink.name}",
                lambda: self._mac(index) == mac,
                lambda: netlink.link("set", index=index, address=mac),
            ),
            *self._length(netlink, index, EGRESS_INTERFACE, uplink.mtu),
            *((self._without_neighbours(index),) if self._is_routed else ()),
            self._up(netlink, index, EGRESS_INTERFACE),
        )

    def _relay_for(self, path: Path) -> Relay:
        return Relay(
            link=self._name,
            uplink=path.uplink.name,
            uplink_index=path.uplink.index,
            mac=path.uplink.mac.hex(":"),
            source=self._source,
            next_hops=() if self._is_routed else next_hops(path.ways, path.destinations),
            gateway=gateway_of(path.ways) if self._is_routed else None,
            entrances=path.entrances,
            ports=path.uplink.ports,
        )

    def _relay_piece(self, path: Path) -> _Piece:
        relay = self._relay_for(path)
        return _Piece("node's tables", lambda: self._relay.is_intact(relay), lambda: self._relay.load(relay))

    @staticmethod
    def _put(pieces: Iterable[_Piece]) -> list[str]:
        put: list[str] = []
        for piece in pieces:
            if not piece.is_there():
                piece.put()
                put.append(piece.name)
        return put

    def _settings(self, namespace: Namespace, name: str, *, ipv6: bool) -> tuple[_Piece, ...]:
        if not ipv6:
            # Without IPv6 on the link nothing but ARP and the guarded IPv4 ever crosses it.
            return (self._sysctl(namespace, f"ipv6/conf/{name}/disable_ipv6", "1"),)
        return (
            # 1: IN6_ADDR_GEN_MODE_NONE, no link-local address.
            self._sysctl(namespace, f"ipv6/conf/{name}/addr_gen_mode", "1"),
            self._sysctl(namespace, f"ipv6/conf/{name}/accept_ra", "0"),
            self._sysctl(namespace, f"ipv6/conf/{name}/disable_ipv6", "0"),
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
    def _length(netlink: Any, index: int, name: str, mtu: int) -> tuple[_Piece, ...]:
        def is_there() -> bool:
            return bool(netlink.link("get", index=index)[0].get_attr("IFLA_MTU") == mtu)

        return (_Piece(f"MTU {mtu} of {name}", is_there, lambda: netlink.link("set", index=index, mtu=mtu)),)

    def _address(self, index: int) -> _Piece:
        netlink, family, address = self._pod, self._family, str(self._source)
        # Detection of duplicates is the router's: the kernel's would take a second.
        flags = {} if family is IPV4 else {"flags": _IFA_F_NODAD}
        return _Piece(
            f"pod's address {address}",
            lambda: any(
                a.get_attr("IFA_ADDRESS") == address for a in netlink.get_addr(family=family.socket, index=index)
            ),
            lambda: netlink.addr(
                "replace", index=index, address=address, prefixlen=family.bits, family=family.socket, **flags
            ),
        )

    def _without_neighbours(self, index: int) -> _Piece:
        """Frames are addressed to the link's end itself, so that the kernel asks nobody; the node's table takes all."""
        return _Piece(
            f"{EGRESS_INTERFACE} without ARP",
            lambda: bool(self._pod.link("get", index=index)[0]["flags"] & _IFF_NOARP),
            lambda: self._pod.link("set", index=index, arp="off"),
        )

    @staticmethod
    def _up(netlink: Any, index: int, name: str) -> _Piece:
        return _Piece(
            f"{name} up",
            lambda: bool(netlink.link("get", index=index)[0]["flags"] & _IFF_UP),
            lambda: netlink.link("set", index=index, state="up"),
        )

    def _both_ends(self) -> tuple[int, int]:
        ends = self._ends()
        if ends is None:
            raise LinkError(f"{EGRESS_INTERFACE} or its peer {self._name} is gone")
        return ends

    def _ends(self) -> tuple[int, int] | None:
        """Interface indexes of the veth in the pod and on the node, if each is the other's peer."""
        pod, node = self._pod.find_link(EGRESS_INTERFACE), self._node.find_link(self._name)
        if pod is None or node is None:
            return None
        pod_index, node_index = int(pod["index"]), int(node["index"])
        peers = (pod.get_attr("IFLA_LINK"), node.get_attr("IFLA_LINK"))
        return (pod_index, node_index) if peers == (node_index, pod_index) else None

    def _remove(self, netlink: Any, name: str) -> None:
        link = netlink.find_link(name)
        if link is not None:
            netlink.link("del", index=link["index"])

    def _mac(self, index: int) -> str:
        return str(self._pod.link("get", index=index)[0].get_attr("IFLA_ADDRESS"))

    def _has_last_route(self) -> bool:
        return any(route["type"] == _RTN_UNREACHABLE and not route["dst_len"] for route in self._table())

    def _put_last_route(self) -> None:
        self._pod.route(
            "replace",
            dst=self._family.default_route,
            family=self._family.socket,
            table=MARK,
            type="unreachable",
            priority=_LAST_METRIC,
        )

    def _routes(self, index: int) -> set[Way]:
        """The egress table's routes by the link."""
        return {
            Way(destination(route, self._family), gateway)
            for route in self._table()
            for oif, gateway in hops(route)
            if oif == index
        }

    def _put_routes(self, index: int, ways: tuple[Way, ...]) -> None:
        for way in ways:
            self._pod.route("replace", **self._route(index, way))
        for way in self._routes(index) - set(ways):
            self._pod.route("del", **self._route(index, way))

    def _route(self, index: int, way: Way) -> dict[str, Any]:
        route = {"dst": str(way.to), "family": self._family.socket, "table": MARK, "oif": index}
        if way.gateway is None:
            return {**route, "scope": _RT_SCOPE_LINK}
        return {**route, "gateway": str(way.gateway), "flags": _RTNH_ONLINK}

    def _table(self) -> Any:
        return self._pod.get_routes(family=self._family.socket, table=MARK)

    def _has_rule(self) -> bool:
        return any(
            rule.get_attr("FRA_FWMARK") == MARK and rule.get_attr("FRA_TABLE") == MARK
            for rule in self._pod.get_rules(family=self._family.socket)
        )
