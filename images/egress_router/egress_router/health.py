# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The health port: open as long as the router runs; it speaks HTTP if asked.

A tcpSocket probe, as the article's for whether it is alive, needs no more than the connect. Whether it serves is told
by a page, for what doesn't serve may well come right by itself, and must not be ended for it.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Final

from egress_router.watch import Watch

# Seconds that one client may take to ask and to hear.
_PATIENCE: Final = 2.0
_MOST_CLIENTS: Final = 64
# As many as the kernel takes (net.core.somaxconn): they wait there while a page is made.
_BACKLOG: Final = 4096
_LONGEST_REQUEST: Final = 8192
_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """An answer: HTTP's status, the body and its type."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


class _Client:
    """One that is still asking, or still hearing."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.until = time.monotonic() + _PATIENCE
        self.request = b""
        self.answer: bytes | None = None


class _Crowd:
    """The clients that are there, the longest first: of too many the first has to go, and so has whose time is over."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._clients: OrderedDict[_Client, None] = OrderedDict()

    def ready(self) -> list[_Client]:
        """Wait until somebody comes, can go on or is too late: those that can go on."""
        first = next(iter(self._clients), None)
        keys = self._selector.select(None if first is None else max(0.0, first.until - time.monotonic()))
        while (first := next(iter(self._clients), None)) and first.until <= time.monotonic():
            self.end(first)
        return [key.data for key, _events in keys if key.data in self._clients]

    def accept_all(self) -> bool:
        """Take in who waits; whether the listener goes on."""
        for _number in range(_MOST_CLIENTS):
            try:
                line, _address = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                # EINVAL: it was shut down. All else is about one that had come and is gone (Linux, accept(2)).
                return error.errno != errno.EINVAL
            line.setblocking(False)
            client = _Client(line)
            self._clients[client] = None
            self._selector.register(line, selectors.EVENT_READ, client)
            if len(self._clients) > _MOST_CLIENTS:
                self.end(next(iter(self._clients)))
        return True

    def __contains__(self, client: _Client) -> bool:
        return client in self._clients

    def answer(self, client: _Client, answer: bytes) -> None:
        """From now on the client is told."""
        client.answer = answer
        self._selector.modify(client.line, selectors.EVENT_WRITE, client)

    def release(self, client: _Client) -> socket.socket:
        """The client's connection, which is somebody else's concern now."""
        del self._clients[client]
        self._selector.unregister(client.line)
        return client.line

    def end(self, client: _Client) -> None:
        self.release(client).close()

    def close(self) -> None:
        """Hang up on all, and on the listener."""
        for client in list(self._clients):
            self.end(client)
        self._selector.close()
        self._listener.close()


class HealthPort:
    """A TCP listener on every address of the pod.

    Whoever connects is accepted at once, and no client waits for another: how many may be there, how long each may take
    and how much it may send are bounded, so that a crowd of them shuts the port to no probe.
    """

    def __init__(
        self, port: int, pages: Mapping[str, Callable[[], Page]], watches: Mapping[str, Watch] | None = None
    ) -> None:
        """``pages``: by path; each is made anew for each request. ``watches``: by path, asked for by ``?watch``."""
        self._port = port
        self._pages = pages
        self._watches = watches or {}
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Listen, if not yet; raise OSError."""
        if self._listener is not None:
            return
        self._listener = _listen(self._port)
        Thread(target=self._serve, args=(self._listener,), name="health", daemon=True).start()
        log.info("health port open port=%d", self._port)

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._listener is None:
            return
        # Ends the thread, which closes it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener = None
        self.hang_up()
        log.info("health port closed port=%d", self._port)

    def hang_up(self) -> None:
        """End the watches: what they were told is no longer so."""
        for watch in self._watches.values():
            watch.close()

    def _serve(self, listener: socket.socket) -> None:
        """Until the listener is shut down."""
        crowd = _Crowd(listener)
        while True:
            ready = crowd.ready()
            if not crowd.accept_all():
                break
            for client in ready:
                if client in crowd:
                    self._attend(client, crowd)
                    # A page may take its time: nobody waits at the door for more than one.
                    crowd.accept_all()
        crowd.close()

    def _attend(self, client: _Client, crowd: _Crowd) -> None:
        try:
            if client.answer is None:
                self._hear(client, crowd)
            else:
                client.answer = client.answer[client.line.send(client.answer) :]
                if not client.answer:
                    crowd.end(client)
        except OSError:
            # A probe that connects and leaves is what this port is for.
            crowd.end(client)

    def _hear(self, client: _Client, crowd: _Crowd) -> None:
        part = client.line.recv(_LONGEST_REQUEST)
        client.request += part
        if not part:
            crowd.end(client)
        elif b"\r\n\r\n" in client.request or len(client.request) >= _LONGEST_REQUEST:
            line = client.request.split(b"\r\n", 1)[0].decode("ascii", errors="replace")
            if watch := self._watch(line):
                client.line.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/jsonl\r\n\r\n")
                watch.add(crowd.release(client))
            else:
                crowd.answer(client, _http(self._page(line)))

    def _watch(self, line: str) -> Watch | None:
        method, _blank, rest = line.partition(" ")
        path, _mark, query = rest.split(" ", 1)[0].partition("?")
        return self._watches.get(path) if method == "GET" and query == "watch" else None

    def _page(self, line: str) -> Page:
        method, _blank, rest = line.partition(" ")
        if method != "GET":
            return Page(405, "GET only\n")
        make = self._pages.get(rest.split(" ", 1)[0].partition("?")[0])
        return make() if make else Page(404, f"{' or '.join(self._pages)}\n")


def _http(page: Page) -> bytes:
    body = page.text.encode()
    head = (
        f"HTTP/1.0 {page.status} {_REASONS[page.status]}\r\n"
        f"Content-Type: {page.content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        made = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    else:
        made = socket.create_server(("", port), backlog=_BACKLOG)
    made.setblocking(False)
    return made
