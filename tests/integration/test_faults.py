# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The fault proxy before a real API server, as a plain HTTP client sees it."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults import FaultProxy
from tests.faults.requests import WRITES
from tests.faults.rules import (
    CONFLICT,
    INTERNAL_ERROR,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    BadRule,
    CutWatch,
    Delay,
    Gone,
    HoldWatch,
    LoseReply,
    Pass,
    Refuse,
    Reset,
    Rule,
    Stale,
)
from tests.faults.upstream import kubeconfig_for
from tests.support.api_server import ADMIN_TOKEN, TENANT_TOKEN, ApiServer

MAPS = "/api/v1/namespaces/default/configmaps"
TIMEOUT = 20
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Client:
    """Plain HTTP on one kept connection. Its objects are ConfigMaps of one label."""

    def __init__(self, url: str, group: str, token: str | None = None) -> None:
        self._url = url
        self._group = group
        self._session = requests.Session()
        self._session.verify = False
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def create(self, name: str, value: str = "1") -> requests.Response:
        metadata = {"name": self._name(name), "labels": {"group": self._group}}
        return self._send("POST", MAPS, {"metadata": metadata, "data": {"value": value}})

    def get(self, name: str) -> requests.Response:
        return self._send("GET", f"{MAPS}/{self._name(name)}")

    def patch(self, name: str, value: str) -> requests.Response:
        merge = {"Content-Type": "application/merge-patch+json"}
        return self._send("PATCH", f"{MAPS}/{self._name(name)}", {"data": {"value": value}}, headers=merge)

    def delete(self, name: str) -> requests.Response:
        return self._send("DELETE", f"{MAPS}/{self._name(name)}")

    def clear(self) -> None:
        self._send("DELETE", f"{MAPS}?labelSelector=group={self._group}")

    def listing(self) -> requests.Response:
        return self._send("GET", f"{MAPS}?labelSelector=group={self._group}")

    def names(self) -> list[str]:
        return sorted(
            item["metadata"]["name"].removeprefix(f"{self._group}-") for item in self.listing().json()["items"]
        )

    def version(self) -> str:
        return str(self.listing().json()["metadata"]["resourceVersion"])

    def watch(self, version: str, seconds: int = TIMEOUT) -> requests.Response:
        query = f"watch=true&resourceVersion={version}&timeoutSeconds={seconds}&labelSelector=group={self._group}"
        return self._send("GET", f"{MAPS}?{query}", stream=True)

    def _name(self, name: str) -> str:
        return f"{self._group}-{name}"

    def _send(self, method: str, path: str, body: Any = None, **given: Any) -> requests.Response:
        return self._session.request(method, self._url + path, json=body, timeout=TIMEOUT, **given)


@pytest.fixture
def group() -> str:
    return f"f{uuid.uuid4().hex[:8]}"


@pytest.fixture
def direct(api: ApiServer, group: str) -> Iterator[Client]:
    """The API server itself; what a test made goes with it."""
    client = Client(api.host, group, ADMIN_TOKEN)
    yield client
    client.clear()
    assert client.names() == []


@pytest.fixture
def client(faults: FaultProxy, group: str, direct: Client) -> Client:
    return Client(faults.url, group)


def events(watch: requests.Response, count: int) -> list[tuple[str, str]]:
    """The type and the value of the next events."""
    lines = watch.iter_lines(chunk_size=65536)
    found = [json.loads(next(lines)) for _number in range(count)]
    return [(event["type"], event["object"].get("data", {}).get("value")) for event in found]


def test_without_rules_it_disturbs_nothing(client: Client, direct: Client) -> None:
    version = client.version()
    assert client.create("a").status_code == 201
    assert client.create("a").json()["reason"] == "AlreadyExists"
    assert client.patch("a", "ä\n2").status_code == 200
    assert client.get("a").json() == direct.get("a").json()
    assert client.listing().json()["items"] == direct.listing().json()["items"]
    assert client.delete("a").status_code == 200
    assert client.get("a").status_code == 404
    with client.watch(version) as watch:
        assert events(watch, 3) == [("ADDED", "1"), ("MODIFIED", "ä\n2"), ("DELETED", "ä\n2")]


