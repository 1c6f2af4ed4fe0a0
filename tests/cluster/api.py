# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Reading from the API server with the standard library: the waits need no more, and it costs no start-up time."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from tests.cluster.layout import Layout

_TIMEOUT_SECONDS = 5


class Api:
    """The administrator's view of the API server, by way of the loopback port."""

    def __init__(self, layout: Layout) -> None:
        self._port = layout.api_port
        self._tls = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self._tls.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, str]:
        """Status and text of the answer. Raises OSError when there is no answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS, context=self._tls)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": kind})
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as failure:
            raise ConnectionError(str(failure)) from failure
        finally:
            connection.close()

    def ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def ready_nodes(self) -> set[str]:
        """The names of the nodes whose Ready condition is True; empty when the API server does not answer."""
        try:
            status, text = self.request("GET", "/api/v1/nodes")
        except OSError:
            return set()
        if status != 200:
            return set()
        return {
            node["metadata"]["name"]
            for node in json.loads(text)["items"]
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True"
        }
