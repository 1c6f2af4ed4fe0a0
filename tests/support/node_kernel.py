# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node's answers about its interfaces, written by pyroute2, which the router doesn't use.

For what not every kernel has, such as teams and Open vSwitch.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from egress_router.netlink import NetlinkError
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

_MESSAGE_HEADER = 16
_GET_ADDRESS = 22
_UP = 0x11043


@dataclass(frozen=True)
class Device:
    """One interface of a node, as ip-link(8) shows it.

    ``parent``: what a VLAN is on, or a veth's other end. ``is_apart``: that one is in another network namespace.
    ``address`` with its prefix.
    """

    index: int
    name: str
    kind: str | None = None
    master: int | None = None
    parent: int | None = None
    address: str | None = None
    is_apart: bool = False

    def link(self) -> ifinfmsg:
        attributes: list[list[Any]] = [["IFLA_IFNAME", self.name], ["IFLA_ADDRESS", f"02:00:00:00:00:{self.index:02x}"]]
        attributes += [["IFLA_MTU", 1500 + self.index]]
        for name, value in (("IFLA_MASTER", self.master), ("IFLA_LINK", self.parent)):
            attributes += [] if value is None else [[name, value]]
        attributes += [["IFLA_LINK_NETNSID", 0]] if self.is_apart else []
        if self.kind is not None:
            attributes.append(["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", self.kind]]}])
        message = ifinfmsg()
        message.update({"index": self.index, "flags": _UP, "ifi_type": 1, "attrs": attributes})
        return message

    def addresses(self) -> Iterator[ifaddrmsg]:
        if self.address is not None:
            address, _slash, length = self.address.partition("/")
            message = ifaddrmsg()
            values = [["IFA_ADDRESS", address], ["IFA_LOCAL", address]]
            head = {"family": socket.AF_INET, "index": self.index, "prefixlen": int(length)}
            message.update({**head, "attrs": values})
            yield message


class Kernel:
    """A node's answers to rtnetlink's requests, instead of the router's socket."""

    def __init__(self, devices: tuple[Device, ...]) -> None:
        self._devices = devices

    def set_option(self, *_option: int) -> None:
        """An option of the socket, which these answers don't need."""

    def ask(self, kind: int, body: bytes, _flags: int) -> Iterator[memoryview]:
        if kind == _GET_ADDRESS:
            answers = [message for device in self._devices for message in device.addresses()]
        else:
            length = struct.pack("=I", _MESSAGE_HEADER + len(body))
            asked = ifinfmsg(length + bytes(_MESSAGE_HEADER - len(length)) + body)
            asked.decode()
            answers = [device.link() for device in self._asked_for(asked)]
            if not answers and asked.get_attr("IFLA_MASTER") is None:
                raise NetlinkError(errno.ENODEV, "No such device")
        for answer in answers:
            answer.encode()
            yield memoryview(bytes(answer.data)[_MESSAGE_HEADER:])

    def _asked_for(self, asked: ifinfmsg) -> Iterable[Device]:
        """Of a dump all, as kernels that know no filter give."""
        if asked.get_attr("IFLA_MASTER") is not None:
            return self._devices
        wanted = asked["index"] or asked.get_attr("IFLA_IFNAME")
        return [device for device in self._devices if wanted in (device.index, device.name)]
