# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What stands around the official informer, and its deletions on a re-list: the one thing it tells too early."""

from __future__ import annotations

import copy
import json
import threading
from queue import SimpleQueue
from typing import Any, Callable, Iterator, NamedTuple

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Expired
from ansible_collections.avi.egress.plugins.module_utils.api.resources import SERVICE, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.connection import ConnectionFailed
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import Selection
from egress_controller.runtime import informer as informer_module
from egress_controller.runtime.informer import Form, Index, Informer, cache_key
from egress_controller.runtime.outages import Outages
from hypothesis import given
from hypothesis import strategies as st

SERVICES = Selection(SERVICE)


def service(name: str, version: str = "1", color: str | None = None) -> KubeObject:
    labels = {"color": color} if color else {}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "n", "resourceVersion": version, "labels": labels},
    }


class Stream:
    """An open watch that shows what the test says, and ends when it says so."""

    status = 200

    def __init__(self) -> None:
        self._lines: SimpleQueue[bytes] = SimpleQueue()

    def show(self, event: str, obj: KubeObject) -> None:
        self._lines.put(json.dumps({"type": event, "object": obj}).encode() + b"\n")

    def stream(self, **_options: Any) -> Iterator[bytes]:
        while line := self._lines.get():
            yield line
        yield b""

    def close(self) -> None:
        self._lines.put(b"")

    def release_conn(self) -> None:
        pass


class Server:
    """Lists what it is told to hold; each of its watches is one Stream."""

    def __init__(self) -> None:
        self.held: list[KubeObject] = []
        self.watches: list[Stream] = []
        self.failures: list[Exception] = []
        self.opened = threading.Semaphore(0)
        self.versions: list[str] = []
        """From which each watch was to go on."""
        self._is_over = False

    def list_with_version(
        self, *_resource: Any, keep: Callable[[KubeObject], Any], **_selectors: Any
    ) -> tuple[list[Any], str]:
        if self.failures:
            raise self.failures.pop()
        return [keep(copy.deepcopy(obj)) for obj in self.held], "1"

    def open_watch(self, *_resource: Any, version: str, **_options: Any) -> Stream:
        if self.failures:
            raise self.failures.pop()
        self.versions.append(version)
        stream = Stream()
        if self._is_over:
            stream.close()
        self.watches.append(stream)
        self.opened.release()
        return stream

    def end(self) -> None:
        self._is_over = True
        for stream in self.watches:
            stream.close()


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer_module, "BASE_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(informer_module, "MAX_DELAY_SECONDS", 0.002)


@pytest.fixture
def server() -> Iterator[Server]:
    """Its watches end with the test, so that no thread of an informer waits for them, and complains, beside others."""
    made = Server()
    yield made
    made.end()


def test_an_index_follows_an_object_from_group_to_group() -> None:
    index = Index(lambda obj: obj["metadata"]["labels"].get("color"))
    index.update("ADDED", service("a", color="red"))
    index.update("ADDED", service("b", color="red"))
    index.update("ADDED", service("c"))
    assert index.keys("red") == ["n/a", "n/b"]
    index.update("MODIFIED", service("a", color="blue"))
    index.update("DELETED", service("b", color="red"))
    assert (index.keys("red"), index.keys("blue")) == ([], ["n/a"])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["red", "blue", None]), st.booleans())))
def test_an_index_knows_every_group_whatever_happens(steps: list[tuple[str, str | None, bool]]) -> None:
    index, model = Index(lambda obj: obj["metadata"]["labels"].get("color")), {}
    for name, color, deleted in steps:
        index.update("DELETED" if deleted else "MODIFIED", service(name, color=color))
        model[name] = None if deleted else color
        for group in ("red", "blue"):
            assert index.keys(group) == sorted(f"n/{name}" for name, found in model.items() if found == group)
        assert sorted(map(str, index.groups())) == sorted({color for color in model.values() if color})


