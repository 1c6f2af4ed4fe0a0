# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""HTTP server for kubelet and Prometheus: /healthz, /readyz, /metrics."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable

TEXT = "text/plain; charset=utf-8"
METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

Answer = tuple[int, str, bytes]


class HealthServer(ThreadingHTTPServer):
    """Answers from threads of its own; IPv4 and IPv6 when no address is given."""

    daemon_threads = True

    def __init__(
        self,
        address: str,
        port: int,
        *,
        healthy: Callable[[], bool],
        ready: Callable[[], bool],
        metrics: Callable[[], bytes],
    ) -> None:
        self.healthy = healthy
        self.ready = ready
        self.metrics = metrics
        if socket.has_dualstack_ipv6() and not address:
            self.address_family = socket.AF_INET6
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()

    def answer(self, path: str) -> Answer:
        if path == "/metrics":
            return 200, METRICS_TEXT, self.metrics()
        checks = {"/healthz": self.healthy, "/readyz": self.ready}
        if path not in checks:
            return 404, TEXT, b"try /healthz, /readyz or /metrics\n"
        return (200, TEXT, b"ok\n") if checks[path]() else (503, TEXT, b"not yet\n")


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self) -> None:
        status, kind, body = self.server.answer(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every second; they are not worth a line."""
