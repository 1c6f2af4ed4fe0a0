# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Links, addresses, routes, rules and neighbours of a network namespace (rtnetlink(7)).

As much of it as the router needs, by the names that pyroute2 gives it: the library itself would take more memory than
all the rest of the router.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

from egress_router import netlink
from egress_router.netlink import attribute, attributes

_ROUTE: Final = 0
_SOL_NETLINK, _GET_STRICT_CHECK = 270, 12
_EXCLUSIVE, _CREATE, _REPLACE = 0x200, 0x400, 0x100
_CHANGES: Final = {"add": _CREATE | _EXCLUSIVE, "replace": _CREATE | _REPLACE, "set": 0, "del": 0}

_UP, _NO_ARP = 0x1, 0x80
_TO_TABLE: Final = 1
_MAIN_TABLE: Final = 254
_PERMANENT: Final = 0x80
_BY_ADMINISTRATOR: Final = 4
_TYPES: Final = {"unicast": 1, "unreachable": 7}
_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE = 24, 25, 26
_NEW_NEIGHBOUR, _DELETE_NEIGHBOUR, _GET_NEIGHBOUR = 28, 29, 30
_NEW_RULE, _DELETE_RULE, _GET_RULE = 32, 33, 34
_MASTER: Final = 10
_LINK_INFORMATION, _INFORMATION_KIND, _INFORMATION_DATA, _VETH_PEER, _NAMESPACE = 18, 1, 2, 1, 28

Read = Callable[[memoryview], Any]


