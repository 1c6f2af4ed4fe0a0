# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The nftables tables by which a node passes frames between its uplink and a router's link, in the language of nft(8).

Pure: values in, scripts out. All that goes into a script is a parsed address, or a name or MAC address of the kernel's.

One table is of the family ``netdev``: its chains see a frame as it comes in by one interface, before the node's own
bridge filters, firewall, NAT, reverse path filter and routes, none of which it ever meets.

``out``  from the link: only frames of the uplink's MAC address and of EGRESS_SOURCE, by the uplink; all else is dropped
``in``   from the uplink: packets to EGRESS_SOURCE into the link; the node never sees them. What stations ask and tell
         about EGRESS_SOURCE, and what its next hops tell about themselves, goes to both.
``ports``  from the ports of an uplink that is a bridge: the same packets.

The other one is of the family ``inet``, since no packet of EGRESS_SOURCE is ever forwarded by the node's stack:

``guard``  what comes from elsewhere than the LAN with EGRESS_SOURCE, as from a pod with NET_RAW, is dropped.

A routed EGRESS_SOURCE is nobody's neighbour on the LAN: packets leave as the node's own do, to a gateway that the
node's kernel finds, and nothing is said about the address.

The chain ``in`` outlives a link that was removed by its pod's end: what is handed to an interface that is gone is lost.
An address of the node itself is left to the node; any other is lost until a router of the node removes the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from egress_router.family import Address, family_of
from egress_router.ruleset import Json

# As ``link.host_interface_name`` makes them.
_LINK_NAME: Final = re.compile(r"av[0-9a-f]{8}")
_FAMILIES: Final = ("netdev", "inet")
_NEIGHBOURS: Final = "{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect }"


@dataclass(frozen=True)
class Relay:
    """All that the tables depend on.

    ``link``: the name of the link's end on the node, and of the tables. ``uplink``: its name. ``uplink_index``: two
    that had the same name one after the other differ in it. ``mac``: the uplink's, as in ``02:00:00:00:00:01``, and
    so that of the link's end in the pod. ``next_hops``: stations of the LAN that the router sends frames to, sorted.
    ``gateway``: of a routed source, which has no such stations; None for one on the LAN. ``entrances``: other
    interfaces by which packets to a routed source come in. ``ports``: of the uplink, if it is a bridge.
    """

    link: str
    uplink: str
    uplink_index: int
    mac: str
    source: Address
    next_hops: tuple[Address, ...]
    gateway: Address | None = None
    entrances: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


def load(relay: Relay) -> str:
    """A script that replaces both tables in one transaction."""
    return _script(relay.link, relay)


def trial(relay: Relay) -> str:
    """A script by which a kernel shows whether it can load the tables, while there is no link yet: not to be run."""
    return _script(relay.link, replace(relay, link=relay.uplink))


def _script(table: str, relay: Relay) -> str:
    """The priority is before whatever else looks at frames here: the next is conntrack's place in other families."""
    outgoing, incoming = _talk(relay)
    ip = family_of(relay.source).nft
    # To a gateway: that is a hop, so the hop limit counts down.
    leave = "fwd to" if relay.gateway is None else f"fwd {ip} to {relay.gateway} device"
    # By another interface it is addressed to that one.
    enter = f"ether daddr set {relay.mac} fwd to" if relay.entrances else "fwd to"
    names = _names(relay.uplink, *relay.entrances)
    devices = f"devices = {{ {names} }}" if relay.entrances else f"device {names}"
    return f"""
{remove(table)}
table netdev {table} {{
  chain out {{
    type filter hook ingress device "{relay.link}" priority -300; policy drop
    ether saddr != {relay.mac} drop
    {_lines(outgoing)}
    {ip} saddr {relay.source} {leave} "{relay.uplink}"
  }}
  chain in {{
    type filter hook ingress {devices} priority -300; policy accept
    # For this station, so not one that is only seen on its way.
    meta pkttype host {ip} daddr {relay.source} fib daddr type != local {enter} "{relay.link}"
    {_lines(incoming)}
  }}
{_at_ports(relay, ip)}
}}
table inet {table} {{
  chain guard {{
    type filter hook forward priority -300; policy accept
    iifname {{ {names} }} accept
    # With br_netfilter, what one of the node's bridges passes on to another station comes by here, too.
    meta oifkind "bridge" oifname != {{ {names} }} accept
    {ip} saddr {relay.source} drop
  }}
}}
"""


