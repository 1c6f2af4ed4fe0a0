# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who the proxy is for a server that knows its clients by certificates, as the local cluster's does."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from tests.cluster import pki
from tests.cluster.layout import Layout
from tests.faults import FaultProxy


class WhoAmI(BaseHTTPRequestHandler):
    """Answers with the client certificate's common name and the Authorization header."""

    def do_GET(self) -> None:
        assert isinstance(self.connection, ssl.SSLSocket)
        subject = dict(part[0] for part in (self.connection.getpeercert() or {}).get("subject", ()))
        body = json.dumps([subject.get("commonName"), self.headers.get("Authorization")]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    layout = Layout("faults", state_root=tmp_path)
    pki.create(layout)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(layout.pki / "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(layout.pki / "kube-apiserver.crt", layout.pki / "kube-apiserver.key")
    server = HTTPServer(("127.0.0.1", 0), WhoAmI)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    path = tmp_path / "kubeconfig"
    pki.write_kubeconfig(layout, "admin", f"https://127.0.0.1:{server.server_port}", path)
    yield path
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_certificate_is_shown_only_for_clients_that_bring_nothing(kubeconfig: Path, tmp_path: Path) -> None:
    def said(**headers: str) -> object:
        return requests.get(f"{proxy.url}/version", headers={"Connection": "close", **headers}, timeout=10).json()

    with FaultProxy(kubeconfig, tmp_path) as proxy:
        assert said() == ["avi-egress-admin", None]
        assert said(Authorization="Bearer tenant") == [None, "Bearer tenant"]
