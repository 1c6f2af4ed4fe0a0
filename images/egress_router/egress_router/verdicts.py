# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whether the destinations answer, tried from the leased address: by TCP connections that end as soon as they stand."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from threading import Event, Thread
from typing import Final

from egress_router.config import Probe, Protocol, ServedPort
from egress_router.family import IPV4, Address
from egress_router.ruleset import MARK, Route

# linux/in.h, in6.h, errqueue.h: struct sock_extended_err, and behind it the address of who sent the error.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
_BY_ICMP: Final = (2, 3)
# RFC 1812 §5.2.7.1, RFC 4443 §3.1: type and code of errors that say "forbidden" and "this port is closed".
_FORBIDDEN: Final = {4: ((3, 9), (3, 10), (3, 13)), 6: ((1, 1), (1, 5), (1, 6))}
_CLOSED: Final = {4: (3, 3), 6: (1, 4)}
_MOST_AT_ONCE: Final = 128

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What a destination does with a connection from the leased address; the last is about the address's own ports."""

    OPEN = "Open"
    REFUSED = "Refused"
    SILENT = "Silent"
    PROHIBITED = "Prohibited"
    NO_ROUTE = "NoRoute"
    NAME_UNKNOWN = "NameUnknown"
    PORTS_EXHAUSTED = "PortsExhausted"


@dataclass(frozen=True)
class Finding:
    """``by``: the station that forbade it or knows no way, if it said so."""

    verdict: Verdict
    address: Address | None = None
    by: str | None = None


@dataclass
class _Try:
    port: ServedPort
    route: Route
    line: socket.socket
    until: float


@dataclass(frozen=True)
class Choice:
    """Where a served port may lead: the route in use first, then those by other addresses of the same name."""

    name: str | None
    routes: tuple[Route, ...]


Choices = Mapping[ServedPort, Choice]


class Verdicts:
    """Tries the destinations again and again, in a thread of its own."""

    def __init__(
        self,
        source: Address,
        probe: Probe,
        choices: Callable[[], Choices | None],
        on_better: Callable[[str, Address], None],
        on_change: Callable[[], None],
    ) -> None:
        """``choices``: what to try, None for nothing now.

        Both are called in the thread: ``on_better`` with a name and another of its addresses that serves more of its
        ports than the one in use, ``on_change`` after a round that found something else than the one before.
        """
        self._source = source
        self._probe = probe
        self._choices = choices
        self._on_better = on_better
        self._on_change = on_change
        self._stopped = Event()
        self._found: dict[ServedPort, Finding] = {}

    def start(self) -> None:
        """Begin, unless probing is off."""
        if self._probe.interval:
            Thread(target=self._run, name="verdicts", daemon=True).start()

    def stop(self) -> None:
        """Try no more."""
        self._stopped.set()

    def findings(self) -> Mapping[ServedPort, Finding]:
        """The last verdict of each TCP port that was tried."""
        return self._found

    def _run(self) -> None:
        # Until there is something to try, the router is starting.
        wait = 0.2
        while not self._stopped.wait(wait):
            choices = self._choices()
            wait = 0.2
            if choices is not None:
                try:
                    self._look(choices)
                except OSError as error:
                    log.warning("destinations can't be tried: %s", error)
                wait = float(self._probe.interval)

    def _look(self, choices: Choices) -> None:
        former = self._found
        tcp = {port: choice for port, choice in choices.items() if port.protocol is Protocol.TCP}
        found = dict(self._try_all([(port, choice.routes[0]) for port, choice in tcp.items() if choice.routes]))
        unknown = {port: Finding(Verdict.NAME_UNKNOWN) for port, choice in tcp.items() if not choice.routes}
        self._found = self._with_others(tcp, {port: finding for (port, _route), finding in found.items()} | unknown)
        if self._found != former:
            self._on_change()

    def _with_others(self, choices: Choices, found: Mapping[ServedPort, Finding]) -> dict[ServedPort, Finding]:
        """Where the address in use fails a second time, another of its name may serve more of that name's ports."""
        names = {
            choice.name
            for port, choice in choices.items()
            if choice.name and len(choice.routes) > 1 and found[port].verdict is not Verdict.OPEN
        }
        of_name = {name: [port for port in choices if choices[port].name == name] for name in sorted(names)}
        all_ports = [port for ports in of_name.values() for port in ports]
        again = self._try_all([(port, route) for port in all_ports for route in choices[port].routes])
        better = dict(found)
        for name, ports in of_name.items():
            by_address = _by_address(ports, again)
            current = choices[ports[0]].routes[0][0]
            # The first of equals: the one in use.
            best = max(by_address, key=lambda address: _open_in(by_address[address]))
            better |= by_address[best]
            if best != current:
                self._on_better(name, best)
        return better

    def _try_all(self, targets: list[tuple[ServedPort, Route]]) -> dict[tuple[ServedPort, Route], Finding]:
        """Side by side, so many at once."""
        found: dict[tuple[ServedPort, Route], Finding] = {}
        for first in range(0, len(targets), _MOST_AT_ONCE):
            found |= self._try_some(targets[first : first + _MOST_AT_ONCE])
        return found

    def _try_some(self, targets: list[tuple[ServedPort, Route]]) -> dict[tuple[ServedPort, Route], Finding]:
        found: dict[tuple[ServedPort, Route], Finding] = {}
        with ExitStack() as stack, selectors.DefaultSelector() as selector:
            for port, route in targets:
                line = stack.enter_context(self._line(route[0]))
                code = _connect(line, self._source, route)
                if code != errno.EINPROGRESS:
                    found[port, route] = _finding(code, line, route[0])
                else:
                    selector.register(line, selectors.EVENT_WRITE, (port, route))
            end = time.monotonic() + self._probe.timeout
            while selector.get_map() and (left := end - time.monotonic()) > 0:
                for key, _events in selector.select(left):
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    selector.unregister(ready)
                    code = ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    found[key.data] = _finding(code, ready, key.data[1][0])
            for key in selector.get_map().values():
                found[key.data] = Finding(Verdict.SILENT, key.data[1][0])
        return found

    @staticmethod
    def _line(address: Address) -> socket.socket:
        family = socket.AF_INET if address.version == IPV4.version else socket.AF_INET6
        line = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # The mark chooses the same routing table as for clients.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        if family == socket.AF_INET:
            line.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            line.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        return line


