# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What becomes of the count of source ports when the kernel can't be asked for a moment."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ipaddress import ip_address
from threading import Event

import pytest
from egress_router import port_use
from egress_router.config import Protocol
from egress_router.conntrack import Connection, Remote
from egress_router.family import IPV4, Family

CLIENT, SOURCE = ip_address("10.244.1.2"), ip_address("10.70.112.155")
REMOTE = Remote(Protocol.TCP, ip_address("10.10.10.200"), 80)
CONNECTION = Connection(Protocol.TCP, CLIENT, 40000, 80, REMOTE, True)


class ShortOfMemory:
    """The kernel's connections, of which there are too many, after one answer that it has no room for another."""

    def __init__(self, _family: Family) -> None:
        self._asked = 0

    def entries(self) -> int:
        self._asked += 1
        if self._asked == 1:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return port_use.SOURCE_PORTS

    def connections(self) -> Iterator[Connection]:
        return iter([CONNECTION] * port_use.SOURCE_PORTS)


def test_what_failed_once_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_use, "Conntrack", ShortOfMemory)
    monkeypatch.setattr(port_use, "_EACH", 0.01)
    changed = Event()
    use = port_use.PortUse(IPV4, SOURCE, changed.set)

    use.start()
    try:
        assert changed.wait(30)
        assert (use.problem() or "").startswith(
            "PortsExhausted: more than 90% of the 64512 source ports of 10.70.112.155"
        )
    finally:
        use.stop()
