# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What goes wrong, and with which requests. Data only; ``plan`` decides by it and ``proxy`` does it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.faults.requests import READS, VERBS, WATCH, WRITES, ApiRequest


class BadRule(ValueError):
    """A rule that could never do what it says."""


def _not_negative(fault: str, field: str, value: float) -> None:
    if value < 0:
        raise BadRule(f"{fault}: {field} is {value}; give 0 or more")


@dataclass(frozen=True)
class Fault:
    """The base of all that can happen to a request."""

    @property
    def fits(self) -> frozenset[str]:
        """The verbs that it can happen to."""
        return VERBS

    @property
    def name(self) -> str:
        """What the proxy counts it as."""
        return type(self).__name__


@dataclass(frozen=True)
class Pass(Fault):
    """Nothing happens: it spares what it matches from the rules after it."""


@dataclass(frozen=True)
class Refuse(Fault):
    """The proxy answers with an error, and the API server never hears of the request."""

    code: int
    reason: str
    retry_after: int | None = None
    """The Retry-After header, in seconds."""

    def __post_init__(self) -> None:
        if not 400 <= self.code <= 599:
            raise BadRule(f"Refuse: code is {self.code}; give 400 to 599")
        _not_negative("Refuse", "retry_after", self.retry_after or 0)

    @property
    def fits(self) -> frozenset[str]:
        return WRITES if self.code == 409 else VERBS

    @property
    def name(self) -> str:
        return self.reason


CONFLICT = Refuse(409, "Conflict")
TOO_MANY_REQUESTS = Refuse(429, "TooManyRequests", retry_after=1)
INTERNAL_ERROR = Refuse(500, "InternalError")
UNAVAILABLE = Refuse(503, "ServiceUnavailable")


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset (RST), and the API server never hears of the request."""


@dataclass(frozen=True)
class LoseReply(Fault):
    """The API server does it and answers; the client's connection is closed without that answer."""

    @property
    def fits(self) -> frozenset[str]:
        return WRITES | READS


@dataclass(frozen=True)
class Delay(Fault):
    """The API server hears of the request ``seconds`` later."""

    seconds: float

    def __post_init__(self) -> None:
        _not_negative("Delay", "seconds", self.seconds)


@dataclass(frozen=True)
class Stale(Fault):
    """The last answer that the API server gave to the same GET, once more; the first one is its own."""

    @property
    def fits(self) -> frozenset[str]:
        return READS


@dataclass(frozen=True)
class WatchFault(Fault):
    """Something that happens to the stream of a watch."""

    @property
    def fits(self) -> frozenset[str]:
        return WATCH


@dataclass(frozen=True)
class Gone(WatchFault):
    """The resource version is too old: an answer 410, or after so many ``events`` an ERROR event of that code.

    As with a real server that stays so: further watches of the same path and selectors are refused until a list of
    them has been read. Those refusals are not counted against the rule's ``times``.
    """

    events: int | None = None

    def __post_init__(self) -> None:
        _not_negative("Gone", "events", self.events or 0)


@dataclass(frozen=True)
class CutWatch(WatchFault):
    """After so many whole ``events`` the connection is reset in the middle of the next one."""

    events: int = 0

    def __post_init__(self) -> None:
        _not_negative("CutWatch", "events", self.events)


@dataclass(frozen=True)
class HoldWatch(WatchFault):
    """Each event arrives ``seconds`` later, in order."""

    seconds: float

    def __post_init__(self) -> None:
        _not_negative("HoldWatch", "seconds", self.seconds)


@dataclass(frozen=True)
class Rule:
    """Which requests a fault happens to. The first rule of a plan that fires decides.

    Of the requests that match, the first ``skip`` are spared; of the others each is hit with ``probability``, until
    ``times`` of them have been. ``verbs`` None are all that the fault fits; ``path`` is a regular expression that is
    searched in the request's path.
    """

    fault: Fault
    verbs: frozenset[str] | None = None
    path: str = ""
    skip: int = 0
    times: int | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        unknown = (self.verbs or frozenset()) - VERBS
        if unknown:
            raise BadRule(f"{self.fault.name}: verbs has {sorted(unknown)}; there are {', '.join(sorted(VERBS))}")
        if self.verbs is not None and (not self.verbs or self.verbs - self.fault.fits):
            fits = ", ".join(sorted(self.fault.fits))
            raise BadRule(f"{self.fault.name}: verbs is {sorted(self.verbs)}; give some of {fits}")
        if not 0.0 < self.probability <= 1.0:
            raise BadRule(f"{self.fault.name}: probability is {self.probability}; give more than 0, and 1 at most")
        _not_negative(self.fault.name, "skip", self.skip)
        if self.times is not None and self.times < 1:
            raise BadRule(f"{self.fault.name}: times is {self.times}; give 1 or more, or None for no end")
        try:
            re.compile(self.path)
        except re.error as error:
            raise BadRule(f"{self.fault.name}: path is {self.path!r}, no regular expression: {error}") from error

    def matches(self, request: ApiRequest) -> bool:
        verbs = self.fault.fits if self.verbs is None else self.verbs
        return request.verb in verbs and re.search(self.path, request.path) is not None
