# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which rights are asked for, and what is told of those that are missing."""

from __future__ import annotations

from typing import Any, cast

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module import access_info

PODS = {"resource": "pods", "verbs": ["get", "delete"], "namespace": "green", "if_served": False}
SETS = {"resource": "statefulsets.apps", "verbs": ["list"], "namespace": None, "if_served": False}


class Server:
    """Grants what it was made with, as ``verb group/resource namespace``, and keeps the questions."""

    def __init__(self, *granted: str, served: tuple[str, ...] = ()) -> None:
        self.granted, self.there = granted, served
        self.asked: list[str] = []
        self.groups: list[str] = []
        self.connection = Connection(host="https://api.example:6443", api_key="token")

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        spec = body["spec"]["resourceAttributes"]
        question = f"{spec['verb']} {spec['group']}/{spec['resource']} {spec.get('namespace', '-')}"
        question += f" {spec['subresource']}" if "subresource" in spec else ""
        self.asked.append(question)
        return {"status": {"allowed": question in self.granted}}

    def served(self, group: str, version: str) -> frozenset[str]:
        self.groups.append(f"{group}/{version}")
        return frozenset(name.partition(".")[0] for name in self.there if name.partition(".")[2] == group)


def report(server: Server, *rights: dict[str, Any]) -> dict[str, Any]:
    result = access_info.report(cast(KubeClient, server), {"rights": rights}, False)
    assert not result.changed
    return dict(result.values)


def test_who_may_do_everything_is_asked_once() -> None:
    server = Server("* */* -")

    assert report(server, PODS, SETS) == {"missing": [], "message": None, "absent": [], "other_user": None}
    assert server.asked == ["* */* -"]


def test_missing_rights_are_told_with_verb_resource_and_namespace() -> None:
    server = Server("get /pods green")

    assert report(server, PODS, SETS) == {
        "missing": [
            {"resource": "pods", "namespace": "green", "verbs": ["delete"]},
            {"resource": "statefulsets.apps", "namespace": None, "verbs": ["list"]},
        ],
        "message": "this account may not delete pods in namespace green; list statefulsets.apps in the cluster",
        "absent": [],
        "other_user": None,
    }


def test_a_subresource_is_asked_for_in_the_group_of_its_resource() -> None:
    status = {"resource": "statefulsets.apps/status", "verbs": ["update"], "namespace": None, "if_served": False}

    assert report(Server("update apps/statefulsets - status"), status)["missing"] == []
    assert report(Server("update apps/statefulsets -"), status)["message"] == (
        "this account may not update statefulsets.apps/status in the cluster"
    )


def test_what_the_cluster_does_not_have_needs_no_right() -> None:
    sets = {**SETS, "if_served": True}

    assert report(Server(), sets)["missing"] == []
    assert report(Server(served=("statefulsets.apps",)), sets)["missing"] != []


def test_what_the_cluster_does_not_have_is_told_whatever_the_rights() -> None:
    deployments = {"resource": "deployments.apps", "verbs": ["get"], "namespace": None, "if_served": True}
    server = Server("* */* -", served=("deployments.apps",))

    told = report(server, PODS, deployments, {**SETS, "if_served": True}, {**SETS, "if_served": True})

    assert (told["absent"], server.groups) == (["statefulsets.apps"], ["apps/v1"])
