# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Looks at an API server that is played here; ``tests/e2e/test_observer.py`` holds them against kubectl's own."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from tests.support.json_handler import JsonHandler
from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError

OWN = "example.dev"
GREEN = "/api/v1/namespaces/green"


def resource(plural: str, kind: str, *, namespaced: bool = True, singular: str = "") -> dict[str, Any]:
    return {"name": plural, "singularName": singular, "kind": kind, "namespaced": namespaced}


def item(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "managedFields": [{"manager": "somebody"}]}}


CORE = [
    resource("pods", "Pod", singular="pod"),
    resource("pods/status", "Pod"),
    resource("services", "Service"),
    resource("nodes", "Node", namespaced=False),
]


class Server(ThreadingHTTPServer):
    """Answers by paths; remembers what was asked for, and how many connections there have been."""

    answers: dict[str, Any]
    asked: list[str]
    connections: int

    def group(self, name: str, *resources: dict[str, Any]) -> None:
        """Serve a group's kinds, those of example.dev after all others."""
        served = [{"preferredVersion": {"groupVersion": f"{name}/v1"}}]
        self.answers["/apis"] = {"groups": self.answers["/apis"]["groups"] + served}
        self.answers[f"/apis/{name}/v1"] = {"resources": list(resources)}


class Handler(JsonHandler):
    server: Server

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path.partition("?")[0])
        self.answer(200 if answer else 404, answer or {"kind": "Status", "message": f"{self.path} not found"})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as started:
        started.daemon_threads = True
        started.block_on_close = False
        started.asked, started.connections = [], 0
        started.answers = {
            "/api/v1": {"resources": CORE},
            "/apis": {"groups": []},
            f"{GREEN}/pods": {"apiVersion": "v1", "kind": "PodList", "items": [item("one"), item("two")]},
            f"{GREEN}/services": {"apiVersion": "v1", "kind": "ServiceList", "items": [item("three")]},
            f"{GREEN}/pods/one": {"apiVersion": "v1", "kind": "Pod", **item("one")},
            "/api/v1/nodes": {"apiVersion": "v1", "kind": "NodeList", "items": [item("node1")]},
            "/api/v1/pods": {"apiVersion": "v1", "kind": "PodList", "items": [item("of all")]},
        }
        thread = Thread(target=started.serve_forever, args=[0.01])
        thread.start()
        yield started
        started.shutdown()
        thread.join()


@pytest.fixture
def kubectl(server: Server, tmp_path: Path) -> Kubectl:
    path = tmp_path / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return Kubectl(path)


def names(found: dict[str, Any]) -> list[str]:
    return [f"{one['kind']} {one['metadata']['name']}" for one in found["items"]]


def test_an_object_is_found_by_its_name(kubectl: Kubectl) -> None:
    assert kubectl.json("-n", "green", "get", "pod", "one") == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one"},
    }


def test_a_list_tells_the_kind_of_each_of_its_objects(kubectl: Kubectl) -> None:
    found = kubectl.json("get", "services,pods", "-n", "green")
    assert found["kind"] == "List"
    assert names(found) == ["Service three", "Pod one", "Pod two"]
    assert {one["apiVersion"] for one in found["items"]} == {"v1"}


def test_selectors_are_the_servers_to_apply(kubectl: Kubectl, server: Server) -> None:
    kubectl.json("-n", "green", "get", "pods", "-l", "a/b=c", "--field-selector=metadata.name=one")
    path, _mark, query = server.asked[-1].partition("?")
    assert path == f"{GREEN}/pods"
    assert parse_qs(query) == {"labelSelector": ["a/b=c"], "fieldSelector": ["metadata.name=one"]}


def test_what_no_namespace_has_needs_none_and_all_namespaces_are_one_question(kubectl: Kubectl) -> None:
    assert names(kubectl.json("get", "nodes")) == ["Node node1"]
    assert names(kubectl.json("get", "pods", "--all-namespaces")) == ["Pod of all"]
    with pytest.raises(DemoError, match="in which namespace"):
        kubectl.json("get", "pods")


def test_a_look_takes_no_connection_of_its_own(kubectl: Kubectl, server: Server) -> None:
    for _time in range(3):
        kubectl.json("-n", "green", "get", "pods")
    assert server.connections == 1
    assert server.asked == ["/api/v1", *[f"{GREEN}/pods"] * 3]


def test_what_is_not_there_is_told_by_the_servers_own_words(kubectl: Kubectl) -> None:
    with pytest.raises(DemoError, match="pods/gone not found"):
        kubectl.json("-n", "green", "get", "pod", "gone")


def test_a_kind_that_comes_later_is_found(kubectl: Kubectl, server: Server) -> None:
    with pytest.raises(DemoError, match="no resources that are called leases"):
        kubectl.json("get", "leases")
    server.group(OWN, resource("leases", "Lease", namespaced=False))
    server.answers[f"/apis/{OWN}/v1/leases"] = {"apiVersion": f"{OWN}/v1", "kind": "LeaseList", "items": [item("it")]}
    assert names(kubectl.json("get", "leases")) == names(kubectl.json("get", "lease")) == ["Lease it"]


def test_of_two_groups_kinds_with_one_name_it_is_the_firsts(kubectl: Kubectl, server: Server) -> None:
    server.group(OWN, resource("services", "Service"), resource("leases", "Lease", namespaced=False))
    server.answers[f"/apis/{OWN}/v1/leases"] = {"apiVersion": f"{OWN}/v1", "kind": "LeaseList", "items": []}
    assert names(kubectl.json("get", "leases")) == []
    assert names(kubectl.json("-n", "green", "get", "services")) == ["Service three"]


def test_a_group_that_is_not_served_matters_to_nobody_else(kubectl: Kubectl, server: Server) -> None:
    server.group("first.dev", resource("leases", "Lease", namespaced=False))
    server.group(OWN)
    del server.answers[f"/apis/{OWN}/v1"]
    server.answers["/apis/first.dev/v1/leases"] = {"apiVersion": "first.dev/v1", "kind": "LeaseList", "items": []}
    assert names(kubectl.json("get", "leases")) == []


def test_a_server_that_does_not_answer_is_told(tmp_path: Path, kubectl: Kubectl, server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(DemoError, match="refused"):
        kubectl.json("get", "nodes")
