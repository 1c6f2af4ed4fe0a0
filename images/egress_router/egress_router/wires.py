# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The interfaces that a packet crosses between a node's uplink and the wire, as the kernel tells them.

What leaves by a bridge leaves by one of its ports, what leaves by a VLAN by the interface below. So a packet that
leaves as it should is seen at several interfaces, and it has left only when it was seen at the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from egress_router.rtnetlink import Message, RouteNetlink, kind_of

# By the kind that the kernel names: what hands each packet on to one of its ports, or to the interface below.
_BY_PORTS: Final = frozenset({"bridge", "bond", "team"})
_BY_LOWER: Final = frozenset({"vlan", "macvlan"})
_VETH: Final = "veth"
# An interface of a bridge of Open vSwitch. The kernel doesn't tell its bridges apart: all ports are this one's.
_SWITCH, _SWITCH_PORTS = "openvswitch", "ovs-system"
_KNOWN: Final = _BY_PORTS | _BY_LOWER | {_VETH, _SWITCH}
# Made by a program: where its packets go the kernel doesn't know, as with Open vSwitch outside the kernel.
_PROGRAMS: Final = "tun"
# Nothing leaves a node by these: a queue that hands packets back, and a hole.
_NOWHERE: Final = frozenset({"ifb", "dummy"})


@dataclass(frozen=True)
class Wires:
    """Names of interfaces: ``allowed`` are those that a packet may be seen at, None for all; ``last`` the wire's own.

    ``last`` is the uplink where nothing is known to be below it.
    """

    allowed: frozenset[str] | None
    last: frozenset[str]

    def allows(self, interface: str) -> bool:
        """Whether a packet that leaves as it should may be seen there."""
        return self.allowed is None or interface in self.allowed


def wires_of(netlink: RouteNetlink, index: int) -> Wires:
    """Of the uplink with that index; ``netlink``: into the node's namespace; raise ``NetlinkError``."""
    uplink = _link(netlink, index)
    for floor in _floors(netlink, uplink):
        kind = kind_of(floor)
        if kind == _PROGRAMS or (kind == _SWITCH and netlink.find_link(_SWITCH_PORTS) is None):
            return Wires(None, frozenset({_name(floor)}))
    seen: dict[int, Message] = {index: uplink}
    last: set[str] = set()
    todo = [uplink]
    while todo:
        link = todo.pop()
        below = {each["index"]: each for each in _below(netlink, link)}
        # Other kinds may send packets on as they are, or not: a driver with a helper below, a tunnel, encryption.
        if not below or kind_of(link) not in _KNOWN:
            last.add(_name(link))
        todo += [each for number, each in below.items() if number not in seen]
        seen |= below
    return Wires(frozenset(map(_name, seen.values())), frozenset(last))


def leads_off(netlink: RouteNetlink, name: str) -> bool:
    """Whether what leaves by the interface of that name can leave the node; raise ``NetlinkError``."""
    return kind_of(netlink.link("get", ifname=name)[0]) not in _NOWHERE


def _floors(netlink: RouteNetlink, link: Message) -> Iterator[Message]:
    """The uplink, and what it is on, as a VLAN is on a bridge's own interface."""
    yield link
    while kind_of(link) in _BY_LOWER and (below := list(_below(netlink, link))):
        (link,) = below
        yield link


def _below(netlink: RouteNetlink, link: Message) -> Iterable[Message]:
    """What the interface hands packets to, next."""
    kind, lower = kind_of(link), link.get_attr("IFLA_LINK")
    if kind == _SWITCH:
        ports = netlink.find_link(_SWITCH_PORTS)
        return netlink.get_links(master=ports["index"]) if ports is not None else []
    if kind is None or kind in _BY_PORTS:
        return netlink.get_links(master=link["index"])
    if not lower or link.get_attr("IFLA_LINK_NETNSID") is not None:
        return []
    if kind == _VETH:
        master = _link(netlink, lower).get_attr("IFLA_MASTER")
        return netlink.get_links(master=master) if master else []
    return [_link(netlink, lower)]


def _link(netlink: RouteNetlink, index: int) -> Message:
    return netlink.link("get", index=index)[0]


def _name(link: Message) -> str:
    return str(link.get_attr("IFLA_IFNAME"))