class Message(dict[str, Any]):
    """The fields of a message's header; its attributes by ``get_attr``."""

    def __init__(self, fields: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self._values = values

    def get_attr(self, name: str) -> Any:
        """An attribute by the kernel's name, None if it isn't there."""
        return self._values.get(name)


@dataclass(frozen=True)
class _Format:
    """How one kind of message is read. ``known``: the names of its attributes, and how to read each, by number."""

    header: struct.Struct
    fields: tuple[str, ...]
    known: Mapping[int, tuple[str, Read]]

    def read(self, body: memoryview) -> Message:
        found = attributes(body[netlink.aligned(self.header.size) :])
        values = {
            self.known[kind][0]: self.known[kind][1](value) for kind, value in found.items() if kind in self.known
        }
        return Message(dict(zip(self.fields, self.header.unpack_from(body), strict=True)), values)


def kind_of(link: Message) -> str | None:
    """Of a link by its driver, such as ``bridge``; None for most network cards."""
    information = link.get_attr("IFLA_LINKINFO")
    kind: str | None = information.get_attr("IFLA_INFO_KIND") if information is not None else None
    return kind


def _number(value: memoryview) -> int:
    return int.from_bytes(value, "little" if _IS_LITTLE else "big")


_IS_LITTLE: Final = struct.pack("=H", 1) == b"\1\0"


def _text(value: memoryview) -> str:
    return bytes(value).rstrip(b"\0").decode(errors="replace")


def _ip(value: memoryview) -> str:
    return str(ip_address(bytes(value)))


def _mac(value: memoryview) -> str:
    return bytes(value).hex(":")


def _link_information(value: memoryview) -> Message:
    found = attributes(value)
    return Message({}, {"IFLA_INFO_KIND": _text(found[_INFORMATION_KIND])} if _INFORMATION_KIND in found else {})


def _hops(value: memoryview) -> list[Message]:
    """The next hops of a route that has several."""
    found: list[Message] = []
    while len(value) >= _HOP.header.size:
        (length,) = struct.unpack_from("=H", value)
        if length < _HOP.header.size:
            break
        found.append(_HOP.read(value[:length]))
        value = value[netlink.aligned(length) :]
    return found


_LINK: Final = _Format(
    struct.Struct("=BxHiII"),
    ("family", "ifi_type", "index", "flags", "change"),
    {
        1: ("IFLA_ADDRESS", _mac),
        3: ("IFLA_IFNAME", _text),
        4: ("IFLA_MTU", _number),
        5: ("IFLA_LINK", _number),
        _MASTER: ("IFLA_MASTER", _number),
        _LINK_INFORMATION: ("IFLA_LINKINFO", _link_information),
        37: ("IFLA_LINK_NETNSID", _number),
    },
)
_ADDRESS: Final = _Format(
    struct.Struct("=BBBBI"),
    ("family", "prefixlen", "flags", "scope", "index"),
    {1: ("IFA_ADDRESS", _ip), 2: ("IFA_LOCAL", _ip), 8: ("IFA_FLAGS", _number)},
)
_HOP: Final = _Format(struct.Struct("=HBBi"), ("len", "flags", "hops", "oif"), {5: ("RTA_GATEWAY", _ip)})
_ROUTE_FORMAT: Final = _Format(
    struct.Struct("=BBBBBBBBI"),
    ("family", "dst_len", "src_len", "tos", "table", "proto", "scope", "type", "flags"),
    {
        1: ("RTA_DST", _ip),
        2: ("RTA_SRC", _ip),
        3: ("RTA_IIF", _number),
        4: ("RTA_OIF", _number),
        5: ("RTA_GATEWAY", _ip),
        6: ("RTA_PRIORITY", _number),
        7: ("RTA_PREFSRC", _ip),
        9: ("RTA_MULTIPATH", _hops),
        15: ("RTA_TABLE", _number),
    },
)
_RULE: Final = _Format(
    struct.Struct("=BBBBBBBBI"),
    ("family", "dst_len", "src_len", "tos", "table", "res1", "res2", "action", "flags"),
    {
        1: ("FRA_DST", _ip),
        2: ("FRA_SRC", _ip),
        3: ("FRA_IIFNAME", _text),
        6: ("FRA_PRIORITY", _number),
        10: ("FRA_FWMARK", _number),
        15: ("FRA_TABLE", _number),
        17: ("FRA_OIFNAME", _text),
    },
)
_NEIGHBOUR: Final = _Format(
    struct.Struct("=BxxxiHBB"),
    ("family", "ifindex", "state", "flags", "ndm_type"),
    {1: ("NDA_DST", _ip), 2: ("NDA_LLADDR", _mac)},
)


class RouteNetlink:
    """A connection into the network namespace in which it was made; for one thread at a time.

    All raise ``netlink.NetlinkError`` with the kernel's error number.
    """

    def __init__(self) -> None:
        """Raise OSError."""
        self._socket = netlink.NetlinkSocket(_ROUTE)
        # So that the kernel sends what was asked for, and not all that there is of a kind.
        with suppress(OSError):
            self._socket.set_option(_SOL_NETLINK, _GET_STRICT_CHECK, 1)

    def __enter__(self) -> RouteNetlink:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def get_links(self, *, master: int) -> list[Message]:
        """The links that are ports of another."""
        found = self._dump(_LINK, _GET_LINK, _LINK.header.pack(0, 0, 0, 0, 0) + attribute(_MASTER, _u32(master)))
        return [link for link in found if link.get_attr("IFLA_MASTER") == master]

    def get_addr(self, *, family: int, index: int = 0) -> list[Message]:
        """The addresses of one family, of one link if ``index`` isn't 0."""
        found = self._dump(_ADDRESS, _GET_ADDRESS, _ADDRESS.header.pack(family, 0, 0, 0, index))
        return [address for address in found if index in (0, address["index"])]

    def get_routes(self, *, family: int, table: int) -> list[Message]:
        """The routes of one table."""
        header = _ROUTE_FORMAT.header.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        try:
            found = self._dump(_ROUTE_FORMAT, _GET_ROUTE, header + attribute(15, _u32(table)))
        except netlink.NetlinkError as error:
            # A table without a route is none.
            if error.code == errno.ENOENT:
                return []
            raise
        return [route for route in found if (route.get_attr("RTA_TABLE") or route["table"]) == table]

    def get_rules(self, *, family: int) -> list[Message]:
        """The rules that choose a table."""
        return self._dump(_RULE, _GET_RULE, _RULE.header.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))

    def find_link(self, name: str) -> Message | None:
        """The link of that name, if there is one."""
        try:
            return self.link("get", ifname=name)[0]
        except netlink.NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise

    def link(self, command: str, **given: Any) -> list[Message]:
        """``add`` a veth, ``get``, ``set`` or ``del`` a link, by ``index`` or ``ifname``."""
        flags = {"up": _UP}.get(given.get("state", ""), 0) | {"off": _NO_ARP}.get(given.get("arp", ""), 0)
        changed = (_UP if "state" in given else 0) | (_NO_ARP if "arp" in given else 0)
        header = _LINK.header.pack(0, 0, given.get("index", 0), flags, changed)
        body = header + _link_attributes(given)
        if command == "get":
            return [_LINK.read(answer) for answer in self._socket.ask(_GET_LINK, body, 0)]
        if "kind" in given:
            body += _link_kind(given["kind"], given["peer"])
        self._change(_DELETE_LINK if command == "del" else _NEW_LINK, body, command)
        return []

    def addr(self, command: str, *, index: int, address: str, prefixlen: int, family: int, flags: int = 0) -> None:
        """``add`` or ``replace`` an address of a link."""
        packed = ip_address(address).packed
        body = _ADDRESS.header.pack(family, prefixlen, flags, 0, index)
        self._change(_NEW_ADDRESS, body + attribute(2, packed) + attribute(1, packed), command)

    def route(self, command: str, *, dst: str, family: int, **given: Any) -> list[Message]:
        """``get`` the route to an address, or ``add``, ``replace`` or ``del`` one."""
        to = ip_network(dst)
        table = given.get("table", _MAIN_TABLE)
        kind, in_header = _TYPES[given.get("type", "unicast")], table if table < 256 else 0
        by = given.get("protocol", 0 if command in ("get", "del") else _BY_ADMINISTRATOR)
        if command == "get":
            kind, in_header = 0, 0
        fields = (family, to.prefixlen, 0, 0, in_header, by, given.get("scope", 0), kind, given.get("flags", 0))
        if "src" in given:
            fields = (*fields[:2], to.max_prefixlen, *fields[3:])
        body = _ROUTE_FORMAT.header.pack(*fields) + _route_attributes(to.network_address.packed, given)
        if command == "get":
            return [_ROUTE_FORMAT.read(answer) for answer in self._socket.ask(_GET_ROUTE, body, 0)]
        if table >= 256:
            body += attribute(15, _u32(table))
        self._change(_DELETE_ROUTE if command == "del" else _NEW_ROUTE, body, command)
        return []

    def rule(self, command: str, *, family: int, table: int, priority: int, fwmark: int) -> None:
        """``add`` or ``del`` a rule that chooses a table for marked packets."""
        body = _RULE.header.pack(family, 0, 0, 0, table if table < 256 else 0, 0, 0, _TO_TABLE, 0)
        body += attribute(6, _u32(priority)) + attribute(10, _u32(fwmark)) + attribute(15, _u32(table))
        self._change(_DELETE_RULE if command == "del" else _NEW_RULE, body, command)

    def neigh(self, command: str, *, dst: str, ifindex: int, family: int, **given: Any) -> list[Message]:
        """``get``, ``add``, ``replace`` or ``del`` a neighbour, or with a flag a proxy entry."""
        state = 0 if command == "get" else given.get("state", _PERMANENT)
        body = _NEIGHBOUR.header.pack(family, ifindex, state, given.get("flags", 0), 0)
        body += attribute(1, ip_address(dst).packed)
        if "lladdr" in given:
            body += attribute(2, bytes.fromhex(given["lladdr"].replace(":", "")))
        if command == "get":
            return [_NEIGHBOUR.read(answer) for answer in self._socket.ask(_GET_NEIGHBOUR, body, 0)]
        self._change(_DELETE_NEIGHBOUR if command == "del" else _NEW_NEIGHBOUR, body, command)
        return []

    def _dump(self, kind: _Format, number: int, body: bytes) -> list[Message]:
        return [kind.read(answer) for answer in self._socket.ask(number, body, netlink.DUMP)]

    def _change(self, number: int, body: bytes, command: str) -> None:
        for _answer in self._socket.ask(number, body, netlink.ACK | _CHANGES[command]):
            pass


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)


