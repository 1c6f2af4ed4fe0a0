# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Look-ups of many names side by side, so that a name server which doesn't answer for one holds up no other.

As in libc, a search suffix that answers SERVFAIL, REFUSED, without a record or not at all doesn't end a look-up; the
next one is asked. A complete name (``resolv_conf.is_complete``) goes on to the suffixes only when it is known not to
exist: else an outage of the name server would hand it to whom the suffixes belong.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from egress_router.dns_message import LARGEST, Code, question, reply
from egress_router.family import Address, Family
from egress_router.resolv_conf import ResolvConf, candidates, is_complete

# Seconds: until the next server is asked as well, and until a name is given up.
_NEXT_TRY: Final = 1.0
_PATIENCE: Final = 3.0
# A TTL of 0 must not become a busy loop.
_SHORTEST_TTL: Final = 1.0
_NO_ANSWER: Final = "no answer"


class LookupFailed(Exception):
    """A name has no usable address now; the text says why."""


@dataclass(frozen=True)
class Answer:
    """Addresses in the order of the name server's answer, never empty; ``ttl`` in seconds."""

    addresses: tuple[Address, ...]
    ttl: float


Outcome = tuple[str, Answer | LookupFailed]


@dataclass
class _Lookup:
    """One name on its way. ``left``: candidates not asked yet; ``told``: what became of those before ``asked``.

    ``silent``: the servers, by number, that haven't refused the question ``asked``.
    """

    name: str
    left: list[str]
    told: list[str] = field(default_factory=list)
    asked: str = ""
    message: bytes = b""
    is_extended: bool = True
    silent: list[int] = field(default_factory=list)
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    tries: int = 0
    next_try: float = 0.0
    until: float = 0.0