def _at_ports(relay: Relay, ip: str) -> str:
    """A chain at a bridge's ports, for what the node's bridge and IP filters would see before the bridge itself does.

    With bridge-nf-call-iptables, which Kubernetes' own installer asks for, they see all that comes in there.
    """
    if not relay.ports:
        return ""
    return f"""
  chain ports {{
    type filter hook ingress devices = {{ {_names(*relay.ports)} }} priority -300; policy accept
    ether daddr {relay.mac} {ip} daddr {relay.source} fib daddr type != local fwd to "{relay.link}"
  }}"""


def remove(table: str) -> str:
    """A script that removes both tables, if they are there. Adding first makes the deletion work in any case."""
    return "\n".join(f"{what} table {family} {table}" for family in _FAMILIES for what in ("add", "delete"))


def listings(table: str) -> list[str]:
    """Scripts that read the tables back, that which passes frames first: libnftables lists one at a time."""
    return [f"list table {family} {table}" for family in _FAMILIES]


def listing_of_all() -> str:
    """A script that reads the names of all tables back, as JSON."""
    return "list tables"


@dataclass(frozen=True)
class Handle:
    """A table of a router's, by its number, which no other gets: ``link`` is the name of the link that it is for."""

    family: str
    link: str
    number: int


def handles_in(listed: Json) -> list[Handle]:
    """The routers' tables in ``listing_of_all``'s answer."""
    tables = (item["table"] for item in listed.get("nftables", ()) if "table" in item)
    return [
        Handle(table["family"], table["name"], table["handle"])
        for table in tables
        if table["family"] in _FAMILIES and _LINK_NAME.fullmatch(table["name"])
    ]


def remove_exactly(table: Handle) -> str:
    """A script that removes a table, and no other that got the same name since it was listed."""
    return f"delete table {table.family} handle {table.number}"


def _talk(relay: Relay) -> tuple[Iterable[str], Iterable[str]]:
    """What of the neighbours' talk is kept back or passed on, outwards and inwards."""
    if relay.gateway is not None:
        # Of IPv6 the talk is packets like others; that of IPv4 meets the chain's policy.
        return ((), ()) if isinstance(relay.source, IPv4Address) else ((f"icmpv6 type {_NEIGHBOURS} drop",), ())
    if isinstance(relay.source, IPv4Address):
        return _out4(relay), _in4(relay)
    return _out6(relay), _in6(relay)


def _out4(relay: Relay) -> Iterable[str]:
    yield f'arp saddr ip {relay.source} arp saddr ether {relay.mac} fwd to "{relay.uplink}"'


def _out6(relay: Relay) -> Iterable[str]:
    """A station says nothing that only routers say, and advertises no other address."""
    yield "icmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect } drop"
    yield f"icmpv6 type nd-neighbor-advert {_target('!=', relay.source)} drop"


def _in4(relay: Relay) -> Iterable[str]:
    yield f"arp daddr ip {relay.source} {_copy(relay)}"
    if relay.next_hops:
        yield f"arp saddr ip {{ {', '.join(map(str, relay.next_hops))} }} {_copy(relay)}"


def _in6(relay: Relay) -> Iterable[str]:
    yield f"icmpv6 type nd-neighbor-solicit {_target('==', relay.source)} {_copy(relay)}"
    if relay.next_hops:
        hops = ", ".join(f"0x{hop.packed.hex()}" for hop in relay.next_hops)
        yield f"icmpv6 type nd-neighbor-advert @th,64,128 {{ {hops} }} {_copy(relay)}"


def _target(operator: str, address: Address) -> str:
    """What a solicitation or advertisement is about (RFC 4861 §4.3, §4.4), which nft(8) has no word for everywhere."""
    return f"@th,64,128 {operator} 0x{address.packed.hex()}"


def _copy(relay: Relay) -> str:
    return f'dup to "{relay.link}" accept'


def _names(*interfaces: str) -> str:
    return ", ".join(f'"{name}"' for name in interfaces)


def _lines(rules: Iterable[str]) -> str:
    return "\n    ".join(rules)
