# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The proof that a link serves: the gateway answers EGRESS_SOURCE, and what is sent leaves by the uplink unchanged.

A setting that is in place shows that nobody took it away. It doesn't show that packets get through; this does.
"""

from __future__ import annotations

import time
from typing import Final

from egress_router import departure, faults
from egress_router.config import Config
from egress_router.departure import Frames, Target
from egress_router.family import Address
from egress_router.faults import Fault, Faulty
from egress_router.gateway import Gateway
from egress_router.lan import Wait, talk_about
from egress_router.link import Path
from egress_router.namespace import Namespace
from egress_router.ruleset import EGRESS_INTERFACE
from egress_router.ways import gateway_of
from egress_router.wires import leads_off, wires_of

# Seconds.
_LOOK_INTERVAL: Final = 10.0
_FIRST_ANSWER: Final = 0.3
_FIRST_QUESTIONS: Final = 3
# One question lost is nothing; the second is due a second after, and a router may be as slow as that.
_ODD: Final = 1.5
_SILENT: Final = 3.0


class Proof:
    """What is known of whether one router's link serves."""

    def __init__(self, config: Config, pod: Namespace, node: Namespace, wait: Wait) -> None:
        """``wait``: for seconds, for what can be heard; whether it was."""
        self._source = config.source
        self._is_routed = config.is_routed
        self._pod = pod
        self._node = node
        self._netlink = node.netlink()
        self._wait = wait
        self._gateway: Gateway | None = None
        # What it is asked for, and by whom.
        self._question: tuple[Address | None, Address | None] = (None, None)
        self._proven: frozenset[Target] = frozenset()
        self._next_look = 0.0

    def check(self, path: Path, index: int, targets: frozenset[Target], again: bool) -> Fault | None:
        """A fault with some of the targets; raise ``Faulty`` on one with all of them, or one that is unsafe.

        ``index``: of the link's end in the pod. ``again``: look at what leaves, even if that was done just now.
        """
        self._keep_gateway(path, index)
        if self._gateway is not None:
            self._hear(self._gateway, path)
        if again or not targets <= self._proven or time.monotonic() >= self._next_look:
            return self._look(path, targets)
        return None

    def ask_gateway(self) -> bool:
        """Ask if it is time; whether the gateway is as it should be."""
        if self._gateway is None:
            return True
        self._gateway.ask_when_due()
        return self._gateway.silent_for() < _ODD

    def next_question(self, otherwise: float) -> float:
        """When the gateway is to be asked (monotonic seconds), or ``otherwise`` if there is none."""
        return otherwise if self._gateway is None else self._gateway.next_question()

    def forget(self) -> None:
        """The link is gone, and with it all that was known."""
        self._proven = frozenset()
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None

    def _keep_gateway(self, path: Path, index: int) -> None:
        """The gateway of the ways as they are, on the link as it is.

        A routed source is nobody's neighbour. The node asks by its uplink, if it has an address of its own there.
        """
        uplink, wanted = path.uplink, gateway_of(path.ways)
        namespace, name, at, asker = (
            (self._node, uplink.name, uplink.index, uplink.address)
            if self._is_routed
            else (self._pod, EGRESS_INTERFACE, index, self._source)
        )
        question = (wanted, asker)
        if self._gateway is not None and (self._question != question or not self._gateway.is_on(at, uplink.mac)):
            self.forget()
        if self._gateway is None and wanted is not None and asker is not None:
            with namespace.entered():
                self._gateway = Gateway(talk_about(wanted, name, at, uplink.mac), asker)
            self._question = question

    def _hear(self, gateway: Gateway, path: Path) -> None:
        """Raise ``Faulty`` if the gateway doesn't answer."""
        if gateway.mac is None:
            # A new link: it must be known where packets go before the first is sent.
            for _question in range(_FIRST_QUESTIONS):
                gateway.ask()
                if self._wait(_FIRST_ANSWER, gateway) and gateway.listen():
                    return
        else:
            gateway.ask_when_due()
        silent, (address, asker) = gateway.silent_for(), self._question
        if address is not None and asker is not None and (gateway.mac is None or silent >= _SILENT):
            raise Faulty(faults.gateway_silent(self._source, address, asker, path.uplink.name, silent))

    def _look(self, path: Path, targets: frozenset[Target]) -> Fault | None:
        mac = None if self._gateway is None else self._gateway.mac
        frames = Frames.new(self._source, path.uplink.mac, mac, hop_limit=2 if self._is_routed else 1)
        wires = wires_of(self._netlink, path.uplink.index)
        seen = departure.look((self._pod, self._node), frames, targets, wires)
        left = [one for one in seen if wires.allows(one.interface) or leads_off(self._netlink, one.interface)]
        fault, count = departure.judge(left, targets, self._source, path.uplink.name, wires)
        self._proven = targets if fault is None else frozenset()
        if fault is not None and (fault.is_unsafe or count == len(targets)):
            raise Faulty(fault)
        self._next_look = time.monotonic() + _LOOK_INTERVAL
        return fault
