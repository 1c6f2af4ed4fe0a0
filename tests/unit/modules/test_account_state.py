# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How many requests the accounts of many projects cost, and who may make them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    AlreadyExists,
    EgressError,
    Forbidden,
    NotFound,
)
from ansible_collections.avi.egress.plugins.module_utils.api.resources import SERVICE_ACCOUNT, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.module.result import Result
from ansible_collections.avi.egress.plugins.module_utils.module.scc_account import reconcile
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import service_account

UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"


class Server:
    """A plain Kubernetes with some namespaces, ``having`` the account or not."""

    def __init__(self, *namespaces: str, having: tuple[str, ...] = (), lists: bool = True) -> None:
        self._namespaces = namespaces
        self._accounts = {namespace: service_account(UUID, namespace) for namespace in having}
        self._lists = lists
        self.refused: dict[str, EgressError] = {}
        self.faster: set[str] = set()
        self.log: list[str] = []

    def serves(self, _resource: Resource) -> bool:
        return False

    def list(self, resource: Resource, *, fields: str | None = None) -> list[KubeObject]:
        self.log.append(f"list {resource.kind}")
        if not self._lists:
            raise Forbidden(403, "permission is missing")
        if resource is SERVICE_ACCOUNT:
            assert fields == f"metadata.name=avivantage-{UUID}"
            return list(self._accounts.values())
        return [{"metadata": {"name": namespace}} for namespace in self._namespaces]

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        self.log.append(f"get {resource.kind} {namespace or name}")
        if resource is SERVICE_ACCOUNT:
            return self._accounts.get(namespace or "")
        return {"metadata": {"name": name}} if name in self._namespaces else None

    def create(self, _resource: Resource, body: KubeObject, *, dry_run: bool) -> KubeObject:
        namespace = body["metadata"]["namespace"]
        self.log.append(f"create {namespace}")
        if namespace in self.refused:
            raise self.refused[namespace]
        if namespace in self.faster:
            self.faster.remove(namespace)
            self._accounts[namespace] = body
            raise AlreadyExists(409, "already exists")
        return body


def run(server: Server, *projects: str) -> Result:
    options = {"uuid": UUID, "cloud": None, "projects": list(projects), "state": "present"}
    return reconcile(cast(Any, server), options, False)


def test_accounts_of_many_projects_that_are_there_cost_one_list() -> None:
    projects = tuple(f"p{number}" for number in range(100))
    server = Server(*projects, having=projects)

    assert not run(server, *projects).changed
    assert server.log == ["list ServiceAccount"]


def test_projects_that_lack_the_account_are_looked_for_by_one_list() -> None:
    server = Server("blue", "green", "red", having=("green",))

    result = run(server, "red", "green", "blue")

    assert server.log[:2] == ["list ServiceAccount", "list Namespace"]
    assert sorted(server.log[2:]) == ["create blue", "create red"]
    assert [account["metadata"]["namespace"] for account in result.values["accounts"]] == ["red", "green", "blue"]


def test_a_missing_project_keeps_all_from_being_written() -> None:
    server = Server("green")

    with pytest.raises(NotFound, match="project blue does not exist"):
        run(server, "green", "blue")

    assert server.log == ["list ServiceAccount", "list Namespace"]


def test_one_project_is_asked_about_alone() -> None:
    server = Server("green")

    run(server, "green")

    assert server.log == ["get ServiceAccount green", "get Namespace green", "create green"]


def test_who_may_not_list_all_projects_asks_project_by_project() -> None:
    server = Server("blue", "green", lists=False)

    assert run(server, "green", "blue").changed
    asked = [request for request in server.log if request.startswith("get")]
    assert sorted(asked) == [
        f"get {kind} {name}" for kind in ("Namespace", "ServiceAccount") for name in ("blue", "green")
    ]


def test_an_account_that_somebody_else_made_first_is_not_our_change() -> None:
    server = Server("blue", "green")
    server.faster = {"blue", "green"}

    assert not run(server, "blue", "green").changed


def test_a_failure_tells_which_accounts_were_made_all_the_same() -> None:
    server = Server("blue", "green")
    server.refused["green"] = Forbidden(403, "permission is missing: cannot create")

    with pytest.raises(EgressError) as caught:
        run(server, "blue", "green")

    told = f"permission is missing: cannot create; changed already: ServiceAccount blue/avivantage-{UUID}"
    assert (str(caught.value), caught.value.changed) == (told, True)
