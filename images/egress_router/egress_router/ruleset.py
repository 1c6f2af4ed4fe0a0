# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The nftables table of the pod, in the language of nft(8).

Pure: values in, scripts out. All that goes into a script is a parsed address, number or protocol, or the name of an
interface of ours or of the kernel's, in quotes.

The order of hooks is the argument why no packet leaves with a wrong source (docs: data-path):

``untracked``  the health port bypasses connection tracking, so that a full table fails no probe
``steer``      prerouting: connections to a served port get a mark, by which ``ip rule`` chooses a routing table
``translate``  DNAT to the destination; a port without a known address is left alone and so refused by the pod itself
``forward``    policy DROP; DNATed connections go pod interface -> egress0, their replies and ICMP errors come back
``input``      nothing that comes in by egress0 is for the pod itself, but answers to its own attempts, and what IPv6's
               neighbours say
``errors``     ICMP errors that the pod makes about replies go back by egress0
``source``     SNAT to EGRESS_SOURCE
``guard``      last: what still has another source is dropped and counted, as is EGRESS_SOURCE on another interface

Served ports are elements of sets and maps, never rules of their own: the last of a thousand costs what the first does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from egress_router.config import Config, Protocol, ServedPort
from egress_router.family import IPV4, IPV6, Address, Family

Json = dict[str, Any]
Route = tuple[Address, int]

TABLE: Final = "egress"
# The beginning of the names of empty tables: each says that the pod has told of one kind of trouble.
TOLD_TABLE: Final = "egress_told"
EGRESS_INTERFACE: Final = "egress0"
# "AV": any number that no other part of a pod's namespace uses; it is the mark and the routing table's id alike.
MARK: Final = 0x4156
# Of packets that belong to a connection of clients and shall not be taken for one of the pod's own.
UNTRACKED_MARK: Final = 0x4157

# Where each served port leads, by ``protocol . port``. The first set has the ports of the map, the second all; both
# count what passes.
DESTINATIONS: Final = "destinations"
REQUESTS: Final = "requests"
REPLIES: Final = "replies"

DROPPED_FORWARD: Final = "dropped_forward"
DROPPED_INPUT: Final = "dropped_input"
DROPPED_SOURCE: Final = "dropped_source"
DROPPED_LEAK: Final = "dropped_leak"
DROPPED_INVALID: Final = "dropped_invalid"
DROPS: Final = (DROPPED_FORWARD, DROPPED_INPUT, DROPPED_SOURCE, DROPPED_LEAK, DROPPED_INVALID)

_KEY: Final = "inet_proto . inet_service"


@dataclass(frozen=True)
class PodInterface:
    """The pod's first interface, by which clients come in: its name and the pod's address."""

    name: str
    address: Address


def load(config: Config, pod: PodInterface, routes: Mapping[ServedPort, Route]) -> str:
    """A script that replaces the whole table in one transaction.

    ``routes``: address and port that each served port is redirected to at first; ports missing here refuse connections.
    """
    family = config.family
    ip, other = family.nft, IPV6 if family is IPV4 else IPV4
    clients = f'iifname "{pod.name}" {ip} daddr {pod.address}'
    out = f'iifname "{pod.name}" oifname "{EGRESS_INTERFACE}" ct status dnat'
    back = f'iifname "{EGRESS_INTERFACE}" oifname "{pod.name}" ct status dnat'
    # RFC 1191, RFC 8201: without the errors about their packets neither end would learn the path's MTU.
    errors = f"ct state related meta l4proto {family.icmp}"
    return f"""
{_anew(TABLE)}
table inet {TABLE} {{
  {_lines(f"counter {name} {{ }}" for name in DROPS)}
  map {DESTINATIONS} {{
    type {_KEY} : {family.nft_address} . inet_service
    {_elements(map(_route, routes.items()))}
  }}
  set {REQUESTS} {{
    type {_KEY}; counter
    {_elements(map(_key, routes))}
  }}
  set {REPLIES} {{
    type {_KEY}; counter
    {_elements(map(_key, config.routes))}
  }}

  chain untracked {{
    type filter hook prerouting priority -300
    {clients} tcp dport {config.health_port} notrack
  }}
  chain untracked_replies {{
    type filter hook output priority -300
    oifname "{pod.name}" {ip} saddr {pod.address} tcp sport {config.health_port} notrack
    meta mark {UNTRACKED_MARK} notrack
  }}
  chain steer {{
    type filter hook prerouting priority -150
    # NAT leaves such a segment alone; the pod, whose address it then has, would reset the client's connection.
    meta l4proto tcp ct state invalid {_drop(DROPPED_INVALID)}
    {clients} meta l4proto . th dport @{REQUESTS} meta mark set {MARK}
  }}
  chain translate {{
    type nat hook prerouting priority -100
    {clients} dnat {ip} to meta l4proto . th dport map @{DESTINATIONS}
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop
    {out} ct direction original ct state new,established accept
    {back} ct direction reply ct state established accept
    {out} {errors} accept
    {back} {errors} accept
    {_drop(DROPPED_FORWARD)}
  }}
  chain input {{
    type filter hook input priority 0
    {_unheard(f'iifname "{EGRESS_INTERFACE}"', family)}
    # What comes back to the pod's own attempts at the destinations (``verdicts``).
    iifname "{EGRESS_INTERFACE}" ct direction reply ct state established accept
    iifname "{EGRESS_INTERFACE}" {errors} accept
    {_neighbours_talk(f'iifname "{EGRESS_INTERFACE}"', family)}
    # What a gateway says about the packets of ``departure``, which end there on purpose, so it isn't counted.
    iifname "{EGRESS_INTERFACE}" {family.icmp} type time-exceeded drop
    iifname "{EGRESS_INTERFACE}" {_drop(DROPPED_INPUT)}
    # Refused here, a datagram leaves no entry behind that would keep its sender from a destination known later.
    {clients} meta l4proto udp ct state new reject
  }}
  chain errors {{
    type route hook output priority -150
    # The pod's own "fragmentation needed" or "packet too big" about a reply is addressed to the remote application,
    # which the main table would look for behind the pod's interface.
    {errors} ct direction original ct status dnat meta mark set {MARK}
  }}
  chain source {{
    type nat hook postrouting priority 100
    oifname "{EGRESS_INTERFACE}" snat {ip} to {config.source} fully-random
  }}
  chain guard {{
    type filter hook postrouting priority 300
    {_unheard(f'oifname "{EGRESS_INTERFACE}"', family)}
    oifname "{EGRESS_INTERFACE}" meta nfproto {str(other).lower()} {_drop(DROPPED_SOURCE)}
    oifname "{EGRESS_INTERFACE}" {ip} saddr != {config.source} {_drop(DROPPED_SOURCE)}
    # Loopback: the pod may ask for its own health by any of its addresses.
    oifname != {{ "{EGRESS_INTERFACE}", "lo" }} {ip} saddr {config.source} {_drop(DROPPED_LEAK)}
    # Behind NAT, where a reply has the served port again.
    oifname "{pod.name}" ct status dnat ct direction reply meta l4proto . th sport @{REPLIES}
  }}
}}
"""


