# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The health port: open while the data path stands, closed otherwise; it speaks HTTP if asked.

A tcpSocket probe, as the article's, needs no more than the connect.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Final

from egress_router.watch import Watch

# Seconds that one client may take to ask, and to hear; requests are answered one after the other.
_PATIENCE: Final = 1.0
_LONGEST_REQUEST: Final = 8192
_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """An answer: HTTP's status, the body and its type."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


class HealthPort:
    """A TCP listener on every address of the pod."""

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
        # close() alone would leave accept() waiting in its thread, and with it the port open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        for watch in self._watches.values():
            watch.close()
        log.info("health port closed port=%d", self._port)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _client = listener.accept()
            except OSError:
                return
            try:
                stays = self._answer(connection)
            except OSError:
                # A probe that connects and leaves is what this port is for.
                stays = False
            if not stays:
                connection.close()

    def _answer(self, connection: socket.socket) -> bool:
        """Whether the client stays connected."""
        request, end = b"", time.monotonic() + _PATIENCE
        while b"\r\n\r\n" not in request and len(request) < _LONGEST_REQUEST:
            connection.settimeout(max(0.001, end - time.monotonic()))
            part = connection.recv(_LONGEST_REQUEST)
            if not part:
                return False
            request += part
        line = request.split(b"\r\n", 1)[0].decode("ascii", errors="replace")
        connection.settimeout(_PATIENCE)
        if watch := self._watch(line):
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/jsonl\r\n\r\n")
            watch.add(connection)
            return True
        page = self._page(line)
        body = page.text.encode()
        head = (
            f"HTTP/1.0 {page.status} {_REASONS[page.status]}\r\n"
            f"Content-Type: {page.content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        return False

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


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
