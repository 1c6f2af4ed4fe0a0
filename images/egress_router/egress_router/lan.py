# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The LAN of a node's uplink, asked who answers for an address there, and whether one station answers for all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Final

from egress_router.arp import Arp
from egress_router.events import HasFileno
from egress_router.family import Address, Network
from egress_router.namespace import Namespace
from egress_router.ndp import Ndp
from egress_router.neighbours import Neighbours, Role
from egress_router.uplink import Uplink

# Alike for both families, the wait in seconds. RFC 5227 §1.1 has 3 probes 1 to 2 s apart; its footnote allows less on
# links known to be fast, and a take-over within a second is asked for here. RFC 4862 §5.1 has one and a wait of 1 s.
PROBES: Final = 3
PROBE_WAIT: Final = 0.15
# Random addresses of the LAN that one station must answer for to be taken for one that answers for all.
_RANDOM_ADDRESSES: Final = 3

Wait = Callable[[float, HasFileno], bool]
"""For seconds, for what can be heard; whether it was."""


def talk_about(address: Address, interface: str, index: int, mac: bytes) -> Neighbours[Any]:
    """What an interface's LAN says about an address; to be called in the interface's namespace; raise OSError."""
    if isinstance(address, IPv4Address):
        return Arp(interface, index, mac, address)
    return Ndp(interface, index, mac, address)


class Lan:
    """The LAN of one uplink."""

    def __init__(self, node: Namespace, uplink: Uplink, wait: Wait) -> None:
        self._node = node
        self._uplink = uplink
        self._wait = wait

    def answers(self, address: Address, times: int = 1, suspect: bytes | None = None) -> bytes | None:
        """The MAC address of a station that answers for an address, ``suspect`` if given; None if none does.

        It is asked as nobody and as the uplink. Who only asks for another as the one that has the address is no answer.
        """
        uplink = self._uplink
        with self._node.entered():
            neighbours = talk_about(address, uplink.name, uplink.index, uplink.mac)
        try:
            for _time in range(times):
                neighbours.probe(uplink.address)
                deadline = time.monotonic() + PROBE_WAIT
                while self._wait(deadline - time.monotonic(), neighbours):
                    for seen in neighbours.sightings():
                        if seen.role is Role.HOLDS and seen.is_answer and suspect in (None, seen.mac):
                            return seen.mac
            return None
        finally:
            neighbours.close()

    def proxy(self, network: Network, suspect: bytes | None = None) -> bytes | None:
        """The station, ``suspect`` if given, that answers for random addresses, which are most likely nobody's."""
        if network.num_addresses <= _RANDOM_ADDRESSES:
            return None
        for _number in range(_RANDOM_ADDRESSES):
            suspect = self.answers(network[random.randrange(network.num_addresses)], suspect=suspect)
            if suspect is None:
                return None
        return suspect