def _by_address(
    ports: Collection[ServedPort], found: Mapping[tuple[ServedPort, Route], Finding]
) -> dict[Address, dict[ServedPort, Finding]]:
    """What was found at each address of a name, the one in use first."""
    grouped: dict[Address, dict[ServedPort, Finding]] = {}
    for (port, (address, _number)), finding in found.items():
        if port in ports:
            grouped.setdefault(address, {})[port] = finding
    return grouped


def _open_in(findings: Mapping[ServedPort, Finding]) -> int:
    return sum(finding.verdict is Verdict.OPEN for finding in findings.values())


def _connect(line: socket.socket, source: Address, route: Route) -> int:
    """The error number, EINPROGRESS for none yet."""
    try:
        line.bind((str(source), 0))
    except OSError as error:
        return error.errno or errno.EIO
    return line.connect_ex((str(route[0]), route[1]))


def _finding(code: int, line: socket.socket, address: Address) -> Finding:
    if code == 0:
        return Finding(Verdict.OPEN, address)
    if code == errno.ETIMEDOUT:
        return Finding(Verdict.SILENT, address)
    kind, by = _told_by(line, address)
    if kind in _FORBIDDEN[address.version] or code in (errno.EACCES, errno.EPERM):
        return Finding(Verdict.PROHIBITED, address, by)
    if kind == _CLOSED[address.version] and by != str(address):
        # A firewall that rejects in the destination's name.
        return Finding(Verdict.PROHIBITED, address, by)
    if code in (errno.ECONNREFUSED, errno.ECONNRESET):
        return Finding(Verdict.REFUSED, address)
    return Finding(Verdict.NO_ROUTE, address, by or os.strerror(code))


def _told_by(line: socket.socket, address: Address) -> tuple[tuple[int, int] | None, str | None]:
    """Type and code of the ICMP error, if there was one, and who sent it."""
    with suppress(OSError):
        _data, ancillary, _flags, _from = line.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        for _level, _kind, content in ancillary:
            _number, origin, kind, code, _pad, _info, _more = _EXTENDED_ERROR.unpack_from(content)
            if origin in _BY_ICMP:
                offender = content[_EXTENDED_ERROR.size :]
                packed = offender[4:8] if address.version == IPV4.version else offender[8:24]
                return (kind, code), str(ip_address(packed))
    return None, None
