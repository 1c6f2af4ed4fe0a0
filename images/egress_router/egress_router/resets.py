# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Ends what is left of the clients' TCP connections, so that they see an error at once instead of a time-out.

A reset counts only with the sequence number that the client expects next (RFC 5961 §3), which nobody but the client
knows. So each client gets a segment that fits nowhere, which it answers with that number, and the rule set, which
by then rejects all segments of clients, makes the reset of the answer.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Final

from egress_router.conntrack import Connection, Conntrack
from egress_router.family import Address, Family
from egress_router.ruleset import UNTRACKED_MARK

# Seconds. A client answers such segments twice a second at most.
_ROUNDS: Final = 3
_BETWEEN: Final = 0.6
_ACKNOWLEDGEMENT: Final = 0x10


def is_used(family: Family) -> bool:
    """Whether a connection of a client has not ended; raise OSError."""
    with closing(Conntrack(family)) as conntrack:
        return any(connection.is_open for connection in conntrack.connections())


def _open_connections(family: Family) -> list[Connection]:
    """Those of clients that have not ended; raise OSError."""
    with closing(Conntrack(family)) as conntrack:
        return [connection for connection in conntrack.connections() if connection.is_open]


def reset(family: Family, pod: Address) -> int:
    """Provoke every client until none is left or three rounds are over; how many connections there were."""
    left = first = _open_connections(family)
    for _round in range(_ROUNDS):
        if not left:
            break
        _provoke(left, family, pod)
        end = time.monotonic() + _BETWEEN
        while left and time.monotonic() < end:
            time.sleep(0.05)
            left = _open_connections(family)
    return len(first)


def _provoke(connections: Iterable[Connection], family: Family, pod: Address) -> None:
    with socket.socket(family.socket, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, UNTRACKED_MARK)
        for connection in connections:
            # A client that can't be reached any more has nothing to be told.
            with suppress(OSError):
                raw.sendto(_misfit(connection, pod), (str(connection.client), 0))


def _misfit(connection: Connection, pod: Address) -> bytes:
    """An acknowledgement of nothing by a segment from nowhere."""
    ports = (connection.served_port, connection.client_port)
    segment = struct.pack("!HHIIBBHHH", *ports, 0, 0, 5 << 4, _ACKNOWLEDGEMENT, 0, 0, 0)
    client = connection.client.packed
    summed = pod.packed + client + struct.pack("!II", len(segment), socket.IPPROTO_TCP) + segment
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    segment = segment[:16] + struct.pack("!H", ~total & 0xFFFF) + segment[18:]
    if pod.version == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + pod.packed + client + segment
    return struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + pod.packed + client + segment