def _link_attributes(given: Mapping[str, Any]) -> bytes:
    makers: Iterable[tuple[str, int, Callable[[Any], bytes]]] = (
        ("address", 1, lambda mac: bytes.fromhex(mac.replace(":", ""))),
        ("ifname", 3, lambda name: name.encode() + b"\0"),
        ("mtu", 4, _u32),
        ("net_ns_fd", _NAMESPACE, _u32),
    )
    return b"".join(attribute(number, make(given[name])) for name, number, make in makers if name in given)


def _link_kind(kind: str, peer: Mapping[str, Any]) -> bytes:
    """A veth's kind and other end."""
    other = _LINK.header.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _link_attributes(peer)
    data = attribute(_INFORMATION_DATA, attribute(_VETH_PEER, other))
    return attribute(_LINK_INFORMATION, attribute(_INFORMATION_KIND, kind.encode()) + data)


def _route_attributes(to: bytes, given: Mapping[str, Any]) -> bytes:
    made = attribute(1, to)
    for name, number in (("src", 2), ("gateway", 5)):
        if name in given:
            made += attribute(number, ip_address(given[name]).packed)
    for name, number in (("iif", 3), ("oif", 4), ("priority", 6), ("mark", 16)):
        if name in given:
            made += attribute(number, _u32(given[name]))
    return made
