# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The router's metrics in Prometheus' text format, version 0.0.4.

Pure: values in, text out. There are a handful of them, so the client library's ten megabytes would be spent on little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from egress_router import ruleset
from egress_router.config import Destination, ServedPort
from egress_router.conntrack import Remote, Statistics
from egress_router.nat import Counters
from egress_router.port_use import SOURCE_PORTS
from egress_router.verdicts import Finding, Verdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class Status:
    """What the router tells of itself. ``problem`` is None when everything is served.

    ``lookup_failures``: by host name; ``connections``: None if the kernel tells nothing; ``source_ports``: in use, by
    where they lead; ``findings``: of the destinations that were tried; the others count since start.
    """

    problem: str | None
    counters: Counters
    lookup_failures: Mapping[str, int]
    connections: Statistics | None
    source_ports: Mapping[Remote, int]
    findings: Mapping[ServedPort, Finding]
    claims: int
    conflicts: int
    repairs: int


def render(routes: Mapping[ServedPort, Destination], status: Status) -> str:
    """All families in the order in which an operator reads them."""
    return "".join(
        (*_router(status), *_forwarded(routes, status.counters), *_connections(status), *_found(routes, status))
    )


def _router(status: Status) -> Iterator[str]:
    ready = float(status.problem is None)
    yield _gauge("egress_router_ready", "1 if every destination is served.", [({}, ready)])
    yield _counter("egress_router_claims", "Times the source address was taken over.", [({}, status.claims)])
    yield _counter("egress_router_conflicts", "Times another station used the address.", [({}, status.conflicts)])
    yield _counter("egress_router_repairs", "Settings of the data path put back.", [({}, status.repairs)])
    failures = [({"name": name}, count) for name, count in status.lookup_failures.items()]
    yield _counter("egress_router_resolution_errors", "Failed look-ups.", failures)


def _forwarded(routes: Mapping[ServedPort, Destination], counters: Counters) -> Iterator[str]:
    for position, (name, text) in enumerate((("packets", "Packets"), ("bytes", "Bytes"))):
        samples: list[Sample] = [
            (
                {"destination": str(to), "direction": direction, "port": str(port)},
                counted.get(port, (0, 0))[position],
            )
            for port, to in routes.items()
            for direction, counted in (("request", counters.requests), ("reply", counters.replies))
        ]
        yield _counter(f"egress_router_{name}", f"{text} forwarded.", samples)
    drops = [({"reason": name.removeprefix("dropped_")}, counters.drops.get(name, 0)) for name in ruleset.DROPS]
    yield _counter("egress_router_dropped_packets", "Packets dropped by the rule set.", drops)


def _connections(status: Status) -> Iterator[str]:
    if status.connections is None:
        return
    known = status.connections
    yield _gauge("egress_router_connections", "Entries of connection tracking.", [({}, known.entries)])
    yield _gauge("egress_router_connections_limit", "How many entries there may be.", [({}, known.limit)])
    failures = [({"reason": reason}, count) for reason, count in known.failures.items()]
    yield _counter("egress_router_connection_failures", "Entries that were not made or not kept.", failures)
    ports = [
        ({"address": str(remote.address), "port": f"{remote.port}/{remote.protocol.value}"}, count)
        for remote, count in status.source_ports.items()
    ]
    yield _gauge("egress_router_source_ports", "Source ports in use for a destination.", ports)
    text = "How many source ports a destination may take."
    yield _gauge("egress_router_source_ports_limit", text, [({}, SOURCE_PORTS)])


def _found(routes: Mapping[ServedPort, Destination], status: Status) -> Iterator[str]:
    samples: list[Sample] = [
        (
            {"destination": str(routes[port]), "port": str(port), "verdict": verdict.value},
            float(verdict is found.verdict),
        )
        for port, found in status.findings.items()
        for verdict in Verdict
    ]
    yield _gauge("egress_router_destination", "1 for what a destination does with a connection.", samples)


def _gauge(name: str, text: str, samples: Iterable[Sample]) -> str:
    return _family(name, "gauge", text, samples)


def _counter(name: str, text: str, samples: Iterable[Sample]) -> str:
    return _family(f"{name}_total", "counter", text, samples)


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {text}\n# TYPE {name} {kind}\n"]
    lines += [f"{name}{_labels(labels)} {float(value)}\n" for labels, value in samples]
    return "".join(lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items())) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
