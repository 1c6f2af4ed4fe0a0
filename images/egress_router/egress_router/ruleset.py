# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The nftables table of the pod, as the JSON commands of libnftables-json(5). Pure: values in, commands out.

The order of hooks is the argument why no packet leaves with a wrong source (docs: data-path):

``mark``     prerouting: connections to a served port get a mark, by which ``ip rule`` chooses the egress routing table
``redirect`` DNAT to the destination; a port without a known address is left alone and so refused by the pod itself
``forward``  policy DROP; DNATed connections go pod interface -> egress0, their replies and ICMP errors come back
``input``    nothing that comes in by egress0 is for the pod itself
``errors``   ICMP errors that the pod makes about replies go back by egress0
``source``   SNAT to EGRESS_SOURCE
``guard``    last: whatever still has another source is dropped and counted, as is EGRESS_SOURCE on any other interface
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from egress_router.config import Config, Protocol, ServedPort

Json = dict[str, Any]

FAMILY: Final = "inet"
TABLE: Final = "egress"
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
    address: IPv4Address


def request_counter(port: ServedPort) -> str:
    """Name of the counter of packets towards the destination of ``port``."""
    return f"request_{port.port}_{port.protocol.value}"


def reply_counter(port: ServedPort) -> str:
    """Name of the counter of packets back from the destination of ``port``."""
    return f"reply_{port.port}_{port.protocol.value}"


def load(config: Config, pod: PodInterface, addresses: Mapping[ServedPort, IPv4Address]) -> Json:
    """Commands that replace the whole table in one transaction.

    ``addresses``: what each served port is redirected to at first; ports missing here refuse connections.
    """
    commands: list[Json] = [
        # Adding first makes the deletion work whether or not there was a table.
        {"add": {"table": {"family": FAMILY, "name": TABLE}}},
        {"delete": {"table": {"family": FAMILY, "name": TABLE}}},
        {"add": {"table": {"family": FAMILY, "name": TABLE}}},
        *(_add("counter", name=name) for name in _counters(config)),
        *_sets(config),
        *_fill(addresses),
        *_chain("mark", "filter", "prerouting", -150, [_mark(pod)]),
        *_chain("redirect", "nat", "prerouting", -100, [_redirect(pod)]),
        *_chain("forward", "filter", "forward", 0, _forward(config, pod), policy="drop"),
        *_chain("input", "filter", "input", 0, [[_interface("iifname", EGRESS_INTERFACE), *_drop(DROPPED_INPUT)]]),
        *_chain("errors", "route", "output", -150, [_errors()]),
        *_chain("source", "nat", "postrouting", 100, [_source(config)]),
        *_chain("guard", "filter", "postrouting", 300, _guard(config)),
    ]
    return {"nftables": commands}


def redirect_to(addresses: Mapping[ServedPort, IPv4Address]) -> Json:
    """Commands that change the destinations' addresses in place, in one transaction; established flows keep theirs."""
    return {"nftables": [{"flush": {"map": _named(_ADDRESSES)}}, *_fill(addresses)]}


def listing() -> Json:
    """Commands that read the whole table back."""
    return {"nftables": [{"list": {"table": {"family": FAMILY, "name": TABLE}}}]}


def addresses_in(listed: Json) -> dict[ServedPort, IPv4Address]:
    """The destinations' addresses in the answer to ``listing``: what an earlier router of this pod had found out."""
    for item in listed["nftables"]:
        found = item.get("map")
        if found and found["name"] == _ADDRESSES:
            return {_served_port(key): IPv4Address(value) for key, value in found.get("elem", [])}
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


def _named(name: str) -> Json:
    return {"family": FAMILY, "table": TABLE, "name": name}


def _add(kind: str, **body: Any) -> Json:
    return {"add": {kind: {"family": FAMILY, "table": TABLE, **body}}}


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
        _add("map", name=_ADDRESSES, type=key_type, map="ipv4_addr"),
        _add("map", name=_PORTS, type=key_type, map="inet_service", elem=ports),
    ]


def _fill(addresses: Mapping[ServedPort, IPv4Address]) -> list[Json]:
    elements = [[_key(port), str(address)] for port, address in addresses.items()]
    return [_add("element", name=_ADDRESSES, elem=elements)] if elements else []


def _chain(
    name: str, kind: str, hook: str, priority: int, rules: list[list[Json]], *, policy: str = "accept"
) -> list[Json]:
    return [
        _add("chain", name=name, type=kind, hook=hook, prio=priority, policy=policy),
        *(_add("rule", chain=name, expr=rule) for rule in rules),
    ]


def _match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _interface(key: str, name: str, op: str = "==") -> Json:
    return _match({"meta": {"key": key}}, name, op)


def _ip(field: str, address: IPv4Address, op: str = "==") -> Json:
    return _match({"payload": {"protocol": "ip", "field": field}}, str(address), op)


def _ct(key: str, right: str | int, op: str = "==", **more: str) -> Json:
    return _match({"ct": {"key": key, **more}}, right, op)


def _icmp() -> Json:
    return _match({"meta": {"key": "l4proto"}}, "icmp")


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
                "family": "ip",
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
    # RFC 1191: without the errors about their packets neither end would learn the path's MTU.
    errors = [_ct("state", "related", "in"), _icmp(), accept]
    return [*rules, [*out, *errors], [*back, *errors], _drop(DROPPED_FORWARD)]


def _errors() -> list[Json]:
    # The pod's own "fragmentation needed" about a reply is addressed to the remote application, which the main table
    # would look for behind the pod's interface.
    return [
        _ct("state", "related", "in"),
        _icmp(),
        _ct("direction", "original"),
        _ct("status", "dnat", "in"),
        _set_mark(),
    ]


def _source(config: Config) -> list[Json]:
    return [_interface("oifname", EGRESS_INTERFACE), {"snat": {"family": "ip", "addr": str(config.source)}}]


def _guard(config: Config) -> list[list[Json]]:
    by_egress = _interface("oifname", EGRESS_INTERFACE)
    return [
        [by_egress, _match({"meta": {"key": "nfproto"}}, "ipv6"), *_drop(DROPPED_SOURCE)],
        [by_egress, _ip("saddr", config.source, "!="), *_drop(DROPPED_SOURCE)],
        # Loopback: the pod may ask for its own health by any of its addresses.
        [
            _match({"meta": {"key": "oifname"}}, {"set": [EGRESS_INTERFACE, "lo"]}, "!="),
            _ip("saddr", config.source),
            *_drop(DROPPED_LEAK),
        ],
    ]
