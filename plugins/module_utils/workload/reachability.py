# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whether a service's destinations answer, by what its egress pods have found out from their addresses.

Pure. A pod's words come from a container over the network: what counts of them is a known verdict about a destination
that the service has, and the address of who gave it; every other word of the sentence is our own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Iterable, Mapping, Sequence

from ..annotations.egress_service import Destination, EgressService
from ..api.addresses import canonical
from ..api.conditions import Condition
from ..api.reasons import Reason
from ..api.resources import REACHABLE_CONDITION
from .manifests import destination_address, tried_destinations

MAX_MESSAGE = 2000
"""Characters of a condition's message that name destinations."""
_MORE_PORTS = "reuse connections, or spread them over more services"


class Verdict(StrEnum):
    """What a destination does with a connection from the leased address (docs/explanation/data-path.md).

    Of the last one the address has hardly any source ports left.
    """

    OPEN = "Open"
    REFUSED = "Refused"
    SILENT = "Silent"
    PROHIBITED = "Prohibited"
    NO_ROUTE = "NoRoute"
    NAME_UNKNOWN = "NameUnknown"
    PORTS_EXHAUSTED = "PortsExhausted"


@dataclass(frozen=True)
class Finding:
    """``by``: the canonical address of who forbade it or knows no way, if it said so."""

    verdict: Verdict
    by: str | None = None

    def __str__(self) -> str:
        return f"{self.verdict} by {self.by}" if self.by else str(self.verdict)


@dataclass(frozen=True)
class Asked:
    """What has come of asking one egress pod."""

    line: bytes | None = None
    """Its last words; None if it has said nothing yet."""
    trouble: str | None = None
    """Why it can't be asked now."""


Findings = Mapping[Destination, Finding]


def read_findings(line: bytes, routes: Sequence[Destination]) -> Findings:
    """What a router's line says of some destinations; all else in it is passed over."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    known = {(f"{route.port}/{route.protocol.lower()}", destination_address(route)): route for route in routes}
    found: dict[Destination, Finding] = {}
    for item in told if isinstance(told, list) else ():
        if isinstance(item, dict):
            route = known.get((str(item.get("port")), str(item.get("destination"))))
            verdict = item.get("verdict")
            if route and verdict in list(Verdict):
                found[route] = Finding(Verdict(verdict), _address(item.get("by")))
    return found


def reachability(
    service: EgressService, sources: Sequence[str], asked: Mapping[str, Asked]
) -> dict[str, Condition | None]:
    """What the Service is to say of its destinations, by condition type; empty for what it says already.

    ``asked``: by source address, of the egress pods that are ready. As long as one of them has said nothing yet, no
    other word is put in the place of what a former controller has found out.
    """
    routes = tried_destinations(service)
    if not routes:
        return {REACHABLE_CONDITION: None}
    found = {source: read_findings(item.line, routes) for source, item in asked.items() if item.line is not None}
    failing = {source: _failing(routes, findings) for source, findings in found.items()}
    if any(failing.values()):
        return {REACHABLE_CONDITION: _failure(found.values(), _not_reachable(failing))}
    unknown = next(filter(None, (_why_unknown(source, routes, asked, found) for source in sources)), None)
    if unknown:
        return {REACHABLE_CONDITION: Condition(None, Reason.NO_VERDICT, unknown)}
    if len(found) < len(sources):
        return {}
    answering = f"{len(routes)} destination{'s' * (len(routes) > 1)} answer{'s' * (len(routes) == 1)}"
    return {REACHABLE_CONDITION: Condition(True, Reason.DESTINATIONS_REACHABLE, f"{answering} {','.join(sources)}")}


def _failing(routes: Sequence[Destination], findings: Findings) -> list[str]:
    found = ((route, findings[route]) for route in routes if route in findings)
    return [f"{destination_address(route)} {finding}" for route, finding in found if finding.verdict != Verdict.OPEN]


def _failure(found: Iterable[Findings], message: str) -> Condition:
    verdicts = {finding.verdict for findings in found for finding in findings.values()} - {Verdict.OPEN}
    if verdicts == {Verdict.PORTS_EXHAUSTED}:
        return Condition(False, Reason.PORTS_EXHAUSTED, f"{message}; {_MORE_PORTS}")
    return Condition(False, Reason.DESTINATIONS_NOT_REACHABLE, message)


def _not_reachable(failing: Mapping[str, Sequence[str]]) -> str:
    """Every destination that fails, as far as there is room."""
    parts = []
    room = MAX_MESSAGE
    for source, told in failing.items():
        shown = []
        for item in told:
            room -= len(item) + 2
            if room >= 0:
                shown.append(item)
        if told:
            more = f" and {len(told) - len(shown)} more" if len(told) > len(shown) else ""
            parts.append(f"from {source}: {', '.join(shown)}{more}")
    return "; ".join(parts)


def _why_unknown(
    source: str, routes: Sequence[Destination], asked: Mapping[str, Asked], found: Mapping[str, Findings]
) -> str | None:
    """None if the pod of this address has told of all, or is still to be heard."""
    if source not in asked:
        return f"no egress pod with {source} is ready"
    if asked[source].trouble:
        return f"the egress pod with {source} can't be asked at its health port: {asked[source].trouble}"
    if source in found and (untold := [route for route in routes if route not in found[source]]):
        return f"the egress pod with {source} has not tried {destination_address(untold[0])} yet"
    return None


def _address(told: Any) -> str | None:
    return canonical(told) if isinstance(told, str) and len(told) <= 45 else None
