# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What can keep an egress pod from its destinations, each with what to do about it.

Pure. A fault is told by the log, by ``/readyz`` and, if it lasts, by the termination message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from egress_router.family import Address

# Characters of another program's words: a termination message must not get too long.
_SAID: Final = 200
# Names that are told of all those without an address, and characters of why it is so.
_NAMES: Final = 2
_WHY: Final = 100
_FIND_GATEWAY: Final = (
    "check that the gateway is up, that the node is connected to its LAN, and the subnet's gateway in the EgressNetwork"
)


class Reason(StrEnum):
    """The kinds of faults, named as reasons of conditions are."""

    NODE_FIREWALL = "NodeFirewall"
    NODE_MASQUERADES = "NodeMasquerades"
    WRONG_ROUTE = "WrongRoute"
    GATEWAY_SILENT = "GatewaySilent"
    LAN_PROXY = "LanProxy"
    NODE_KERNEL = "NodeKernel"
    NAME_UNKNOWN = "NameUnknown"
    UPLINK_UNUSABLE = "UplinkUnusable"
    NO_CARRIER = "NoCarrier"
    FAILED = "Failed"


@dataclass(frozen=True)
class Fault:
    """One fault: ``source`` is EGRESS_SOURCE, ``what`` says what was seen, ``remedy`` what to do.

    ``is_unsafe``: whether what was seen must never be, another source or another interface.
    """

    reason: Reason
    source: Address
    what: str
    remedy: str
    is_unsafe: bool = False

    def __str__(self) -> str:
        return f"{self.reason}: {self.what}; {self.remedy}"


class Faulty(Exception):
    """Raised where a fault keeps the router from serving."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def node_firewall(source: Address, destination: Address, uplink: str) -> Fault:
    """A packet was handed to the node and not seen leaving."""
    return Fault(
        Reason.NODE_FIREWALL,
        source,
        f"a packet from {source} to {destination} did not leave by the node's uplink {uplink}",
        f"let what filters at the interfaces of the node (nftables' family netdev, tc, eBPF) pass {source}",
    )


def node_masquerades(source: Address, other: str, interface: str) -> Fault:
    """A packet left with another source."""
    return Fault(
        Reason.NODE_MASQUERADES,
        source,
        f"a packet from {source} left by {interface} with the source {other}",
        f"except {source} from what changes sources at the interfaces of the node (nftables' family netdev, tc, eBPF)",
        is_unsafe=True,
    )


def other_interface(source: Address, interface: str, uplink: str) -> Fault:
    """A packet left by another interface."""
    return Fault(
        Reason.WRONG_ROUTE,
        source,
        f"a packet from {source} left by {interface} instead of the uplink {uplink}",
        f"except {source} from what redirects packets on the node (nftables' family netdev, tc, eBPF)",
        is_unsafe=True,
    )


def wrong_route(source: Address, what: str) -> Fault:
    """No gateway is given, and the node's own routes lead elsewhere or nowhere."""
    return Fault(Reason.WRONG_ROUTE, source, what, "give the subnet of the EgressNetwork its gateway")


def no_way_out(source: Address, what: str) -> Fault:
    """A routed source has no gateway on this node."""
    remedy = "give the subnet of the EgressNetwork a gateway that is on a link of the nodes"
    return Fault(Reason.WRONG_ROUTE, source, what, remedy)


def gateway_silent(source: Address, gateway: Address, asker: Address, uplink: str, seconds: float) -> Fault:
    """The gateway is asked for by ``asker`` and doesn't answer."""
    return Fault(
        Reason.GATEWAY_SILENT,
        source,
        f"the gateway {gateway} has not answered {asker} by the node's uplink {uplink} for {seconds:.0f} s",
        _FIND_GATEWAY,
    )


def gateway_absent(source: Address, gateway: Address, uplink: str) -> Fault:
    """The node itself gets no answer from the gateway."""
    what = f"the gateway {gateway} does not answer the node by its uplink {uplink}"
    return Fault(Reason.GATEWAY_SILENT, source, what, _FIND_GATEWAY)


def address_filtered(source: Address, gateway: Address, uplink: str) -> Fault:
    """The gateway answers the node, and not the address."""
    return Fault(
        Reason.GATEWAY_SILENT,
        source,
        f"the gateway {gateway} answers the node by its uplink {uplink}, and does not answer {source}",
        "have what guards the ports of the LAN (port security, allowed address pairs, ARP inspection) let the nodes use"
        " the addresses that the EgressNetwork leases",
    )


def lan_proxy(source: Address, mac: bytes) -> Fault:
    """A station answers for addresses that nobody has."""
    return Fault(
        Reason.LAN_PROXY,
        source,
        f"the station {mac.hex(':')} answers for every address of the LAN, {source} among them",
        "switch proxy ARP or proxy NDP off there for the addresses that the EgressNetwork leases",
    )


def node_kernel(source: Address, uplink: str, said: str) -> Fault:
    """The kernel refuses the node's table. ``said``: what it says, of which the beginning is told."""
    return Fault(
        Reason.NODE_KERNEL,
        source,
        f"the node's kernel can't pass frames of {source} by its uplink {uplink} ({said[:_SAID]})",
        "it needs nftables' family netdev with fwd, dup and fib, modules nft_fwd_netdev, nft_dup_netdev and"
        " nft_fib_netdev, and room for two chains at the uplink",
    )


def name_unknown(source: Address, problems: Mapping[str, str | None]) -> Fault:
    """None of the destinations has an address. ``problems``: by name, why it was not resolved, as far as is known."""
    told = [f"{name} ({problem[:_WHY]})" if problem else name for name, problem in sorted(problems.items())]
    more = f" and {len(told) - _NAMES} more" if len(told) > _NAMES else ""
    return Fault(
        Reason.NAME_UNKNOWN,
        source,
        f"no address known for {', '.join(told[:_NAMES])}{more}",
        "check the names, and that the cluster's name servers know them",
    )


def uplink_unusable(source: Address, what: str) -> Fault:
    """The node has no interface that leads to the LAN, or one that can't be used. ``what``: a sentence."""
    return Fault(
        Reason.UPLINK_UNUSABLE,
        source,
        what.rstrip("."),
        "set the uplink of the EgressNetwork, or keep its services to nodes on its network by node_selector",
    )


def no_carrier(source: Address, uplink: str) -> Fault:
    """The uplink is down or unplugged, so the address is given up."""
    what = f"the node's uplink {uplink} is down or has no carrier"
    return Fault(Reason.NO_CARRIER, source, what, "connect it to its LAN, and set it up")


def failed(source: Address, said: str) -> Fault:
    """The node or the pod refuses a setting. ``said``: by the kernel or a library, of which the beginning is told."""
    return Fault(Reason.FAILED, source, _ascii(said)[:_SAID], "look into the node's own log")


def _ascii(text: str) -> str:
    """In one line, as a termination message is."""
    return " ".join(text.encode("ascii", "replace").decode().split()) or "something failed without a word"