class Lookups:
    """Those that are under way, over UDP; to be used by one thread but for ``wake``."""

    def __init__(
        self, conf: ResolvConf, family: Family, objection: Callable[[Address], str | None], port: int = 53
    ) -> None:
        """``family``: of the addresses to look for; ``objection``: why an address may be no destination, if so."""
        self._conf = conf
        self._family = family
        self._objection = objection
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._lookups: list[_Lookup] = []
        self._outcomes: list[Outcome] = []
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def __len__(self) -> int:
        return len(self._lookups)

    def start(self, name: str) -> None:
        """Begin to look ``name`` up."""
        lookup = _Lookup(name, list(candidates(name, self._conf)))
        self._lookups.append(lookup)
        self._ask_next(lookup)

    def wait(self, seconds: float | None) -> list[Outcome]:
        """What has ended within so many seconds: at least one, if not woken; None for as long as it takes."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            moments = [min(lookup.next_try, lookup.until) for lookup in self._lookups]
            if end is not None:
                moments.append(end)
            left = max(0.0, min(moments) - time.monotonic()) if moments and not self._outcomes else None
            woken = self._receive(0.0 if self._outcomes else left)
            self._hurry()
            if self._outcomes or woken or (end is not None and time.monotonic() >= end):
                outcomes, self._outcomes = self._outcomes, []
                return outcomes

    def wake(self) -> None:
        """Make ``wait`` return soon; any thread may call this."""
        # A full pipe holds wake-ups enough.
        with suppress(BlockingIOError):
            os.write(self._rope, b"\0")

    def _receive(self, seconds: float | None) -> bool:
        """Take in what the servers answer; whether somebody called ``wake``."""
        woken = False
        for key, _events in self._selector.select(seconds):
            if key.fd == self._bell:
                os.read(self._bell, 4096)
                woken = True
                continue
            lookup, server = key.data
            # An answer before may have ended it.
            if lookup.sockets.get(server) is key.fileobj:
                self._hear(lookup, server)
        return woken

    def _hear(self, lookup: _Lookup, server: int) -> None:
        try:
            data = lookup.sockets[server].recv(LARGEST)
        except BlockingIOError:
            return
        except OSError as error:
            self._refused(lookup, server, error.strerror or str(error))
            return
        found = reply(data, lookup.message, self._family)
        if found is None:
            return
        if found.code is Code.NOERROR:
            self._end(lookup, self._allowed(lookup, found.addresses, float(found.ttl)))
        elif found.code in (Code.NXDOMAIN, Code.NODATA):
            self._leave(lookup, found.code.name, is_known=True)
        elif found.code is Code.FORMERR and lookup.is_extended:
            # A server from before RFC 6891.
            lookup.is_extended = False
            self._compose(lookup)
            self._send(lookup, server)
        else:
            self._refused(lookup, server, found.code.name)

    def _allowed(self, lookup: _Lookup, addresses: tuple[Address, ...], ttl: float) -> Answer | LookupFailed:
        objections = {address: self._objection(address) for address in addresses}
        allowed = tuple(address for address in addresses if objections[address] is None)
        if allowed:
            return Answer(allowed, max(_SHORTEST_TTL, ttl))
        reasons = "; ".join(f"{address} {reason}" for address, reason in objections.items())
        return LookupFailed(f"{lookup.asked}: {reasons}")

    def _refused(self, lookup: _Lookup, server: int, said: str) -> None:
        lookup.silent.remove(server)
        self._forget(lookup, server)
        if lookup.silent:
            self._try(lookup)
        else:
            self._leave(lookup, said, is_known=False)

    def _hurry(self) -> None:
        """Ask again where an answer is late, and go on where there is none."""
        now = time.monotonic()
        for lookup in list(self._lookups):
            if lookup.until <= now:
                self._leave(lookup, _NO_ANSWER, is_known=False)
            elif lookup.next_try <= now:
                self._try(lookup)

    def _leave(self, lookup: _Lookup, said: str, *, is_known: bool) -> None:
        """Go on to the next candidate; ``is_known``: the name servers know that this one has no address."""
        lookup.told.append(f"{lookup.asked}: {said}")
        if lookup.left and (is_known or not is_complete(lookup.name)):
            self._ask_next(lookup)
        else:
            self._end(lookup, LookupFailed(", ".join(lookup.told)))

    def _end(self, lookup: _Lookup, outcome: Answer | LookupFailed) -> None:
        self._hang_up(lookup)
        self._lookups.remove(lookup)
        self._outcomes.append((lookup.name, outcome))

    def _ask_next(self, lookup: _Lookup) -> None:
        self._hang_up(lookup)
        lookup.asked = lookup.left.pop(0)
        lookup.silent = list(range(len(self._conf.servers)))
        lookup.tries = 0
        lookup.until = time.monotonic() + _PATIENCE
        self._compose(lookup)
        self._try(lookup)

    def _compose(self, lookup: _Lookup) -> None:
        lookup.message = question(
            int.from_bytes(os.urandom(2), "big"), lookup.asked, self._family, extended=lookup.is_extended
        )

    def _try(self, lookup: _Lookup) -> None:
        server = lookup.silent[lookup.tries % len(lookup.silent)]
        lookup.tries += 1
        lookup.next_try = time.monotonic() + _NEXT_TRY
        self._send(lookup, server)

    def _send(self, lookup: _Lookup, server: int) -> None:
        try:
            if server not in lookup.sockets:
                self._call(lookup, server)
            lookup.sockets[server].send(lookup.message)
        except OSError as error:
            self._refused(lookup, server, error.strerror or str(error))

    def _call(self, lookup: _Lookup, server: int) -> None:
        """A socket of its own for each question: its random port is half of what a forger would have to guess."""
        address = self._conf.servers[server]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        line = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        lookup.sockets[server] = line
        self._selector.register(line, selectors.EVENT_READ, (lookup, server))
        line.connect((address, self._port))

    def _hang_up(self, lookup: _Lookup) -> None:
        for server in list(lookup.sockets):
            self._forget(lookup, server)

    def _forget(self, lookup: _Lookup, server: int) -> None:
        line = lookup.sockets.pop(server, None)
        if line is not None:
            self._selector.unregister(line)
            line.close()
