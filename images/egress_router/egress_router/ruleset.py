# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The nftables tables of the pod and, for IPv6, of the node, as the JSON commands of libnftables-json(5).

Pure: values in, commands out.

The order of hooks is the argument why no packet leaves with a wrong source (docs: data-path):

``mark``     prerouting: connections to a served port get a mark, by which ``ip rule`` chooses the egress routing table
``redirect`` DNAT to the destination; a port without a known address is left alone and so refused by the pod itself
``forward``  policy DROP; DNATed connections go pod interface -> egress0, their replies and ICMP errors come back
``input``    nothing that comes in by egress0 is for the pod itself
``errors``   ICMP errors that the pod makes about replies go back by egress0
``source``   SNAT to EGRESS_SOURCE
``guard``    last: whatever still has another source is dropped and counted, as is EGRESS_SOURCE on any other interface

The node's table does for IPv6 what the kernel does for IPv4 by itself (``guard_node``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from egress_router.config import Config, Protocol, ServedPort
from egress_router.family import IPV4, IPV6, Address, Family, family_of
from egress_router.ndp import solicited_node

Json = dict[str, Any]

INET: Final = "inet"
TABLE: Final = "egress"
# Empty: that it is there says that the pod has told of a conflict. The other table is replaced by each router.
TOLD_TABLE: Final = "egress_told"
EGRESS_INTERFACE: Final = "egress0"
# "AV": any number that no other part of a pod's namespace uses; it is the mark and the routing table's id alike.
MARK: Final = 0x4156

_ADDRESSES: Final = "address"
_PORTS: Final = "port"
_SERVED: Final = "served"

DROPPED_FORWARD: Final = "dropped_forward"
DROPPED_INPUT: Final = "dropped_input"
DROPPED_SOURCE: Final = "dropped_source"
DROPPED_LEAK: Final = "dropped_leak"
DROPS: Final = (DROPPED_FORWARD, DROPPED_INPUT, DROPPED_SOURCE, DROPPED_LEAK)


@dataclass(frozen=True)
class PodInterface:
    """The pod's first interface, by which clients come in: its name and the pod's address."""

    name: str
    address: Address


def request_counter(port: ServedPort) -> str:
    """Name of the counter of packets towards the destination of ``port``."""
    return f"request_{port.port}_{port.protocol.value}"


def reply_counter(port: ServedPort) -> str:
    """Name of the counter of packets back from the destination of ``port``."""
    return f"reply_{port.port}_{port.protocol.value}"


def load(config: Config, pod: PodInterface, addresses: Mapping[ServedPort, Address]) -> Json:
    """Commands that replace the whole table in one transaction.

    ``addresses``: what each served port is redirected to at first; ports missing here refuse connections.
    """
    commands: list[Json] = [
        *_anew(TABLE),
        *(_add("counter", name=name) for name in _counters(config)),
        *_sets(config),
        *_fill(addresses),
        *_chain("mark", "filter", "prerouting", -150, [_mark(pod)]),
        *_chain("redirect", "nat", "prerouting", -100, [_redirect(pod)]),
        *_chain("forward", "filter", "forward", 0, _forward(config, pod), policy="drop"),
        *_chain("input", "filter", "input", 0, _input(config.family)),
        *_chain("errors", "route", "output", -150, [_errors(config.family)]),
        *_chain("source", "nat", "postrouting", 100, [_source(config)]),
        *_chain("guard", "filter", "postrouting", 300, _guard(config)),
    ]
    return {"nftables": commands}


def guard_node(table: str, link: str, source: IPv6Address) -> Json:
    """Commands that replace the node's table for an IPv6 ``source`` whose veth has the name ``link`` on the node.

    IPv6 has no reverse path filter and its proxy entries answer whether or not there is a route, so:

    * from the veth the node takes packets from ``source`` only;
    * solicitations for ``source`` reach the proxy entry only while the node's route to it leads into the veth. nftables
      can look up the route of a packet's destination only, so for that moment the destination is ``source``. Then it
      becomes the solicited-node group, also for a unicast solicitation, which asks whether the neighbour is still
      there: the kernel would proxy that one only if proxying were on for all interfaces.
    """
    asked = _match({"payload": {"base": "th", "offset": 64, "len": 128}}, f"0x{source.packed.hex()}")
    solicitation = _match({"payload": {"protocol": "icmpv6", "field": "type"}}, "nd-neighbor-solicit")
    elsewhere = _match({"fib": {"result": "oifname", "flags": ["daddr"]}}, link, "!=")
    drop: Json = {"drop": None}
    steps = ([_set_destination(source)], [elsewhere, drop], [_set_destination(solicited_node(source))])
    checks = (
        [_interface("iifname", link), _nfproto(IPV4), drop],
        [_interface("iifname", link), _ip("saddr", source, "!="), drop],
        [solicitation, asked, {"goto": {"target": "asked"}}],
    )
    return {
        "nftables": [
            *_anew(table),
            {"add": {"chain": {"family": INET, "table": table, "name": "asked"}}},
            *(_rule("asked", step, table) for step in steps),
            *_chain("entrance", "filter", "prerouting", -300, checks, table=table),
        ]
    }


