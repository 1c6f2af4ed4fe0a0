# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Watches of many small HTTP servers, each of which sends a line now and one at each change; one thread for all.

What is silent costs nothing but an open connection. The servers are strangers: time, length and frequency of what they
send are bounded, and nothing of it is interpreted here.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import logging
import os
import resource
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Callable, Final, Generic, Hashable, Mapping, TypeVar

from egress_controller.runtime.logs import line

G = TypeVar("G", bound=Hashable)

ANSWER_SECONDS: Final = 5.0
"""For the connection and the head of the answer."""
REST_SECONDS: Final = 2.0
"""After a line nothing is read for so long: a server that never stops talking gets no more attention than that."""
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 60.0
LONGEST_LINE: Final = 64 * 1024
_CHUNK: Final = 16 * 1024
_KEEPALIVE: Final = (120, 30, 3)
"""Seconds of silence, seconds between questions, questions: a peer that is gone without a word is noticed."""
_FILES_FOR_OTHERS: Final = 512

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """Where a watch is asked for: an IP address, a TCP port and a path with its query."""

    address: str
    port: int
    path: str


@dataclass(frozen=True)
class Heard:
    """What has come of a watch: the last line, without its newline, or why there is none to be had."""

    line: bytes | None = None
    trouble: str | None = None


Hears = Mapping[Endpoint, Heard]
"""What has been heard of each of a group; Heard() of those that have not said anything yet."""


class _Phase(Enum):
    WAITING = auto()
    CONNECTING = auto()
    HEAD = auto()
    LINES = auto()
    RESTING = auto()


class _Watch(Generic[G]):
    """One connection, and when it is due."""

    def __init__(self, group: G, endpoint: Endpoint) -> None:
        self.group = group
        self.endpoint = endpoint
        self.heard = Heard()
        self.phase = _Phase.WAITING
        self.socket: socket.socket | None = None
        self.buffer = b""
        self.due: float | None = None
        self.delay = FIRST_RETRY_SECONDS
        self.since = 0.0
        self.ended = False


