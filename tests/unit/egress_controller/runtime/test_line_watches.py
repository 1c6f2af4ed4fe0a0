# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Watches of many servers: real sockets on loopback, with servers that behave and servers that don't."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator

import pytest
from egress_controller.runtime import line_watches
from egress_controller.runtime.line_watches import Endpoint, Heard, Hears, LineWatches

from tests.support.waiting import wait_for

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/jsonl\r\n\r\n"


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_watches, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(line_watches, "REST_SECONDS", 0.05)
    monkeypatch.setattr(line_watches, "FIRST_RETRY_SECONDS", 0.05)


class Server:
    """A server whose answers the test gives by hand."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.endpoint = Endpoint("127.0.0.1", self.listener.getsockname()[1], "/destinations?watch")

    def accept(self, answer: bytes = b"") -> socket.socket:
        client, _address = self.listener.accept()
        client.settimeout(5)
        assert client.recv(1000) == b"GET /destinations?watch HTTP/1.0\r\n\r\n"
        client.sendall(answer)
        return client


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.listener.close()


@pytest.fixture
def news() -> queue.Queue[str]:
    return queue.Queue()


@pytest.fixture
def watches(news: queue.Queue[str], _short_times: None) -> Iterator[LineWatches[str]]:
    made: LineWatches[str] = LineWatches(news.put)
    made.start()
    yield made
    made.follow("shop", frozenset())


def heard(watches: LineWatches[str], server: Server) -> Heard:
    return watches.follow("shop", frozenset({server.endpoint}))[server.endpoint]


def test_each_line_is_news_and_the_last_one_is_kept(
    watches: LineWatches[str], server: Server, news: queue.Queue[str]
) -> None:
    assert heard(watches, server) == Heard()
    client = server.accept(HEAD + b"one\n")
    assert news.get(timeout=5) == "shop"
    assert heard(watches, server) == Heard(b"one")
    client.sendall(b"two\nthr")
    assert news.get(timeout=5) == "shop"
    assert heard(watches, server) == Heard(b"two")
    client.sendall(b"ee\n")
    assert news.get(timeout=5) == "shop"
    assert heard(watches, server) == Heard(b"three")


def test_a_line_that_says_the_same_is_no_news(
    watches: LineWatches[str], server: Server, news: queue.Queue[str]
) -> None:
    heard(watches, server)
    client = server.accept(HEAD + b"one\n")
    news.get(timeout=5)
    client.sendall(b"one\n")
    with pytest.raises(queue.Empty):
        news.get(timeout=0.3)


def test_what_is_known_is_no_news_until_each_has_been_heard(
    watches: LineWatches[str], server: Server, news: queue.Queue[str]
) -> None:
    other = Server()
    asked: queue.Queue[Hears] = queue.Queue()

    def is_known(heard: Hears) -> bool:
        asked.put(heard)
        return True

    watches.follow("shop", frozenset({server.endpoint, other.endpoint}), is_known)
    first = server.accept(HEAD + b"one\n")
    assert asked.get(timeout=5) == {server.endpoint: Heard(b"one"), other.endpoint: Heard()}
    second = other.accept(HEAD + b"two\n")
    assert asked.get(timeout=5) == {server.endpoint: Heard(b"one"), other.endpoint: Heard(b"two")}
    first.sendall(b"three\n")
    assert news.get(timeout=5) == "shop"
    assert (news.empty(), asked.empty()) == (True, True)
    for each in (first, second, other.listener):
        each.close()


def test_a_server_that_never_stops_talking_is_read_seldom(
    watches: LineWatches[str], server: Server, news: queue.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_watches, "REST_SECONDS", 1000)
    heard(watches, server)
    client = server.accept(HEAD + b"0\n")
    news.get(timeout=5)
    for number in range(1, 100):
        client.sendall(b"%d\n" % number)
    with pytest.raises(queue.Empty):
        news.get(timeout=0.3)
    assert heard(watches, server) == Heard(b"0")


def test_who_hangs_up_after_a_line_is_asked_again_before_it_is_told(
    watches: LineWatches[str], server: Server, news: queue.Queue[str]
) -> None:
    heard(watches, server)
    server.accept(HEAD + b"one\n").close()
    news.get(timeout=5)
    server.accept(HEAD + b"two\n")
    news.get(timeout=5)
    assert heard(watches, server) == Heard(b"two")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "it knows no such watch"),
        (b"SSH-2.0-x\r\n\r\n", "it knows no such watch"),
        (b"HTTP/1.1 2", "no answer for 0.3 s"),
        (HEAD + b"x" * 70_000, "its answer is longer than 65536 bytes"),
        (b"x" * 70_000, "its answer is longer than 65536 bytes"),
    ],
)
def test_a_stranger_is_told_as_trouble(
    watches: LineWatches[str], server: Server, news: queue.Queue[str], answer: bytes, trouble: str
) -> None:
    heard(watches, server)
    client = server.accept(answer)
    news.get(timeout=5)
    assert heard(watches, server) == Heard(trouble=trouble)
    client.close()


def test_nobody_who_answers_is_told_and_tried_again(
    watches: LineWatches[str], server: Server, news: queue.Queue[str]
) -> None:
    server.listener.close()
    heard(watches, server)
    news.get(timeout=5)
    assert heard(watches, server) == Heard(trouble="Connection refused")
    server.listener = socket.create_server(("127.0.0.1", server.endpoint.port))
    server.listener.settimeout(5)
    server.accept(HEAD + b"here\n")
    wait_for("the line", lambda: heard(watches, server) == Heard(b"here"))


def test_what_is_not_followed_any_more_is_hung_up_on(
    watches: LineWatches[str], server: Server, news: queue.Queue[str]
) -> None:
    heard(watches, server)
    client = server.accept(HEAD + b"one\n")
    news.get(timeout=5)
    assert watches.follow("shop", frozenset()) == {}
    assert client.recv(10) == b""


def test_many_are_followed_by_one_thread(watches: LineWatches[str], news: queue.Queue[str]) -> None:
    servers = [Server() for _number in range(50)]
    try:
        for number, server in enumerate(servers):
            watches.follow(str(number), frozenset({server.endpoint}))
        clients = [server.accept(HEAD + b"%d\n" % number) for number, server in enumerate(servers)]
        assert {news.get(timeout=5) for _server in servers} == {str(number) for number in range(50)}
        assert watches.follow("49", frozenset({servers[49].endpoint}))[servers[49].endpoint] == Heard(b"49")
        for client in clients:
            client.close()
    finally:
        for number, server in enumerate(servers):
            watches.follow(str(number), frozenset())
            server.listener.close()


def test_all_that_are_followed_in_one_moment_are_watched(
    watches: LineWatches[str], news: queue.Queue[str], server: Server
) -> None:
    groups = {f"shop-{number}" for number in range(50)}
    for group in groups:
        watches.follow(group, frozenset([server.endpoint]))
    clients = [server.accept(HEAD + b"[]\n") for _group in groups]

    def all_heard() -> bool:
        return all(watches.follow(group, frozenset([server.endpoint]))[server.endpoint].line for group in groups)

    wait_for("each to be heard", all_heard)
    for client in clients:
        client.close()
    for group in groups:
        watches.follow(group, frozenset())