def mark(table: str) -> Json:
    """Commands that see to it that a table is there."""
    return {"nftables": _anew(table)[:1]}


def remove(table: str) -> Json:
    """Commands that remove a table, whether or not it is there."""
    return {"nftables": _anew(table)[:2]}


def redirect_to(addresses: Mapping[ServedPort, Address]) -> Json:
    """Commands that change the destinations' addresses in place, in one transaction; established flows keep theirs."""
    return {"nftables": [{"flush": {"map": _named(_ADDRESSES)}}, *_fill(addresses)]}


def listing(table: str = TABLE) -> Json:
    """Commands that read a whole table back."""
    return {"nftables": [{"list": {"table": {"family": INET, "name": table}}}]}


def addresses_in(listed: Json) -> dict[ServedPort, Address]:
    """The destinations' addresses in the answer to ``listing``: what an earlier router of this pod had found out."""
    for item in listed["nftables"]:
        found = item.get("map")
        if found and found["name"] == _ADDRESSES:
            return {_served_port(key): ip_address(value) for key, value in found.get("elem", [])}
    return {}


def counters_in(listed: Json) -> dict[str, tuple[int, int]]:
    """Packets and bytes by the counter's name in the answer to ``listing``."""
    counters = (item["counter"] for item in listed["nftables"] if "counter" in item)
    return {counter["name"]: (counter["packets"], counter["bytes"]) for counter in counters}


def fingerprint(listed: Json) -> Json:
    """The answer to ``listing`` without what changes by itself: if equal, the table is untouched."""
    return {"nftables": [_without_counts(item) for item in listed["nftables"]]}


def _without_counts(item: Json) -> Json:
    return {
        kind: {
            key: sorted(value, key=repr) if key == "elem" else value
            for key, value in body.items()
            if key not in ("handle", "packets", "bytes")
        }
        for kind, body in item.items()
    }


def _served_port(key: Json) -> ServedPort:
    protocol, port = key["concat"]
    return ServedPort(int(port), Protocol(protocol))


def _anew(table: str) -> list[Json]:
    """An empty table. Adding first makes the deletion work whether or not there was one."""
    body = {"table": {"family": INET, "name": table}}
    return [{"add": body}, {"delete": body}, {"add": body}]


def _named(name: str) -> Json:
    return {"family": INET, "table": TABLE, "name": name}


def _add(kind: str, table: str = TABLE, **body: Any) -> Json:
    return {"add": {kind: {"family": INET, "table": table, **body}}}


def _rule(chain: str, rule: list[Json], table: str) -> Json:
    return _add("rule", table, chain=chain, expr=rule)


def _counters(config: Config) -> list[str]:
    per_port = [name for port in config.routes for name in (request_counter(port), reply_counter(port))]
    return [*DROPS, *per_port]


def _key(port: ServedPort) -> Json:
    return {"concat": [port.protocol.value, port.port]}


def _sets(config: Config) -> list[Json]:
    """Two maps with one key instead of one map to ``address . port``: nftables 1.0 can't declare the latter in JSON."""
    key_type = ["inet_proto", "inet_service"]
    ports = [[_key(port), to.port] for port, to in config.routes.items()]
    return [
        _add("set", name=_SERVED, type=key_type, elem=[_key(port) for port in config.routes]),
        _add("map", name=_ADDRESSES, type=key_type, map=config.family.nft_address),
        _add("map", name=_PORTS, type=key_type, map="inet_service", elem=ports),
    ]


def _fill(addresses: Mapping[ServedPort, Address]) -> list[Json]:
    elements = [[_key(port), str(address)] for port, address in addresses.items()]
    return [_add("element", name=_ADDRESSES, elem=elements)] if elements else []


def _chain(
    name: str,
    kind: str,
    hook: str,
    priority: int,
    rules: Iterable[list[Json]],
    *,
    policy: str = "accept",
    table: str = TABLE,
) -> list[Json]:
    return [
        _add("chain", table, name=name, type=kind, hook=hook, prio=priority, policy=policy),
        *(_rule(name, rule, table) for rule in rules),
    ]


def _match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _interface(key: str, name: str, op: str = "==") -> Json:
    return _match({"meta": {"key": key}}, name, op)