class LineWatches(Generic[G]):
    """Watches in groups, such as those of one object. Thread-safe."""

    def __init__(self, on_news: Callable[[G], None]) -> None:
        """``on_news`` is called in the thread when something else is heard of a group; it must not wait."""
        self._on_news = on_news
        self._lock = threading.Lock()
        self._groups: dict[G, dict[Endpoint, _Watch[G]]] = {}
        self._is_known: dict[G, Callable[[Hears], bool]] = {}
        """Of groups in which some have not said anything yet."""
        self._changed: deque[_Watch[G]] = deque()
        self._timers: list[tuple[float, int, _Watch[G]]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._most = _files() - _FILES_FOR_OTHERS
        self._open = 0

    def start(self) -> None:
        threading.Thread(target=self._run, name="line-watches", daemon=True).start()

    def follow(
        self, group: G, endpoints: frozenset[Endpoint], is_known: Callable[[Hears], bool] = lambda heard: False
    ) -> Hears:
        """From now on watch these of a group and no others; gives what has been heard of each so far.

        Until each has been heard, ``is_known`` is asked, in the thread, whether what they say is no news.
        """
        with self._lock:
            former = self._groups.get(group, {})
            if former.keys() != endpoints:
                is_awake = bool(self._changed)
                self._groups[group] = {
                    endpoint: former.get(endpoint) or _Watch(group, endpoint) for endpoint in endpoints
                }
                self._changed += (self._groups[group][endpoint] for endpoint in endpoints - former.keys())
                self._changed += (former[endpoint] for endpoint in former.keys() - endpoints)
                for endpoint in former.keys() - endpoints:
                    former[endpoint].ended = True
                if not endpoints:
                    del self._groups[group]
                if not is_awake:  # Else it will see this too; a send makes way for other threads, at each of them.
                    self._wake.send(b".")
            self._is_known[group] = is_known
            return self._heard(group)

    def _heard(self, group: G) -> Hears:
        found = {endpoint: watch.heard for endpoint, watch in self._groups.get(group, {}).items()}
        if Heard() not in found.values():
            self._is_known.pop(group, None)
        return found

    def _run(self) -> None:
        while True:
            try:
                self._round()
            except Exception as error:  # One defect must not end all watches.
                _log.error(line("line-watches", error=error), exc_info=error)
                time.sleep(FIRST_RETRY_SECONDS)

    def _round(self) -> None:
        pause = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        if self._changed:
            pause = 0.0  # What a defect has kept the last round from.
        for key, _events in self._selector.select(pause):
            if key.data is None:
                self._woken.recv(_CHUNK)
            elif not key.data.ended:
                self._attend(key.data, self._proceed)
        with self._lock:
            changed = list(self._changed)
            self._changed.clear()
        for watch in changed:
            if watch.ended:
                self._hang_up(watch)
            else:
                self._attend(watch, self._connect)
        self._fire()

    def _fire(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _order, watch = heapq.heappop(self._timers)
            if watch.due == due and not watch.ended:
                watch.due = None
                self._attend(watch, self._is_due)

    def _attend(self, watch: _Watch[G], act: Callable[[_Watch[G]], None]) -> None:
        try:
            act(watch)
        except OSError as error:
            self._lose(watch, os.strerror(error.errno) if error.errno else str(error))

    def _is_due(self, watch: _Watch[G]) -> None:
        if watch.phase is _Phase.WAITING:
            self._connect(watch)
        elif watch.phase is _Phase.RESTING:
            watch.phase = _Phase.LINES
            self._select(watch, selectors.EVENT_READ)
        else:
            self._fail(watch, f"no answer for {ANSWER_SECONDS:g} s")

    def _connect(self, watch: _Watch[G]) -> None:
        if self._open >= self._most:
            raise OSError(errno.EMFILE, "")
        endpoint = watch.endpoint
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        watch.socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._open += 1
        watch.phase, watch.buffer, watch.since = _Phase.CONNECTING, b"", time.monotonic()
        code = watch.socket.connect_ex((endpoint.address, endpoint.port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "")
        self._select(watch, selectors.EVENT_WRITE)
        self._set_due(watch, ANSWER_SECONDS)

    def _proceed(self, watch: _Watch[G]) -> None:
        assert watch.socket is not None
        if watch.phase is _Phase.CONNECTING:
            if code := watch.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, "")
            _keep_alive(watch.socket)
            watch.socket.send(f"GET {watch.endpoint.path} HTTP/1.0\r\n\r\n".encode())
            watch.phase = _Phase.HEAD
            self._selector.modify(watch.socket, selectors.EVENT_READ, watch)
            return
        part = watch.socket.recv(_CHUNK)
        watch.buffer += part
        if watch.phase is _Phase.HEAD:
            self._read_head(watch)
        if watch.phase is _Phase.LINES:
            self._read_lines(watch)
        if not part and watch.socket:
            self._lose(watch, "it hung up")
        elif len(watch.buffer) > LONGEST_LINE:
            self._fail(watch, f"its answer is longer than {LONGEST_LINE} bytes")

    def _read_head(self, watch: _Watch[G]) -> None:
        head, end, rest = watch.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        version, _blank, status = head.partition(b"\r\n")[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not status.startswith(b"200"):
            self._fail(watch, "it knows no such watch")
            return
        watch.buffer, watch.phase, watch.due = rest, _Phase.LINES, None
        self._hear(watch, Heard(watch.heard.line))

    def _read_lines(self, watch: _Watch[G]) -> None:
        lines, end, rest = watch.buffer.rpartition(b"\n")
        if not end:
            return
        watch.buffer, watch.phase = rest, _Phase.RESTING
        assert watch.socket is not None
        self._selector.unregister(watch.socket)
        self._set_due(watch, REST_SECONDS)
        self._hear(watch, Heard(lines.rpartition(b"\n")[2]))

    def _lose(self, watch: _Watch[G], trouble: str) -> None:
        """The connection is over; a server that has told something is asked once more before anybody hears of it."""
        has_told = watch.phase is _Phase.LINES and watch.heard.line is not None
        self._fail(watch, None if has_told else trouble)

    def _fail(self, watch: _Watch[G], trouble: str | None) -> None:
        """Try again later, the later the oftener it fails."""
        lasted = watch.socket is not None and time.monotonic() - watch.since > LONGEST_RETRY_SECONDS
        self._hang_up(watch)
        if lasted:
            watch.delay = FIRST_RETRY_SECONDS
        watch.phase = _Phase.WAITING
        self._set_due(watch, watch.delay)
        watch.delay = min(2 * watch.delay, LONGEST_RETRY_SECONDS)
        if trouble:
            self._hear(watch, Heard(trouble=trouble))

    def _hear(self, watch: _Watch[G], heard: Heard) -> None:
        with self._lock:
            is_news = watch.heard != heard and not watch.ended
            watch.heard = heard
            is_known = self._is_known.get(watch.group)
            found = self._heard(watch.group)
        if is_news and not (is_known and is_known(found)):
            self._on_news(watch.group)

    def _select(self, watch: _Watch[G], events: int) -> None:
        assert watch.socket is not None
        self._selector.register(watch.socket, events, watch)

    def _set_due(self, watch: _Watch[G], seconds: float) -> None:
        watch.due = time.monotonic() + seconds
        heapq.heappush(self._timers, (watch.due, next(self._order), watch))

    def _hang_up(self, watch: _Watch[G]) -> None:
        watch.due = None
        if watch.socket is not None:
            if watch.socket.fileno() in self._selector.get_map():
                self._selector.unregister(watch.socket)
            watch.socket.close()
            watch.socket, watch.buffer = None, b""
            self._open -= 1


def _keep_alive(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip((socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT), _KEEPALIVE, strict=True):
        client.setsockopt(socket.IPPROTO_TCP, option, value)


def _files() -> int:
    """How many files this process may have open; raised to what its surroundings allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20
