# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What of a node would be in the way of an egress pod: the router's own looks, made once, before it serves.

The pod gets no address, so it answers for none, and no client's packet can leave by it. What it sends as EGRESS_SOURCE
are one question for the gateway and one SYN with hop limit 1. Pods of several nodes may look side by side with the same
address: they know each other's questions from the answer of a host that has it.

Without EGRESS_SOURCE nothing is sent as anybody else than the node, and the looks that need it are left out.
"""

from __future__ import annotations

import json
import select
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from typing import Final

from egress_router import faults
from egress_router.config import Config, ConfigError, parse
from egress_router.departure import Target
from egress_router.events import HasFileno
from egress_router.family import Network
from egress_router.faults import Fault, Faulty, Reason
from egress_router.lan import PROBES, Lan
from egress_router.link import Link, Path
from egress_router.namespace import Namespace
from egress_router.path import path_of
from egress_router.proof import Proof
from egress_router.uplink import Uplink, Uplinks
from egress_router.ways import gateway_of

# RFC 5737 and RFC 3849: nobody's, and beyond every gateway. The port is that of "discard" (RFC 863).
_BEYOND: Final = {4: "192.0.2.1", 6: "[2001:db8::1]"}
_PORT: Final = 9
# What a router waits with, besides the reasons of faults.
ADDRESS_IN_USE: Final = "AddressInUse"


class Look(StrEnum):
    """What was looked at, in the order in which it is."""

    UPLINK = "uplink"
    ROUTE = "route"
    PROXY = "proxy"
    ADDRESS = "address"
    KERNEL = "kernel"
    GATEWAY = "gateway"
    DEPARTURE = "departure"


@dataclass(frozen=True)
class Obstructed:
    """One thing that would keep a router from serving: a word for it, what was seen, and what to do about it."""

    reason: str
    what: str
    remedy: str


@dataclass
class Findings:
    """What the looks came to: those that were made, and the first obstacle, behind which no look is made."""

    looks: list[Look] = field(default_factory=list)
    obstacle: Obstructed | None = None

    def to_json(self) -> str:
        """One line: ``looks``, and ``reason``, ``what`` and ``remedy``, each null if nothing is in the way."""
        found = self.obstacle
        told = {"reason": found.reason, "what": found.what, "remedy": found.remedy} if found else dict.fromkeys(_TOLD)
        return json.dumps({"looks": self.looks, **told})


_TOLD: Final = ("reason", "what", "remedy")


def from_environment(env: Mapping[str, str]) -> tuple[Config, bool]:
    """The contract of an egress pod, as far as it is about the network, and whether the pod may use EGRESS_SOURCE.

    Without EGRESS_SOURCE the first address of EGRESS_SUBNET stands for it, which nobody has. Raise ``ConfigError``.
    """
    source, subnet = env.get("EGRESS_SOURCE", "").strip(), env.get("EGRESS_SUBNET", "").strip()
    network = _network(source or subnet)
    given = {**env, "EGRESS_SOURCE": source or str(network.network_address)}
    given.setdefault("EGRESS_PORTS", f"{_PORT}/tcp={_BEYOND[network.version]}:{_PORT}")
    return parse(given), bool(source)


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            f"EGRESS_SOURCE and EGRESS_SUBNET are {text!r}: give one of them at least, an address or a network."
        ) from None


class Preflight:
    """The looks of one network at one node."""

    def __init__(self, config: Config, pod: Namespace, node: Namespace, *, has_address: bool) -> None:
        """``has_address``: whether EGRESS_SOURCE is the caller's to send from."""
        self._config = config
        self._pod = pod
        self._node = node
        self._has_address = has_address
        self._targets = frozenset(
            Target(address, config.routes[port].port) for port, address in config.literals().items()
        )
        self._looks: list[Look] = []

    def look(self) -> Findings:
        """Look, up to the first obstacle; nothing of it stays on the node."""
        self._looks = []
        return Findings(self._looks, self._obstacle())

    def _obstacle(self) -> Obstructed | None:
        try:
            return self._first_obstacle()
        except Faulty as error:
            return _of_fault(error.fault)
        except ConfigError as error:
            return _of_fault(faults.uplink_unusable(self._config.source, str(error)))
        except OSError as error:
            return _of_fault(faults.failed(self._config.source, str(error)))

    def _first_obstacle(self) -> Obstructed | None:
        uplinks = Uplinks(self._config, self._node.netlink())
        uplink = uplinks.find()
        self._looks.append(Look.UPLINK)
        if not uplink.connected:
            return _of_fault(faults.no_carrier(self._config.source, uplink.name))
        path, fault = path_of(self._config, uplinks, uplink, frozenset(to.address for to in self._targets))
        self._looks.append(Look.ROUTE)
        if fault is not None:
            return _of_fault(fault)
        lan = Lan(self._node, uplink, _wait)
        on_lan = None if self._config.is_routed else self._on_lan(lan, uplink)
        return on_lan or self._by_link(lan, path)

    def _on_lan(self, lan: Lan, uplink: Uplink) -> Obstructed | None:
        """What answers there that should not."""
        source = self._config.source
        network = self._config.subnet or (uplink.own.network if uplink.own is not None else None)
        proxy = None if network is None else lan.proxy(network)
        self._looks.append(Look.PROXY)
        if proxy is not None:
            return _of_fault(faults.lan_proxy(source, proxy))
        if not self._has_address:
            return None
        holder = lan.answers(source, times=PROBES)
        self._looks.append(Look.ADDRESS)
        if holder is None:
            return None
        return Obstructed(
            ADDRESS_IN_USE,
            f"the station {holder.hex(':')} answers for {source}, which the EgressNetwork leases",
            "take the address from that station, or exclude it in the subnet of the EgressNetwork",
        )

    def _by_link(self, lan: Lan, path: Path) -> Obstructed | None:
        """What is in the way of frames between a pod and the LAN."""
        link, uplink = Link(self._config, self._pod, self._node), path.uplink
        refusal = link.refusal(path)
        self._looks.append(Look.KERNEL)
        if refusal is not None:
            return _of_fault(faults.node_kernel(self._config.source, uplink.name, refusal))
        try:
            link.plug(uplink)
            link.rehearse(path)
            return self._at_gateway(lan, path, link.index())
        finally:
            link.withdraw()
            link.remove_orphans()

    def _at_gateway(self, lan: Lan, path: Path, index: int) -> Obstructed | None:
        source, gateway, uplink = self._config.source, gateway_of(path.ways), path.uplink.name
        if gateway is not None:
            answers = lan.answers(gateway, times=PROBES) is not None
            self._looks.append(Look.GATEWAY)
            if not answers:
                return _of_fault(faults.gateway_absent(source, gateway, uplink))
        if not self._has_address:
            return None
        try:
            fault = Proof(self._config, self._pod, self._node, _wait).check(path, index, self._targets, again=True)
        except Faulty as error:
            fault = error.fault
            if gateway is not None and fault.reason is Reason.GATEWAY_SILENT and not self._config.is_routed:
                return _of_fault(faults.address_filtered(source, gateway, uplink))
        self._looks.append(Look.DEPARTURE)
        return None if fault is None else _of_fault(fault)


def _of_fault(fault: Fault) -> Obstructed:
    return Obstructed(fault.reason, fault.what, fault.remedy)


def _wait(seconds: float, source: HasFileno) -> bool:
    return bool(select.select([source], [], [], max(0.0, seconds))[0])
