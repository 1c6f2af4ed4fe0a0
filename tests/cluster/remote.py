# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The remote application: it answers with the address that it saw.

Run as `python -S -m tests.cluster.remote PORT...`:
`/` the peer's address and a newline; `/json` both ends of the connection; `/stream?seconds=N` the peer's address
every 0.1 s, on one connection.
"""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
import time
import urllib.parse
from pathlib import Path

_STREAM_INTERVAL = 0.1
_STREAM_LIMIT = 3600.0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/":
            self._answer("text/plain", f"{self.client_address[0]}\n")
        elif url.path == "/json":
            peer, peer_port = self.client_address[:2]
            local, local_port = self.connection.getsockname()[:2]
            seen = {"peer": peer, "peerPort": peer_port, "localAddress": local, "localPort": local_port}
            self._answer("application/json", json.dumps(seen) + "\n")
        elif url.path == "/stream":
            self._stream(urllib.parse.parse_qs(url.query).get("seconds", ["10"])[-1])
        else:
            self.send_error(404)

    def _answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, wish: str) -> None:
        try:
            seconds = float(wish)
        except ValueError:
            self.send_error(400, "seconds is not a number")
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Connection", "close")
        self.end_headers()
        deadline = time.monotonic() + min(seconds, _STREAM_LIMIT)
        try:
            while time.monotonic() < deadline:
                self.wfile.write(f"{self.client_address[0]}\n".encode())
                time.sleep(_STREAM_INTERVAL)
        except OSError:
            # The client left early, as long-lived connections do.
            return

    def log_message(self, format: str, *args: object) -> None:
        local, local_port = self.connection.getsockname()[:2]
        peer, peer_port = self.client_address[:2]
        sys.stderr.write(f"{time.time():.3f} {peer}:{peer_port} -> {local}:{local_port} {format % args}\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class ServerV6(Server):
    """IPv6 alone, beside a Server on the same port: IPv4 peers shall be seen as such, not as ::ffff:192.0.2.1."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


def main(ports: list[str]) -> None:
    servers = [Server(("0.0.0.0", int(port)), Handler) for port in ports]
    # A container engine's network may well have no IPv6.
    if Path("/proc/net/if_inet6").exists():
        servers += [ServerV6(("::", int(port)), Handler) for port in ports]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
