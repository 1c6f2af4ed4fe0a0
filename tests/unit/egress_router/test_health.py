# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The health port's HTTP, on loopback."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from egress_router import health
from egress_router.health import HealthPort, Page
from egress_router.watch import Watch


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[int]:
    monkeypatch.setattr(health, "_PATIENCE", 0.3)
    number = free_port
    made = HealthPort(number, {"/readyz": lambda: Page(503, "why\n"), "/metrics": lambda: Page(200, "one 1\n", "x/y")})
    made.open()
    yield number
    made.close()


def test_pages_are_served_with_their_status_and_type(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics?a=b", timeout=5) as answer:
        assert (answer.status, answer.headers["Content-Type"], answer.read()) == (200, "x/y", b"one 1\n")
    for path, status, body in (("/readyz", 503, b"why\n"), ("/", 404, b"/readyz or /metrics\n")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5)
        assert (caught.value.code, caught.value.read()) == (status, body)


def test_a_watch_hears_each_change_and_holds_up_nobody(free_port: int) -> None:
    lines = ["one"]
    watch = Watch(lambda: lines[0] or None)
    made = HealthPort(free_port, {"/found": lambda: Page(200, "page\n")}, {"/found": watch})
    made.open()
    try:
        with socket.create_connection(("127.0.0.1", free_port), 5) as client, client.makefile("rb") as stream:
            client.sendall(b"GET /found?watch HTTP/1.0\r\n\r\n")
            assert stream.readline() == b"HTTP/1.0 200 OK\r\n"
            assert [stream.readline() for _line in range(3)][1:] == [b"\r\n", b"one\n"]
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/found", timeout=5) as answer:
                assert answer.read() == b"page\n"
            lines[0] = ""
            watch.tell()
            lines[0] = "two"
            watch.tell()
            assert stream.readline() == b"two\n"
            made.close()
            assert stream.readline() == b""
    finally:
        made.close()


def test_of_too_many_watches_the_oldest_has_to_go(free_port: int) -> None:
    watch = Watch(lambda: "line")
    made = HealthPort(free_port, {}, {"/found": watch})
    made.open()
    clients = [socket.create_connection(("127.0.0.1", free_port), 5) for _number in range(5)]
    try:
        for client in clients:
            client.sendall(b"GET /found?watch HTTP/1.0\r\n\r\n")
            assert client.recv(1000)
        assert b"".join(iter(lambda: clients[0].recv(1000), b"")) in (b"", b"line\n")
        watch.tell()
        assert clients[1].recv(1000).endswith(b"line\n")
    finally:
        for client in clients:
            client.close()
        made.close()


def test_what_is_no_get_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"POST /readyz HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 405 ")


def test_a_crowd_that_says_nothing_keeps_nobody_from_an_answer(free_port: int) -> None:
    """More than may be there at once, and none of them has been hung up on for its time yet."""
    made = HealthPort(free_port, {"/readyz": lambda: Page(200, "ok\n")})
    made.open()
    try:
        with ExitStack() as stack:
            for _number in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", free_port), 5))
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/readyz", timeout=1) as answer:
                assert answer.read() == b"ok\n"
    finally:
        made.close()


def test_an_answer_that_a_client_takes_slowly_comes_whole(free_port: int) -> None:
    text = "x" * 8_000_000
    made = HealthPort(free_port, {"/metrics": lambda: Page(200, text)})
    made.open()
    try:
        with socket.create_connection(("127.0.0.1", free_port), 5) as client, client.makefile("rb") as stream:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert len(stream.read().partition(b"\r\n\r\n")[2]) == len(text)
    finally:
        made.close()


def test_a_port_that_is_closed_opens_again_at_once(free_port: int) -> None:
    made = HealthPort(free_port, {"/readyz": lambda: Page(200, "ok\n")})
    for _time in range(20):
        made.open()
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/readyz", timeout=5) as answer:
            assert answer.status == 200
        made.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", free_port), 5)


def test_a_client_that_dawdles_holds_up_nobody_for_long(port: int) -> None:
    """Byte by byte it would keep the one thread for hours."""
    with socket.create_connection(("127.0.0.1", port), 5) as slow:
        ended = threading.Event()

        def dawdle() -> None:
            try:
                while not ended.wait(0.05):
                    slow.sendall(b"G")
            except OSError:
                return

        thread = threading.Thread(target=dawdle)
        thread.start()
        time.sleep(0.1)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                assert answer.status == 200
        finally:
            ended.set()
            thread.join()
