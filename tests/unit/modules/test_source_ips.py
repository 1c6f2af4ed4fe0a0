# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which addresses the lookup source_ips gives to a firewall, and what it refuses to answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.module.lease.source_ips import SPEC, addresses, validate

DEFAULTS = {name: option.get("default") for name, option in SPEC.options.items()}
DAYS = [f"2026-11-{day:02}T00:00:00Z" for day in range(1, 29)]


class Server:
    """As much of a cluster as is asked for; what it was asked for is kept."""

    def __init__(self, leases: list[KubeObject], **objects: list[KubeObject]) -> None:
        self._objects = {"EgressLease": leases, **objects}
        self.asked: list[str | None] = []

    def list(self, resource: Resource, _namespace: str | None = None, *, labels: str | None = None) -> list[KubeObject]:
        self.asked.append(labels)
        found = self._objects.get(resource.kind, [])
        if resource.kind != "EgressLease" or labels is None:
            return found
        projects = labels.partition("(")[2].rstrip(")").split(",")
        return [item for item in found if item["spec"]["namespace"] in projects]

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        found = (item for item in self._objects.get(resource.kind, []) if item["metadata"]["name"] == name)
        return next((item for item in found if item["metadata"].get("namespace") == namespace), None)


def lease(name: str, phase: str | None, address: str, *moments: str, **status: Any) -> KubeObject:
    network, namespace, service = name.split(".")
    known = {"phase": phase, "address": address, **dict(zip(("boundAt", "releasedAt"), moments, strict=False))}
    return {**lease_object(Slot(network, namespace, service, 0), CONTROLLER), "status": {**known, **status}}


def past(address: str, begin: int, end: int) -> dict[str, str]:
    return {"address": address, "boundAt": DAYS[begin], "releasedAt": DAYS[end], "reason": "ServiceDeleted"}


def named(name: str, namespace: str | None = None, **annotations: str) -> KubeObject:
    return {"metadata": {"name": name, **({"namespace": namespace} if namespace else {}), "annotations": annotations}}


LEASES = [
    lease("dmz.green.v", "Bound", "fd70:112::1", DAYS[0]),
    lease("dmz.green.b", "Bound", "10.70.112.100", DAYS[9], history=[past("10.70.112.77", 0, 5)]),
    lease("lan.green.a", "Bound", "10.70.112.9", DAYS[0]),
    lease("dmz.green.r", "Released", "10.70.112.11", DAYS[0], DAYS[9]),
    lease("dmz.green.e", "Expired", "10.70.112.12", DAYS[0], DAYS[9]),
    lease("dmz.green.again", None, "10.70.112.13", DAYS[0], DAYS[9]),
    lease("dmz.blue.b", "Bound", "10.70.112.50", DAYS[0]),
]


def found(*terms: str, server: Server | None = None, **options: Any) -> list[str]:
    given = {**DEFAULTS, "_terms": list(terms), **options}
    validate(given)
    return addresses(cast("Any", server or Server(LEASES)), given)


def test_what_a_project_holds_now_is_told_in_the_order_of_numbers() -> None:
    assert found("green") == ["10.70.112.9", "10.70.112.100", "fd70:112::1"]
    assert found("green/b", "blue", "green/b") == ["10.70.112.50", "10.70.112.100"]
    assert found("green", network="dmz", ip_family="IPv4") == ["10.70.112.100"]


def test_what_is_in_quarantine_is_told_where_it_is_asked_for() -> None:
    assert found("green", quarantined=True, ip_family="IPv4") == ["10.70.112.9", "10.70.112.11", "10.70.112.100"]


def test_what_was_held_at_a_moment_is_told_whatever_became_of_it() -> None:
    then = ["10.70.112.9", "10.70.112.11", "10.70.112.12", "10.70.112.13", "10.70.112.77", "fd70:112::1"]
    assert found("green", as_of=DAYS[3]) == then
    assert found("green/b", as_of=DAYS[5]) == []
    assert found("green/b", as_of="2026-11-06T00:59:59+01:00") == ["10.70.112.77"]


