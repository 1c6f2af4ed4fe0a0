# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A door in front of an API server: shut, the server is away for those who come through it, and for nobody else."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import yaml


class Door:
    """Forwards a port of loopback to another while it is open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._passing: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._admit, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse who comes, and cut off who is in."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            passing, self._passing = self._passing, set()
        for item in passing:
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """The original kubeconfig, by way of this door."""
        config = yaml.safe_load(original.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        path.write_text(yaml.safe_dump(config))
        return path

    def _admit(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                guest, _address = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._passing |= {guest, server}
                for ends in ((guest, server), (server, guest)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for item in (source, sink):
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
