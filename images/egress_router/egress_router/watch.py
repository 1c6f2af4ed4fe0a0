# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A watch: clients of the health port that stay connected and are sent one line now and one at each change."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Final

# The egress controller is one; a former one that has not hung up yet may be there too.
_MOST_CLIENTS: Final = 4
# Seconds that a client may take to hear a line.
_PATIENCE: Final = 1.0


class Watch:
    """Thread-safe. Of more clients than there may be, the one that has been there longest has to go."""

    def __init__(self, line: Callable[[], str | None]) -> None:
        """``line``: what there is to tell, without its newline; None for nothing yet."""
        self._line = line
        self._lock = Lock()
        self._clients: list[socket.socket] = []

    def add(self, client: socket.socket) -> None:
        """Keep a client that has heard the head of its answer, unless it can't be told."""
        with self._lock:
            self._clients.append(client)
            try:
                _tell(client, self._line())
            except OSError:
                self._drop(client)
            for former in self._clients[:-_MOST_CLIENTS]:
                self._drop(former)

    def tell(self) -> None:
        """Something changed: send every client the line as it is now."""
        with self._lock:
            line = self._line()
            for client in list(self._clients):
                try:
                    _tell(client, line)
                except OSError:
                    self._drop(client)

    def close(self) -> None:
        """Hang up on all."""
        with self._lock:
            for client in list(self._clients):
                self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._clients.remove(client)
        with suppress(OSError):
            client.close()


def _tell(client: socket.socket, line: str | None) -> None:
    if line is not None:
        client.settimeout(_PATIENCE)
        client.sendall(f"{line}\n".encode())