def test_of_each_object_who_wrote_its_fields_is_not_kept() -> None:
    told: list[KubeObject] = []
    informer = Informer(Server(), SERVICES, Outages(), lambda _event, obj: told.append(obj))  # type: ignore[arg-type]
    written = service("a")
    written["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    informer._handler("ADDED")(written)
    assert told == [service("a")]


class Card(NamedTuple):
    """As much of a service as some cache keeps."""

    name: str
    version: str

    @classmethod
    def pack(cls, obj: KubeObject) -> Card:
        return cls(obj["metadata"]["name"], obj["metadata"]["resourceVersion"])

    @property
    def key(self) -> str:
        return cache_key(self.unpack())

    def unpack(self) -> KubeObject:
        return service(self.name, self.version)


def test_what_lists_and_watches_bring_is_kept_packed_and_read_and_told_whole(server: Server) -> None:
    told = SimpleQueue[tuple[str, KubeObject]]()
    server.held = [service("a"), service("b"), service("c")]
    informer = Informer(
        server,  # type: ignore[arg-type]
        SERVICES,
        Outages(),
        lambda event, obj: told.put((event, obj)),
        form=Form(Card.pack, Card.unpack),
        indexes={"namespace": lambda obj: obj["metadata"]["namespace"]},
    )
    informer.start()
    assert server.opened.acquire(timeout=5)
    events = [("MODIFIED", service("b", "2")), ("ADDED", service("d", "3")), ("DELETED", service("c", "4"))]
    for event, obj in events:
        server.watches[-1].show(event, obj)
    assert [told.get(timeout=5) for _event in range(6)][3:] == events

    assert sorted(informer._informer.cache.list()) == [("a", "1"), ("b", "2"), ("d", "3")]
    now = [service("a"), service("b", "2"), service("d", "3")]
    assert (list(informer.all()), informer.of("namespace", "n")) == (now, now)
    assert (informer.get("b", "n"), informer.get("c", "n")) == (service("b", "2"), None)

    card = informer._informer.cache.get_by_key("n/a")
    server.held = [service("a"), service("b", "5")]
    server.failures = [Expired(410, "too old")]
    server.watches[-1].close()
    assert server.opened.acquire(timeout=5)
    informer.stop()
    found = sorted((told.get(timeout=5) for _event in range(3)), key=str)
    assert found == [("DELETED", service("d", "3")), *(("MODIFIED", obj) for obj in server.held)]
    assert (list(informer.all()), informer.of("namespace", "n")) == (server.held, server.held)
    assert informer._informer.cache.get_by_key("n/a") is card, "what has not changed is not kept twice"


def test_what_is_looked_up_waits_for_no_other_thread(server: Server) -> None:
    server.held = [service("a", color="red")]
    informer = Informer(
        server,  # type: ignore[arg-type]
        SERVICES,
        Outages(),
        lambda _event, _obj: None,
        indexes={"color": lambda obj: obj["metadata"]["labels"].get("color")},
    )
    informer.start()
    assert server.opened.acquire(timeout=10)
    found: SimpleQueue[Any] = SimpleQueue()
    with informer._informer.cache._rlock, informer._indexes["color"]._lock:
        threading.Thread(
            target=lambda: found.put([informer.get("a", "n"), *informer.of("color", "red")]), daemon=True
        ).start()
        assert [obj["metadata"]["name"] for obj in found.get(timeout=10)] == ["a", "a"]
    informer.stop()


def test_a_deletion_found_by_a_new_list_is_told_when_the_cache_shows_it(server: Server) -> None:
    told: list[tuple[str, str, bool]] = []
    server.held = [service("kept"), service("gone")]

    def notify(event: str, obj: KubeObject) -> None:
        told.append((event, obj["metadata"]["name"], informer.get(obj["metadata"]["name"], "n") is not None))

    informer = Informer(server, SERVICES, Outages(), notify)  # type: ignore[arg-type]
    informer.start()
    assert server.opened.acquire(timeout=5)
    assert informer.synced
    server.held = [service("kept", "2")]
    server.failures = [Expired(410, "too old")]
    server.watches[-1].close()
    assert server.opened.acquire(timeout=5)
    informer.stop()
    assert ("DELETED", "gone", False) in told
    assert ("DELETED", "gone", True) not in told


def test_it_waits_for_a_server_that_is_away(server: Server) -> None:
    server.held = [service("a")]
    server.failures = [ConnectionFailed("away")] * 3
    informer = Informer(server, SERVICES, Outages(), lambda event, obj: None)  # type: ignore[arg-type]
    informer.start()
    assert server.opened.acquire(timeout=5)
    assert list(informer.all()) == server.held
    informer.stop()


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])
def test_a_watch_goes_on_from_the_last_event_or_bookmark(server: Server, event: str) -> None:
    server.held = [service("a")]
    informer = Informer(server, SERVICES, Outages(), lambda _event, obj: None)  # type: ignore[arg-type]
    informer.start()
    assert server.opened.acquire(timeout=5)
    server.watches[-1].show("MODIFIED", service("a", "7"))
    server.watches[-1].show(event, service("a", "9"))
    server.watches[-1].close()
    assert server.opened.acquire(timeout=5)
    informer.stop()
    assert server.versions[:2] == ["1", "9"]
