# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What avi_scc_account_info tells of projects."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, InvalidInput, NotFound
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    NAMESPACE,
    KubeObject,
    Resource,
    account_name,
)
from ansible_collections.avi.egress.plugins.module_utils.module.result import Result
from ansible_collections.avi.egress.plugins.module_utils.module.scc_account_info import SPEC, report, validate
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import (
    security_context_constraints,
    service_account,
)

A = "aaaaaaaa-1ffd-4bcc-aef6-118268e5f2b5"
B = "bbbbbbbb-1ffd-4bcc-aef6-118268e5f2b5"


def cloud(name: str, uuid: str, *included: str, **spec: Any) -> KubeObject:
    return {"metadata": {"name": name}, "spec": {"uuid": uuid, "projects": {"include": {"names": included}}, **spec}}


def namespace(name: str, level: str | None = "privileged", **metadata: Any) -> KubeObject:
    labels = {"pod-security.kubernetes.io/enforce": level} if level else {}
    return {"metadata": {"name": name, "labels": labels, **metadata}}


class Server:
    """A cluster whose projects ``having`` the account of UUID A are told, and its SCC's ``users`` (None: no SCCs)."""

    def __init__(
        self,
        *namespaces: KubeObject,
        clouds: tuple[KubeObject, ...] | None = (),
        having: tuple[str, ...] = (),
        users: tuple[str, ...] | None = None,
    ) -> None:
        self._namespaces = namespaces
        self._clouds = clouds
        self._having = having
        self._users = users
        self.log: list[str] = []

    def serves(self, _resource: Resource) -> bool:
        return self._users is not None

    def list(self, resource: Resource, *, fields: str | None = None) -> list[KubeObject]:
        self.log.append(f"list {resource.kind}")
        if resource is NAMESPACE:
            return list(self._namespaces)
        if resource is EGRESS_CLOUD:
            if self._clouds is None:
                raise NotFound(404, "the cluster has no EgressCloud")
            return list(self._clouds)
        found = [service_account(A, name) for name in self._having]
        return [item for item in found if fields == f"metadata.name={item['metadata']['name']}"]

    def get(self, _resource: Resource, name: str) -> KubeObject | None:
        found = security_context_constraints(A, self._users or ())
        return found if name == found["metadata"]["name"] else None


def tell(server: Server, **options: Any) -> Result:
    result = report(cast("Any", server), {**dict.fromkeys(SPEC.options), **options}, False)
    assert not result.changed
    return result


def projects(server: Server, **options: Any) -> dict[str, dict[str, Any]]:
    (found,) = tell(server, **options).values["clouds"]
    return {item["namespace"]: item for item in found["projects"]}


def test_an_included_project_with_all_that_it_needs_lacks_nothing() -> None:
    found = projects(Server(namespace("green"), clouds=(cloud("a", A, "green"),), having=("green",), users=("green",)))

    assert found == {
        "green": {
            "namespace": "green",
            "exists": True,
            "included": True,
            "account": True,
            "scc_user": True,
            "pod_security": "privileged",
            "missing": [],
            "surplus": [],
        }
    }


@pytest.mark.parametrize(
    ("level", "having", "users", "missing"),
    [
        ("privileged", (), (), ["account", "scc_user"]),
        ("privileged", ("green",), (), ["scc_user"]),
        ("privileged", (), ("green",), ["account"]),
        ("restricted", ("green",), ("green",), ["pod_security"]),
        ("baseline", ("green",), None, ["pod_security"]),
        (None, ("green",), None, []),
        ("privileged", ("green",), None, []),
        ("privileged", (), None, ["account"]),
    ],
)
def test_what_an_included_project_lacks_is_told(
    level: str | None, having: tuple[str, ...], users: tuple[str, ...] | None, missing: list[str]
) -> None:
    server = Server(namespace("green", level), clouds=(cloud("a", A, "green"),), having=having, users=users)

    assert projects(server)["green"]["missing"] == missing


