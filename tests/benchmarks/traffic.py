# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is sent along a path to the remote application, and how fast that goes: one connection at a time."""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.support.capture import inside

PORT = 9000
"""The remote application's."""
CHUNK = 1 << 20
_ANSWER_SECONDS = 5.0
_HANG_UP = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER with no time: closing resets, so that neither end keeps the port."""


@dataclass(frozen=True)
class Path:
    """A way to the remote application: from a namespace to an address and port."""

    namespace: str
    address: str
    port: int = PORT

    def connect(self) -> socket.socket:
        """A connection by that way."""
        with inside(self.namespace):
            return socket.create_connection((self.address, self.port), _ANSWER_SECONDS)


@contextmanager
def remote_application(namespace: str, address: str) -> Iterator[None]:
    """By a connection's first byte the remote end takes (u), sends (d) or repeats (r); a process of its own."""
    context = multiprocessing.get_context("fork")
    listening = context.Event()
    server = context.Process(target=_serve, args=(namespace, address, listening.set), daemon=True)
    server.start()
    try:
        assert listening.wait(10), "the remote application does not listen"
        yield
    finally:
        server.kill()
        server.join()


def gigabits_up(path: Path, seconds: float) -> float:
    """Gigabits a second to the remote application."""
    buffer = bytearray(CHUNK)
    return _gigabits(path, b"u", seconds, lambda connection: connection.send(buffer))


def gigabits_down(path: Path, seconds: float) -> float:
    """Gigabits a second from the remote application."""
    buffer = bytearray(CHUNK)
    return _gigabits(path, b"d", seconds, lambda connection: connection.recv_into(buffer))


def connections(path: Path, seconds: float) -> float:
    """Connections a second, one after the other."""
    done, start = 0, time.monotonic()
    with inside(path.namespace):
        while time.monotonic() - start < seconds:
            with socket.create_connection((path.address, path.port), _ANSWER_SECONDS) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
            done += 1
    return done / (time.monotonic() - start)


def round_trip(path: Path, seconds: float) -> float:
    """Microseconds from a byte to its echo, on one connection: the median."""
    taken: list[float] = []
    with path.connect() as connection:
        connection.sendall(b"r")
        end = time.monotonic() + seconds
        while (start := time.monotonic()) < end:
            connection.send(b"?")
            connection.recv(1)
            taken.append(time.monotonic() - start)
    return statistics.median(taken) * 1e6


def _gigabits(path: Path, asked: bytes, seconds: float, move: Callable[[socket.socket], int]) -> float:
    with path.connect() as connection:
        connection.sendall(asked)
        moved, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            moved += move(connection)
        return moved * 8 / 1e9 / (time.monotonic() - start)


def _serve(namespace: str, address: str, ready: Callable[[], None]) -> None:
    with inside(namespace):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, PORT), family=family, backlog=1024)
    ready()
    buffer = bytearray(CHUNK)
    while True:
        connection, _peer = listener.accept()
        with connection, suppress(OSError):
            asked = connection.recv(1)
            if asked == b"u":
                while connection.recv_into(buffer):
                    pass
            elif asked == b"d":
                while True:
                    connection.sendall(buffer)
            elif asked == b"r":
                while byte := connection.recv(1):
                    connection.send(byte)
