# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Connection tracking of a network namespace, as the kernel tells it (ctnetlink)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from egress_router import netlink
from egress_router.config import Protocol
from egress_router.family import IPV4, Address, Family

# linux/netfilter/nfnetlink_conntrack.h; the subsystem is the upper byte of a message's type.
_GET: Final = 1 << 8 | 1
_GET_CPU_STATISTICS: Final = 1 << 8 | 4
_GET_STATISTICS: Final = 1 << 8 | 5
_ORIGINAL, _REPLY, _STATUS, _PROTOCOL_INFO = 1, 2, 3, 4
_IP, _PROTOCOL = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_TCP, _TCP_STATE = 1, 1
_ENTRIES, _MOST_ENTRIES = 1, 2
_FAILURES: Final = {"insert_failed": 9, "drop": 10, "early_drop": 11}
# linux/netfilter/nf_conntrack_common.h, nf_conntrack_tcp.h: SYN_RECV to CLOSE_WAIT.
_REDIRECTED: Final = 1 << 5
_OPEN: Final = range(2, 6)
_PROTOCOLS: Final = {6: Protocol.TCP, 17: Protocol.UDP}


@dataclass(frozen=True)
class Remote:
    """Where connections lead: what source ports are counted by."""

    protocol: Protocol
    address: Address
    port: int


@dataclass(frozen=True)
class Connection:
    """A redirected one. ``is_open``: a TCP connection that has neither ended nor been reset."""

    protocol: Protocol
    client: Address
    client_port: int
    served_port: int
    remote: Remote
    is_open: bool


@dataclass(frozen=True)
class Statistics:
    """Entries, how many there may be, and by reason how many the kernel could not make or threw away early."""

    entries: int
    limit: int
    failures: dict[str, int]


class Conntrack:
    """The entries of the namespace in which this is made; for one thread at a time."""

    def __init__(self, family: Family) -> None:
        """Raise OSError."""
        self._family = family
        self._socket = netlink.NetlinkSocket(netlink.NETFILTER)

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def statistics(self) -> Statistics:
        """Costs the same however many entries there are; raise OSError."""
        told = [netlink.attributes(body[4:]) for body in self._socket.ask(_GET_STATISTICS, bytes(4), 0)]
        failures = dict.fromkeys(_FAILURES, 0)
        for body in self._socket.ask(_GET_CPU_STATISTICS, bytes(4), netlink.DUMP):
            of_cpu = netlink.attributes(body[4:])
            for reason, kind in _FAILURES.items():
                failures[reason] += _number(of_cpu.get(kind))
        return Statistics(_number(told[0].get(_ENTRIES)), _number(told[0].get(_MOST_ENTRIES)), failures)

    def entries(self) -> int:
        """How many there are; raise OSError."""
        for body in self._socket.ask(_GET_STATISTICS, bytes(4), 0):
            return _number(netlink.attributes(body[4:]).get(_ENTRIES))
        return 0

    def connections(self) -> Iterator[Connection]:
        """All redirected ones: costs some 20 microseconds for each entry; raise OSError."""
        for body in self._socket.ask(_GET, bytes([self._family.socket, 0, 0, 0]), netlink.DUMP):
            found = netlink.attributes(body[4:])
            if _number(found.get(_STATUS)) & _REDIRECTED:
                connection = self._connection(found)
                if connection is not None:
                    yield connection

    def _connection(self, found: dict[int, memoryview]) -> Connection | None:
        original, reply = netlink.attributes(found[_ORIGINAL]), netlink.attributes(found[_REPLY])
        from_client, from_remote = (netlink.attributes(side[_PROTOCOL]) for side in (original, reply))
        protocol = _PROTOCOLS.get(from_client[_NUMBER][0])
        if protocol is None:
            return None
        remote = Remote(protocol, self._source(reply[_IP]), _number(from_remote[_SOURCE_PORT]))
        return Connection(
            protocol,
            self._source(original[_IP]),
            _number(from_client[_SOURCE_PORT]),
            _number(from_client[_DESTINATION_PORT]),
            remote,
            _tcp_state(found.get(_PROTOCOL_INFO)) in _OPEN,
        )

    def _source(self, addresses: memoryview) -> Address:
        """The first of two addresses of one length."""
        if self._family is IPV4:
            return IPv4Address(bytes(addresses[4:8]))
        return IPv6Address(bytes(addresses[4:20]))


def _number(value: memoryview | None) -> int:
    return 0 if value is None else int.from_bytes(value, "big")


def _tcp_state(info: memoryview | None) -> int:
    tcp = None if info is None else netlink.attributes(info).get(_TCP)
    state = None if tcp is None else netlink.attributes(tcp).get(_TCP_STATE)
    return 0 if state is None else struct.unpack_from("B", state)[0]