@pytest.mark.parametrize(
    "there",
    [(), (namespace("green", None),), (namespace("green", None, deletionTimestamp="2026-11-23T06:31:00Z"),)],
)
def test_what_a_project_has_still_that_takes_no_part_is_told(there: tuple[KubeObject, ...]) -> None:
    included = "green" if there and "deletionTimestamp" in there[0]["metadata"] else "blue"
    server = Server(*there, clouds=(cloud("a", A, included),), having=("green",), users=("green",))

    found = projects(server)["green"]

    assert (found["exists"], found["included"], found["missing"]) == (bool(there), False, [])
    assert found["surplus"] == ["account", "scc_user"]


def test_others_are_told_only_if_they_are_asked_for() -> None:
    server = Server(namespace("blue"), namespace("green"), namespace("red"), clouds=(cloud("a", A, "green", "red"),))

    assert list(projects(server)) == ["green", "red"]
    assert list(projects(server, projects=["red", "blue"])) == ["blue", "red"]


def test_clouds_come_by_name_each_with_its_own_accounts() -> None:
    clouds = (cloud("b", B, "green"), cloud("a", A, "green"))
    server = Server(namespace("green"), clouds=clouds, having=("green",), users=())

    found = tell(server).values["clouds"]

    assert [(item["cloud"], item["uuid"], item["account"]) for item in found] == [
        ("a", A, account_name(A)),
        ("b", B, account_name(B)),
    ]
    assert [item["projects"][0]["account"] for item in found] == [True, False]
    assert [item["scc"] for item in found] == [f"avivantage-scc-{A}", None]
    kinds = ("EgressCloud", "Namespace", "ServiceAccount", "ServiceAccount")
    assert server.log == [f"list {kind}" for kind in kinds]


def test_one_cloud_is_chosen_by_name_or_uuid() -> None:
    server = Server(clouds=(cloud("a", A), cloud("b", B)))

    assert [item["cloud"] for item in tell(server, cloud="b").values["clouds"]] == ["b"]
    assert [item["cloud"] for item in tell(server, uuid=A).values["clouds"]] == ["a"]
    with pytest.raises(EgressError, match="EgressCloud c does not exist; there are: a, b"):
        tell(server, cloud="c")


@pytest.mark.parametrize("clouds", [(), None])
def test_a_uuid_needs_no_egress_cloud(clouds: tuple[KubeObject, ...] | None) -> None:
    server = Server(namespace("green"), namespace("blue"), clouds=clouds, having=("green",))

    (found,) = tell(server, uuid=A).values["clouds"]

    assert (found["cloud"], found["uuid"]) == (None, A)
    assert [(item["namespace"], item["included"]) for item in found["projects"]] == [("green", None)]


def test_a_cloud_that_cannot_be_read_says_why_and_spoils_no_other() -> None:
    clouds = (cloud("a", A, "green", bridgeSubnet="none"), cloud("b", B, "green"))

    broken, sound = tell(Server(namespace("green"), clouds=clouds, having=("green",))).values["clouds"]

    assert "spec.bridgeSubnet is 'none'" in broken["error"]
    assert [(item["included"], item["account"]) for item in broken["projects"]] == [(None, True)]
    assert (sound["error"], sound["projects"][0]["included"]) == (None, True)


def test_users_that_are_no_projects_are_told_and_make_no_projects() -> None:
    server = Server(clouds=(cloud("a", A),), users=("green",))
    scc = server.get(EGRESS_CLOUD, f"avivantage-scc-{A}") or {}
    scc["users"].append("somebody")
    server.get = lambda _resource, _name: scc  # type: ignore[method-assign,assignment]

    (found,) = tell(server).values["clouds"]

    assert found["scc_users"][-1] == "somebody"
    assert [item["namespace"] for item in found["projects"]] == ["green"]


def test_a_uuid_that_no_cloud_could_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="avi_scc_account_info: uuid is 'ABC'; give the UUID"):
        validate({"uuid": "ABC"})