def redirect(before: Mapping[ServedPort, Route], after: Mapping[ServedPort, Route]) -> str:
    """A script that changes in place where served ports lead, in one transaction; established flows keep theirs."""
    changed = [port for port, route in after.items() if before.get(port) != route]
    return _lines(
        (
            *_edit("delete", DESTINATIONS, (_key(port) for port, route in before.items() if after.get(port) != route)),
            *_edit("delete", REQUESTS, (_key(port) for port in before if port not in after)),
            *_edit("add", DESTINATIONS, (_route((port, after[port])) for port in changed)),
            *_edit("add", REQUESTS, (_key(port) for port in after if port not in before)),
        )
    )


def end_connections() -> str:
    """A script that has every segment of a client answered with a reset from now on.

    Before it is routed, as there may be no way out any more.
    """
    return (
        f"add chain inet {TABLE} endings {{ type filter hook prerouting priority -50; }}\n"
        f"add rule inet {TABLE} endings meta l4proto tcp ct status dnat ct direction original reject with tcp reset"
    )


def mark(table: str) -> str:
    """A script that sees to it that a table is there."""
    return f"add table inet {table}"


def remove(table: str) -> str:
    """A script that removes a table, whether or not it is there. Adding first makes the deletion work in any case."""
    return f"add table inet {table}\ndelete table inet {table}"


def listing(table: str = TABLE) -> str:
    """A script that reads a whole table back."""
    return f"list table inet {table}"


def reading(kind: str, name: str) -> str:
    """A script that reads a set or map of the pod's table back, as Json."""
    return f"list {kind} inet {TABLE} {name}"


def reading_drops() -> str:
    """A script that reads the counters of what was dropped back, as Json."""
    return f"list counters table inet {TABLE}"


def addresses_in(listed: Json) -> dict[ServedPort, Address]:
    """The destinations' addresses in the map that was read: what an earlier router of this pod had found out."""
    return {
        _served_port(key): ip_address(route["concat"][0])
        for item in listed["nftables"]
        for key, route in item.get("map", {}).get("elem", ())
    }


def counted_in(listed: Json) -> dict[ServedPort, tuple[int, int]]:
    """Packets and bytes by served port in the set that was read."""
    return {
        _served_port(entry["elem"]["val"]): (entry["elem"]["counter"]["packets"], entry["elem"]["counter"]["bytes"])
        for item in listed["nftables"]
        for entry in item.get("set", {}).get("elem", ())
    }


def drops_in(listed: Json) -> dict[str, int]:
    """Packets by the counter's name in the answer to ``reading_drops``."""
    counters = (item["counter"] for item in listed["nftables"] if "counter" in item)
    return {counter["name"]: counter["packets"] for counter in counters}


def _anew(table: str) -> str:
    return f"{remove(table)}\nadd table inet {table}"


def _elements(elements: Iterable[str]) -> str:
    text = ", ".join(elements)
    return f"elements = {{ {text} }}" if text else ""


def _lines(commands: Iterable[str]) -> str:
    return "\n".join(commands)


def _edit(verb: str, name: str, elements: Iterable[str]) -> Iterable[str]:
    text = ", ".join(elements)
    return [f"{verb} element inet {TABLE} {name} {{ {text} }}"] if text else []


def _key(port: ServedPort) -> str:
    return f"{port.protocol.value} . {port.port}"


def _route(entry: tuple[ServedPort, Route]) -> str:
    port, (address, to_port) = entry
    return f"{_key(port)} : {address} . {to_port}"


def _served_port(key: Json) -> ServedPort:
    protocol, port = key["concat"]
    return ServedPort(int(port), Protocol(protocol))


def _drop(counter: str) -> str:
    return f"counter name {counter} drop"


def _unheard(where: str, family: Family) -> str:
    """The kernel's multicast reports about a link without neighbours go nowhere; no sign of anything, so not counted.

    Version 2 of them is what every kernel sends unless told otherwise (RFC 3810 §5.2).
    """
    return "" if family is IPV4 else f"{where} icmpv6 type mld2-listener-report drop"


def _neighbours_talk(where: str, family: Family) -> str:
    """For IPv4 that is ARP, which no rule here sees. The kernel takes it from the LAN only (RFC 4861 §7.1)."""
    return "" if family is IPV4 else f"{where} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept"
