# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The handler of a small HTTP server that a test starts: it answers with JSON and says nothing of it."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Answers a request when ``do_GET`` or another method of the kind calls ``answer``."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: Any) -> None:
        """The whole answer to a request; the connection stays."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
