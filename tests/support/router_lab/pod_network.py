# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What crosses the pod network's side of an egress pod."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from tests.support.capture import inside, packet
from tests.support.meanwhile import meanwhile

ETH_P_ALL = 0x0003


@dataclass
class PodNetwork:
    """Addresses of the packets seen at the client's end of the pod's interface."""

    sources: Counter[str] = field(default_factory=Counter)
    destinations: Counter[str] = field(default_factory=Counter)


@contextmanager
def capture_at(namespace: str) -> Iterator[PodNetwork]:
    """What crosses a client's eth0 while the block runs."""
    seen = PodNetwork()
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind(("eth0", ETH_P_ALL))
    wire.settimeout(0.1)

    def look() -> None:
        with suppress(TimeoutError):
            found = packet(wire.recv(2048))
            if found is not None:
                seen.sources[str(ip_address(found.source))] += 1
                seen.destinations[str(ip_address(found.destination))] += 1

    with wire, meanwhile(look):
        yield seen