def test_a_body_of_no_stated_type_is_json_as_the_server_takes_it(
    faults: FaultProxy, group: str, direct: Client
) -> None:
    body = json.dumps({"metadata": {"name": f"{group}-a", "labels": {"group": group}}}).encode()
    assert requests.post(f"{faults.url}{MAPS}", data=body, timeout=TIMEOUT).status_code == 201
    assert direct.names() == ["a"]


def test_an_object_of_a_megabyte_passes_by_answer_and_by_event(client: Client, direct: Client) -> None:
    version = client.version()
    assert client.create("large", "x" * 1_000_000).status_code == 201
    assert client.get("large").json() == direct.get("large").json()
    with client.watch(version) as watch:
        assert events(watch, 1) == [("ADDED", "x" * 1_000_000)]


def test_a_client_with_a_token_of_its_own_is_not_the_administrator(faults: FaultProxy, client: Client) -> None:
    assert client.listing().status_code == 200
    assert Client(faults.url, "any", TENANT_TOKEN).listing().status_code == 403


@pytest.mark.parametrize("fault", [CONFLICT, TOO_MANY_REQUESTS, INTERNAL_ERROR, UNAVAILABLE], ids=lambda f: f.name)
def test_a_refused_write_is_answered_and_not_done(
    faults: FaultProxy, client: Client, direct: Client, fault: Refuse
) -> None:
    faults.use(Rule(fault, WRITES, times=1))
    answer = client.create("a")
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (fault.code, fault.code, fault.name)
    assert answer.headers.get("Retry-After") == ("1" if fault is TOO_MANY_REQUESTS else None)
    assert direct.names() == []
    assert client.create("a").status_code == 201
    assert faults.journal.faults() == {fault.name: 1}


def test_a_lost_reply_is_of_a_write_that_was_done(faults: FaultProxy, client: Client, direct: Client) -> None:
    faults.use(Rule(LoseReply(), frozenset({"create"})))
    with pytest.raises(requests.ConnectionError):
        client.create("a")
    assert direct.names() == ["a"]
    assert client.get("a").status_code == 200


def test_a_reset_request_is_not_done(faults: FaultProxy, client: Client, direct: Client) -> None:
    assert client.names() == []
    faults.use(Rule(Reset(), frozenset({"create"})))
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        client.create("a")
    assert direct.names() == []


def test_a_delayed_request_is_done_later(faults: FaultProxy, client: Client, direct: Client) -> None:
    faults.use(Rule(Delay(0.3), frozenset({"create"})))
    started = time.monotonic()
    assert client.create("a").status_code == 201
    assert time.monotonic() - started >= 0.3
    assert direct.names() == ["a"]


def test_a_stale_read_is_the_answer_of_before(faults: FaultProxy, client: Client, direct: Client) -> None:
    direct.create("a", "old")
    faults.use(Rule(Stale()))
    first, listed = client.get("a").json(), client.listing().json()
    assert first["data"] == {"value": "old"}
    direct.patch("a", "new")
    assert client.get("a").json() == first
    assert client.listing().json() == listed
    faults.use()
    assert client.get("a").json()["data"] == {"value": "new"}


@pytest.mark.parametrize("seen", [None, 0, 2])
def test_a_version_that_is_too_old_stays_so_until_a_list(
    faults: FaultProxy, client: Client, direct: Client, seen: int | None
) -> None:
    version = client.version()
    for name in ("a", "b", "c"):
        direct.create(name)
    faults.use(Rule(Gone(seen), times=1))
    with client.watch(version) as watch:
        if seen is None:
            assert (watch.status_code, watch.json()["reason"]) == (410, "Expired")
        else:
            *whole, last = watch.content.splitlines()
            assert [json.loads(line)["type"] for line in whole] == ["ADDED"] * seen
            assert json.loads(last)["type"] == "ERROR"
            assert json.loads(last)["object"]["code"] == 410
    assert client.watch(version).status_code == 410
    newer = client.version()
    direct.delete("a")
    with client.watch(newer) as watch:
        assert events(watch, 1) == [("DELETED", "1")]