def _ip(field: str, address: Address, op: str = "==") -> Json:
    return _match({"payload": {"protocol": family_of(address).nft, "field": field}}, str(address), op)


def _ct(key: str, right: str | int, op: str = "==", **more: str) -> Json:
    return _match({"ct": {"key": key, **more}}, right, op)


def _icmp(family: Family) -> Json:
    return _match({"meta": {"key": "l4proto"}}, family.icmp)


def _nfproto(family: Family) -> Json:
    return _match({"meta": {"key": "nfproto"}}, str(family).lower())


def _set_destination(address: IPv6Address) -> Json:
    return {"mangle": {"key": {"payload": {"protocol": "ip6", "field": "daddr"}}, "value": str(address)}}


def _set_mark() -> Json:
    return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": MARK}}


def _drop(counter: str) -> list[Json]:
    return [{"counter": counter}, {"drop": None}]


def _l4_key() -> Json:
    return {"concat": [{"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]}


def _mark(pod: PodInterface) -> list[Json]:
    return [_interface("iifname", pod.name), _ip("daddr", pod.address), _match(_l4_key(), f"@{_SERVED}"), _set_mark()]


def _redirect(pod: PodInterface) -> list[Json]:
    return [
        _interface("iifname", pod.name),
        _ip("daddr", pod.address),
        {
            "dnat": {
                "family": family_of(pod.address).nft,
                "addr": {"map": {"key": _l4_key(), "data": f"@{_ADDRESSES}"}},
                "port": {"map": {"key": _l4_key(), "data": f"@{_PORTS}"}},
            }
        },
    ]


def _forward(config: Config, pod: PodInterface) -> list[list[Json]]:
    out = [_interface("iifname", pod.name), _interface("oifname", EGRESS_INTERFACE), _ct("status", "dnat", "in")]
    back = [_interface("iifname", EGRESS_INTERFACE), _interface("oifname", pod.name), _ct("status", "dnat", "in")]
    accept: Json = {"accept": None}
    rules: list[list[Json]] = []
    for port in config.routes:
        of_port = [
            _match({"meta": {"key": "l4proto"}}, port.protocol.value),
            _ct("proto-dst", port.port, dir="original"),
        ]
        established = [_ct("direction", "reply"), _ct("state", "established", "in")]
        rules.append([*out, *of_port, {"counter": request_counter(port)}, accept])
        rules.append([*back, *established, *of_port, {"counter": reply_counter(port)}, accept])
    # RFC 1191, RFC 8201: without the errors about their packets neither end would learn the path's MTU.
    errors = [_ct("state", "related", "in"), _icmp(config.family), accept]
    return [*rules, [*out, *errors], [*back, *errors], _drop(DROPPED_FORWARD)]


def _input(family: Family) -> list[list[Json]]:
    by_egress = _interface("iifname", EGRESS_INTERFACE)
    return [*_unheard([by_egress], family), [by_egress, *_drop(DROPPED_INPUT)]]


def _unheard(where: list[Json], family: Family) -> list[list[Json]]:
    """The kernel's multicast reports about a link without neighbours go nowhere; no sign of anything, so not counted.

    Version 2 of them is what every kernel sends unless told otherwise (RFC 3810 §5.2).
    """
    if family is IPV4:
        return []
    report = _match({"payload": {"protocol": "icmpv6", "field": "type"}}, "mld2-listener-report")
    return [[*where, report, {"drop": None}]]


def _errors(family: Family) -> list[Json]:
    # The pod's own "fragmentation needed" or "packet too big" about a reply is addressed to the remote application,
    # which the main table would look for behind the pod's interface.
    return [
        _ct("state", "related", "in"),
        _icmp(family),
        _ct("direction", "original"),
        _ct("status", "dnat", "in"),
        _set_mark(),
    ]


def _source(config: Config) -> list[Json]:
    return [
        _interface("oifname", EGRESS_INTERFACE),
        {"snat": {"family": config.family.nft, "addr": str(config.source)}},
    ]


def _guard(config: Config) -> list[list[Json]]:
    by_egress = _interface("oifname", EGRESS_INTERFACE)
    return [
        *_unheard([by_egress], config.family),
        [by_egress, _nfproto(IPV6 if config.family is IPV4 else IPV4), *_drop(DROPPED_SOURCE)],
        [by_egress, _ip("saddr", config.source, "!="), *_drop(DROPPED_SOURCE)],
        # Loopback: the pod may ask for its own health by any of its addresses.
        [
            _match({"meta": {"key": "oifname"}}, {"set": [EGRESS_INTERFACE, "lo"]}, "!="),
            _ip("saddr", config.source),
            *_drop(DROPPED_LEAK),
        ],
    ]
