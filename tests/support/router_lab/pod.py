# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An egress pod's namespace, and the client that uses it."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, field

from tests.support.capture import inside
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.router import HEALTH, Router


@dataclass
class Pod:
    """A pod's namespace with its client's; ``node`` is where its router plugs in."""

    name: str
    client: str
    node: Node
    net: Net
    routers: list[Router] = field(default_factory=list)

    def start(self, *options: str, **env: str) -> Router:
        router = Router((self.name, self.node.name), self.net, options, env, self.is_healthy)
        self.routers.append(router)
        return router

    def connect(self, port: int = 80, timeout: float = 2.0, address: str | None = None) -> socket.socket:
        """A TCP connection from the client, to the pod unless told otherwise."""
        with inside(self.client):
            connection = socket.socket(self.net.family, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect((address or self.net.pod, port))
        except OSError:
            connection.close()
            raise
        return connection

    def ask(self, port: int = 80, timeout: float = 2.0) -> str:
        """The address that the remote application saw, and its own."""
        with self.connect(port, timeout) as connection:
            return talk(connection)

    def is_served(self, port: int = 80) -> bool:
        """Whether a client gets an answer within half a second."""
        try:
            return bool(self.ask(port, 0.5))
        except OSError:
            return False

    def udp(self, data: bytes = b"?", port: int = 53) -> bytes:
        """The remote application's answer to a datagram."""
        with inside(self.client):
            datagram = socket.socket(self.net.family, socket.SOCK_DGRAM)
        with datagram:
            datagram.settimeout(2)
            datagram.connect((self.net.pod, port))
            datagram.send(data)
            return datagram.recv(2048)

    def http(self, path: str) -> tuple[int, str]:
        """Status and body from the health port."""
        with self.connect(HEALTH) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _blank, body = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def is_healthy(self) -> bool:
        """Whether the kubelet would send clients here."""
        try:
            return self.http("/readyz")[0] == 200
        except OSError:
            return False

    def metric(self, line: str) -> float:
        """The value of the metric whose line begins so."""
        _status, text = self.http("/metrics")
        found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])


def talk(connection: socket.socket) -> str:
    """One line there and back: the address that the remote application saw, and its own."""
    connection.sendall(b"?\n")
    return connection.recv(1024).decode().strip()


def forward_policy(pod: Pod) -> str:
    """What happens to packets that no rule of the pod's forward chain accepts."""
    listed = run("ip", "netns", "exec", pod.name, "nft", "--json", "list", "chain", "inet", "egress", "forward")
    policy: str = next(item["chain"]["policy"] for item in json.loads(listed)["nftables"] if "chain" in item)
    return policy