def test_what_a_full_memory_may_have_forgotten_is_not_answered() -> None:
    full = lease(
        "dmz.green.b", "Bound", "10.70.112.100", DAYS[20], history=[past("10.70.112.9", i, i) for i in range(1, 9)]
    )

    assert found("green", server=Server([full]), as_of=DAYS[20]) == ["10.70.112.100"]
    with pytest.raises(InvalidInput, match=r"EgressLease dmz\.green\.b\.0 remembers what it held since 2026-11-02T"):
        found("green", server=Server([full]), as_of=DAYS[0])


def test_labels_choose_and_names_choose_among_them() -> None:
    services = [named("b", "green", egress_pod="{}"), named("b", "blue", egress_pod="{}"), named("a", "green")]
    server = Server(LEASES, Service=services, Namespace=[named("green"), named("red")])

    assert found(server=server, label_selector="x=y") == ["10.70.112.50", "10.70.112.100"]
    assert found("green", server=server, label_selector="x=y") == ["10.70.112.100"]
    assert found(server=server, namespace_label_selector="x=y", label_selector="x=y") == ["10.70.112.100"]
    assert server.asked[-1] == "egress.avi.dev/namespace in (green)"


def test_a_lease_of_a_project_that_is_gone_is_known_whatever_labels_choose() -> None:
    server = Server(LEASES, Namespace=[named("green")])

    assert found("green/b", "blue", server=server, namespace_label_selector="x=y") == ["10.70.112.100"]


def test_labels_that_choose_nothing_give_an_empty_list_only_where_allowed() -> None:
    server = Server(LEASES, Namespace=[named("green")])

    told = r"namespace_label_selector is 'x=y'; it chooses no project"
    with pytest.raises(InvalidInput, match=told):
        found("blue", server=server, namespace_label_selector="x=y")
    with pytest.raises(InvalidInput, match="label_selector is 'x=y'; it chooses no secure egress service"):
        found(server=server, label_selector="x=y")
    assert found("blue", server=server, namespace_label_selector="x=y", allow_empty=True) == []


def test_what_is_known_and_holds_nothing_gives_an_empty_list() -> None:
    objects = {"Namespace": [named("red")], "Service": [named("new", "green", egress_pod="{}")]}
    server = Server(LEASES, EgressNetwork=[named("wan")], **objects)

    assert found("red", "green/new", "green/e", server=server) == []
    assert found("green", server=server, network="wan") == []


@pytest.mark.parametrize(
    ("terms", "options", "told"),
    [
        (["gren"], {}, "_terms is 'gren'; there is no such project, and no lease of one"),
        (
            ["green", "green/web"],
            {},
            "_terms is 'green/web'; there is no such secure egress service, and no lease of one",
        ),
        (["green/plain"], {}, "_terms is 'green/plain'; there is no such secure egress service, and no lease of one"),
        (["green"], {"network": "dnz"}, "network is 'dnz'; there is no such EgressNetwork"),
        ([], {}, r"_terms is \[\]; name a project, as in green, or a service, as in green/web, or give label_selector"),
        (["green"], {"label_selector": ""}, "label_selector is ''; give a value, or leave it out for all"),
        ([""], {}, "_terms is ''; name a project"),
        (["green/"], {}, "_terms is 'green/'; name a project"),
        (["green) or (x"], {}, r"_terms is 'green\) or \(x'; name a project"),
        (["green"], {"as_of": "noon"}, "as_of is 'noon'; give a moment with its zone"),
        (["green"], {"as_of": "2026-11-20T03:14:15"}, "give a moment with its zone"),
        (["green"], {"as_of": timestamp(utc_now() + timedelta(hours=1))}, "give a moment that is over"),
        (["green"], {"as_of": DAYS[0], "quarantined": True}, "quarantined is True; leave it out with as_of"),
    ],
)
def test_what_would_empty_a_set_by_mistake_is_refused(terms: list[str], options: dict[str, Any], told: str) -> None:
    server = Server(LEASES, Service=[named("plain", "green")])

    with pytest.raises(InvalidInput, match=f"^source_ips: .*{told}"):
        found(*terms, server=server, **options)
