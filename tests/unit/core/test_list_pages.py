# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A list is read in pages that are never longer than one page may be, unless it is of a single object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import SERVICE
from ansible_collections.avi.egress.plugins.module_utils.client import kube_client
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

LONGEST = 10_000


class Server(ThreadingHTTPServer):
    """Lists objects of these sizes, and notes which limit it was asked with."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sizes = sizes
        self.limits: list[int] = []


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = {key: int(value) for key, (value,) in parse_qs(urlsplit(self.path).query).items()}
        first, limit = query.get("continue", 0), query["limit"]
        self.server.limits.append(limit)
        shown = self.server.sizes[first : first + limit]
        items = [{"metadata": {"name": f"s{first + number}", "x": "x" * size}} for number, size in enumerate(shown)]
        more = {"continue": str(first + limit)} if first + limit < len(self.server.sizes) else {}
        body = json.dumps({"metadata": {"resourceVersion": "7", **more}, "items": items}).encode()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (body[start : start + 4096] for start in range(0, len(body), 4096)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_arguments: object) -> None:
        """Nothing: it is read by nobody."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # A page that was too long is put away unread.
            self.close_connection = True


@pytest.fixture(params=[[10] * 600, [9000] * 5, [10] * 300 + [3000] * 9 + [50_000] + [10] * 300], ids="sdm")
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(kube_client, "LONGEST_PAGE", LONGEST)
    monkeypatch.setattr(kube_client, "LIST_PAGE_SIZE", 64)
    with Server(request.param) as found:
        thread = Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_a_list_is_whole_and_in_order_and_its_pages_are_short(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    loads = json.loads
    monkeypatch.setattr(kube_client.json, "loads", lambda text: parsed.append(len(text)) or loads(text))
    client = KubeClient(Connection(host=f"http://127.0.0.1:{server.server_port}", api_key="token"))
    items, version = client.list_with_version(SERVICE)
    assert [item["metadata"]["name"] for item in items] == [f"s{number}" for number in range(len(server.sizes))]
    assert version == "7"
    assert all(size <= max(LONGEST, max(server.sizes) + 200) for size in parsed)
    assert sum(server.limits) >= len(server.sizes)
    if max(server.sizes) == 10:
        assert server.limits == [64] * 10, "short objects cost no request more"
    else:
        assert server.limits[-1] > min(server.limits) or len(set(server.sizes)) == 1, "it grows again"
