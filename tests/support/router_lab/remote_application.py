# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The remote application: what firewalls on the outside LAN stand in front of."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress

from tests.support.capture import inside


class RemoteApplication:
    """Tells each peer the address it has, over TCP (a line for each line, or one HTTP answer) and UDP."""

    def __init__(self, namespace: str, address: str) -> None:
        self.peers: Counter[str] = Counter()
        self._address = address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(namespace):
            self._tcp = socket.create_server((address, 8080), family=family, backlog=128)
            self._udp = socket.socket(family, socket.SOCK_DGRAM)
            self._udp.bind((address, 5353))
        for target in (self._serve_tcp, self._serve_udp):
            threading.Thread(target=target, daemon=True).start()

    def close(self) -> None:
        for listener in (self._tcp, self._udp):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, peer = self._tcp.accept()
                self.peers[peer[0]] += 1
                threading.Thread(target=self._talk, args=(connection, peer[0]), daemon=True).start()

    def _talk(self, connection: socket.socket, peer: str) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            while line := connection.recv(1024):
                body = f"{peer} {self._address}\n".encode()
                if line.startswith(b"GET "):
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)
                    return
                connection.sendall(body)

    def _serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                data, peer = self._udp.recvfrom(2048)
                if peer is None:  # closed
                    return
                self.peers[peer[0]] += 1
                if data == b"large":
                    self._udp.sendto(bytes(1400), peer)
                else:
                    self._udp.sendto(f"{peer[0]} {self._address}\n".encode(), peer)
