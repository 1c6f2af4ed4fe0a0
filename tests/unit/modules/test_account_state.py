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
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.module.result import Result
from ansible_collections.avi.egress.plugins.module_utils.module.scc_account import reconcile
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import service_account

from tests.support.observed import stored

UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"


def cloud(*included: str, uuid: str = UUID, **spec: Any) -> KubeObject:
    return {"metadata": {"name": "c"}, "spec": {"uuid": uuid, "projects": {"include": {"names": included}}, **spec}}


class Server:
    """A plain Kubernetes with some namespaces, ``having`` the account or not."""

    def __init__(self, *namespaces: str, having: tuple[str, ...] = (), lists: bool = True) -> None:
        self.clouds: list[KubeObject] | EgressError = [cloud()]
        self._namespaces = namespaces
        self._accounts = {namespace: stored(service_account(UUID, namespace)) for namespace in having}
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
        if resource is EGRESS_CLOUD:
            if isinstance(self.clouds, EgressError):
                raise self.clouds
            return self.clouds
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


def run(server: Server, *projects: str, check_mode: bool = False, **changes: Any) -> Result:
    options = {"uuid": UUID, "cloud": None, "projects": list(projects), "state": "present", **changes}
    return reconcile(cast(Any, server), options, check_mode)


def test_accounts_of_many_projects_that_are_there_cost_one_list() -> None:
    projects = tuple(f"p{number}" for number in range(100))
    server = Server(*projects, having=projects)

    assert not run(server, *projects).changed
    assert server.log == ["list ServiceAccount"]


def test_projects_that_lack_the_account_are_looked_for_by_one_list() -> None:
    server = Server("blue", "green", "red", having=("green",))

    result = run(server, "red", "green", "blue")

    assert server.log[:3] == ["list ServiceAccount", "list Namespace", "list EgressCloud"]
    assert sorted(server.log[3:]) == ["create blue", "create red"]
    assert [account["metadata"]["namespace"] for account in result.values["accounts"]] == ["red", "green", "blue"]


def test_a_missing_project_keeps_all_from_being_written() -> None:
    server = Server("green")

    with pytest.raises(NotFound, match="project blue does not exist"):
        run(server, "green", "blue")

    assert server.log == ["list ServiceAccount", "list Namespace"]


def test_one_project_is_asked_about_alone() -> None:
    server = Server("green")

    run(server, "green")

    assert server.log == ["get ServiceAccount green", "get Namespace green", "list EgressCloud", "create green"]


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


@pytest.mark.parametrize("by", [{"uuid": UUID}, {"uuid": None, "cloud": "c"}])
def test_projects_that_the_cloud_does_not_include_are_refused_unwritten(by: dict[str, Any]) -> None:
    projects = [f"p{number}" for number in range(8)]
    server = Server("green", *projects)
    server.clouds = [cloud("green")]

    with pytest.raises(Refused) as caught:
        run(server, "green", *projects, **by)

    assert str(caught.value) == (
        "projects p0, p1, p2, p3, p4 and 3 more can keep no account of EgressCloud c: its spec.projects does not "
        "include them; run avi.egress.onboard_project, or include them by egress_include"
    )
    assert not any(request.startswith("create") for request in server.log)
    assert run(server, "green", **by).changed
    (warning,) = run(server, "p0", check_mode=True, **by).warnings
    assert warning.startswith("projects p0 can keep no account of EgressCloud c")


def test_a_cloud_whose_egress_pods_are_elsewhere_has_accounts_there_alone() -> None:
    server = Server("green", "apart")
    server.clouds = [{**cloud("green", placement="gateway"), "status": {"gateway": "apart"}}]

    with pytest.raises(Refused, match="projects green can keep no account of EgressCloud c"):
        run(server, "green", "apart")

    assert run(server, "apart").changed


@pytest.mark.parametrize(
    "clouds",
    [[cloud(bridgeSubnet="none")], Forbidden(403, "permission is missing"), NotFound(404, "no such kind")],
    ids=["none that can be read", "none that may be read", "no such kind"],
)
def test_where_nobody_can_say_who_takes_part_accounts_are_made(clouds: list[KubeObject] | EgressError) -> None:
    server = Server("green")
    server.clouds = clouds

    assert run(server, "green").changed


@pytest.mark.parametrize(
    ("clouds", "other"),
    [([], ""), ([cloud(uuid="another")], ", or give the uuid of one that is there: another (c)")],
    ids=["no cloud", "another cloud"],
)
def test_accounts_of_a_uuid_that_no_cloud_has_are_refused_unwritten(clouds: list[KubeObject], other: str) -> None:
    server = Server("green", "red", having=("red",))
    server.clouds = clouds

    with pytest.raises(Refused) as caught:
        run(server, "green")

    told = (
        f"no EgressCloud has uuid {UUID}, so projects green can keep no account of it; create it first, by "
        f"avi.egress.site with egress_cloud_uuid{other}"
    )
    assert str(caught.value) == told
    assert not any(request.startswith("create") for request in server.log)
    assert run(server, "green", check_mode=True).warnings == [told]
    assert run(server, "red", check_mode=True, state="absent").changed


def test_what_is_there_already_and_what_is_to_go_asks_for_no_cloud() -> None:
    server = Server("green", having=("green",))
    server.clouds = [cloud("blue")]

    assert not run(server, "green").changed
    assert not run(server, "red", state="absent").changed
    assert "list EgressCloud" not in server.log
