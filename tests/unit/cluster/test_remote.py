# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the remote application answers."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.cluster.remote import Handler, Server, ServerV6


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def client(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    yield connection
    connection.close()


def _get(client: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    client.request("GET", path)
    response = client.getresponse()
    return response.status, response.read().decode()


def test_the_peers_address_and_nothing_else(client: http.client.HTTPConnection) -> None:
    assert _get(client, "/") == (200, "127.0.0.1\n")


def test_each_family_is_seen_as_itself_on_one_port(port: int) -> None:
    with ServerV6(("::", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seen = []
        for address in ("::1", "127.0.0.1"):
            client = http.client.HTTPConnection(address, port, timeout=5)
            seen.append(_get(client, "/"))
            client.close()
        server.shutdown()
    assert seen == [(200, "::1\n"), (200, "127.0.0.1\n")]


def test_both_ends_on_one_kept_connection(client: http.client.HTTPConnection, port: int) -> None:
    answers = [json.loads(_get(client, "/json")[1]) for _time in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["localPort"] == port
    assert {answers[0]["peer"], answers[0]["localAddress"]} == {"127.0.0.1"}


def test_a_stream_lasts_as_long_as_asked(client: http.client.HTTPConnection) -> None:
    began = time.monotonic()
    status, text = _get(client, "/stream?seconds=0.35")
    assert status == 200
    assert time.monotonic() - began >= 0.3
    assert set(text.splitlines()) == {"127.0.0.1"}
    assert 2 <= text.count("\n") <= 4, "one every tenth of a second; fewer where the machine is busy"


@pytest.mark.parametrize(("path", "status"), [("/other", 404), ("/stream?seconds=long", 400)])
def test_other_questions_are_refused(client: http.client.HTTPConnection, path: str, status: int) -> None:
    assert _get(client, path)[0] == status