def test_a_cut_watch_breaks_off_within_an_event(faults: FaultProxy, client: Client, direct: Client) -> None:
    version = client.version()
    for name in ("a", "b", "c"):
        direct.create(name)
    faults.use(Rule(CutWatch(2), times=1))
    received: list[bytes] = []
    with client.watch(version) as watch, pytest.raises(BROKEN):
        received.extend(watch.iter_content(None))
    *whole, half = b"".join(received).split(b"\n")
    assert len(whole) == 2
    assert half.startswith(b'{"type":"ADDED"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)
    with client.watch(version) as watch:
        assert len(events(watch, 3)) == 3


def test_watches_can_be_cut_while_they_wait(faults: FaultProxy, client: Client) -> None:
    with client.watch(client.version()) as watch:
        faults.cut_watches()
        with pytest.raises(BROKEN):
            list(watch.iter_lines())


def test_a_held_watch_tells_later_and_in_order(faults: FaultProxy, client: Client, direct: Client) -> None:
    version = client.version()
    faults.use(Rule(HoldWatch(0.4)))
    with client.watch(version) as watch:
        started = time.monotonic()
        for number in range(5):
            direct.create(f"m{number}", str(number))
        assert events(watch, 5) == [("ADDED", str(number)) for number in range(5)]
        assert time.monotonic() - started >= 0.4


def test_a_held_watch_ends_as_the_server_ends_it(faults: FaultProxy, client: Client, direct: Client) -> None:
    version = client.version()
    direct.create("a")
    faults.use(Rule(HoldWatch(0.1)))
    with client.watch(version, seconds=1) as watch:
        assert len(watch.content.splitlines()) == 1


def test_a_rule_hits_what_it_names_and_nothing_else(faults: FaultProxy, client: Client, direct: Client) -> None:
    faults.use(
        Rule(Pass(), path="-spared$"),
        Rule(UNAVAILABLE, frozenset({"get"}), path="configmaps/", skip=1, times=2),
    )
    direct.create("spared")
    direct.create("a")
    assert [client.get("a").status_code for _attempt in range(5)] == [200, 503, 503, 200, 200]
    assert [client.get("spared").status_code for _attempt in range(3)] == [200] * 3
    assert client.listing().status_code == 200
    assert client.create("b").status_code == 201
    assert direct.get("a").status_code == 200


def test_requests_are_counted_by_verb_and_path(faults: FaultProxy, client: Client, group: str) -> None:
    faults.use(Rule(CONFLICT, frozenset({"delete"}), times=1))
    client.create("a")
    client.get("a")
    client.get("a")
    client.patch("a", "2")
    client.delete("a")
    client.delete("a")
    client.listing()
    client.watch(client.version(), seconds=1).close()
    one = f"{MAPS}/{group}-a"
    assert faults.journal.requests() == {
        ("create", MAPS): 1,
        ("get", one): 2,
        ("patch", one): 1,
        ("delete", one): 2,
        ("list", MAPS): 2,
        ("watch", MAPS): 1,
    }
    assert faults.journal.count() == 9
    assert faults.journal.count("get") == 2
    assert faults.journal.count(path=f"{group}-a$") == 5
    assert faults.journal.count("delete", fault="Conflict") == 1
    faults.journal.clear()
    assert faults.journal.requests() == {}


def test_clients_side_by_side_meet_only_their_own_faults(faults: FaultProxy, group: str, direct: Client) -> None:
    faults.use(Rule(LoseReply(), path="configmaps/.*-m[0-4]$"))

    def change(number: int) -> bool:
        """Whether the answer came."""
        try:
            return Client(faults.url, group).patch(f"m{number}", "2").status_code == 200
        except requests.ConnectionError:
            return False

    for number in range(10):
        direct.create(f"m{number}")
    with ThreadPoolExecutor(10) as pool:
        answered = list(pool.map(change, range(10)))
    assert answered == [False] * 5 + [True] * 5
    assert {direct.get(f"m{number}").json()["data"]["value"] for number in range(10)} == {"2"}


def test_a_bad_rule_is_told_and_the_former_rules_stay(faults: FaultProxy, client: Client) -> None:
    faults.use(Rule(UNAVAILABLE, frozenset({"list"})))
    with pytest.raises(BadRule, match="Conflict: verbs is"):
        faults.use(Rule(CONFLICT, frozenset({"get"})))
    assert client.listing().status_code == 503


def test_an_api_server_that_is_away_gives_no_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    away = kubeconfig_for(nobody, tmp_path / "away")
    with FaultProxy(away, tmp_path) as proxy, pytest.raises(requests.ConnectionError):
        Client(proxy.url, "any").listing()
