# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What avi_ipam_lease_info tells of leases and networks."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput, NotFound, no_such_kind
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_NETWORK, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import IMPORT, Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import address_object
from ansible_collections.avi.egress.plugins.module_utils.module.lease.ipam_lease_info import report, validate

NO_FILTER = dict.fromkeys(("network", "namespace", "service", "address", "phases", "at"))
CONFLICT = {"conditions": [{"type": "Conflict", "status": "True"}]}


class Server:
    """As much of a cluster as is listed."""

    def __init__(self, **objects: list[KubeObject]) -> None:
        self._objects = objects

    def list(self, resource: Resource, _namespace: str | None = None, **_selectors: Any) -> list[KubeObject]:
        return self._objects.get(resource.kind, [])


def lease(name: str, phase: str | None, address: str | None = None, *moments: str, **status: Any) -> KubeObject:
    network, namespace, service = name.split(".")
    found = lease_object(Slot(network, namespace, service, 0), IMPORT)
    known = {"phase": phase, "address": address, **dict(zip(("boundAt", "releasedAt"), moments)), **status}
    metadata = {**found["metadata"], "uid": name}
    return {**found, "metadata": metadata, "status": {key: value for key, value in known.items() if value}}


def network(name: str, *subnets: dict[str, Any], **spec: Any) -> KubeObject:
    return {"metadata": {"name": name, "creationTimestamp": name}, "spec": {"subnets": list(subnets), **spec}}


def subnet(cidr: str, begin: str, end: str) -> dict[str, Any]:
    return {"cidr": cidr, "ranges": [{"begin": begin, "end": end}]}


DMZ = network("dmz", subnet("10.70.112.0/24", "10.70.112.9", "10.70.112.20"))
LEASES = [
    lease("lan.green.c", "Bound", "10.1.0.9", "2026-11-01T00:00:00Z"),
    lease("dmz.green.b", "Bound", "10.70.112.10", "2026-11-01T00:00:00Z"),
    lease("dmz.blue.a", "Expired", "10.70.112.9", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", reason="Transferred"),
    lease("dmz.green.v", "Bound", "fd70:112::1", "2026-11-01T00:00:00Z"),
    lease("dmz.green.n", None),
]


def told(leases: list[KubeObject] | None = None, **options: Any) -> list[dict[str, Any]]:
    result = report(
        cast("Any", Server(EgressLease=LEASES if leases is None else leases)), {**NO_FILTER, **options}, False
    )
    assert not result.changed
    return list(result.values["leases"])


def test_leases_that_an_uninstallation_has_kept_are_told_without_networks() -> None:
    class Kept(Server):
        def list(self, resource: Resource, _namespace: str | None = None, **_selectors: Any) -> list[KubeObject]:
            if resource is EGRESS_NETWORK:
                raise NotFound(404, no_such_kind(resource.kind))
            return super().list(resource)

    values = report(cast("Any", Kept(EgressLease=LEASES)), {**NO_FILTER}, False).values
    assert (len(values["leases"]), values["networks"]) == (len(LEASES), [])


def services(**options: Any) -> list[str]:
    return [item["service"] for item in told(**options)]


def test_leases_come_by_network_version_and_number() -> None:
    assert [(item["network"], item["address"]) for item in told()] == [
        ("dmz", "10.70.112.9"),
        ("dmz", "10.70.112.10"),
        ("dmz", "fd70:112::1"),
        ("dmz", None),
        ("lan", "10.1.0.9"),
    ]


def test_filters_leave_what_all_of_them_admit() -> None:
    assert services(network="lan") == ["c"]
    assert services(namespace="green", network="dmz") == ["b", "v", "n"]
    assert services(service="b") == ["b"]
    assert services(address="FD70:112::0:1") == ["v"]
    assert services(phases=["Expired", "Released"]) == ["a"]
    assert services(namespace="blue", phases=["Bound"]) == []


def test_a_lease_is_told_flat() -> None:
    (found,) = told(service="a")

    assert found == {
        "network": "dmz",
        "namespace": "blue",
        "service": "a",
        "slot": 0,
        "phase": "Expired",
        "claimed_by": "import",
        "address": "10.70.112.9",
        "bound_at": "2026-11-01T00:00:00Z",
        "released_at": "2026-11-02T00:00:00Z",
        "reason": "Transferred",
        "history": [],
    }


MOVED = lease(
    "dmz.green.b",
    "Bound",
    "10.70.112.10",
    "2026-11-05T00:00:00Z",
    history=[
        {
            "address": "10.70.112.9",
            "boundAt": "2026-11-02T00:00:00Z",
            "releasedAt": "2026-11-03T00:00:00Z",
            "reason": "ReleasedByModule",
        }
    ],
)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-10-31T23:59:59Z", []),
        ("2026-11-01T00:00:00Z", [("a", "10.70.112.9")]),
        ("2026-11-02T00:00:00Z", [("b", "10.70.112.9")]),
        ("2026-11-02T23:59:59Z", [("b", "10.70.112.9")]),
        ("2026-11-03T00:30:00+01:00", [("b", "10.70.112.9")]),
        ("2026-11-03T00:00:00Z", []),
        ("2026-11-05 00:00:00+00:00", [("b", "10.70.112.10")]),
    ],
)
def test_who_held_an_address_at_a_moment_is_told_from_the_history(at: str, expected: list[tuple[str, str]]) -> None:
    found = told([LEASES[2], MOVED], at=at)

    assert [(item["service"], item["address"]) for item in found] == expected
    assert told([MOVED], at=at, address="10.70.112.77") == []


def test_the_history_is_what_was_held_before() -> None:
    (found,) = told([MOVED])

    assert found["bound_at"] == "2026-11-05T00:00:00Z"
    assert found["released_at"] is None
    assert found["history"] == [
        {
            "address": "10.70.112.9",
            "bound_at": "2026-11-02T00:00:00Z",
            "released_at": "2026-11-03T00:00:00Z",
            "reason": "ReleasedByModule",
        }
    ]


def test_networks_are_counted_as_their_controller_counts_them() -> None:
    dmz = network(
        "dmz",
        subnet("10.70.112.0/24", "10.70.112.9", "10.70.112.20"),
        subnet("fd70:112::/64", "fd70:112::1", "fd70:112::2"),
        reservations=[{"address": "10.70.112.20", "namespace": "green"}],
    )
    held = [item for item in LEASES if item["spec"]["network"] == "dmz" and (item["status"].get("phase") == "Bound")]
    locks = [address_object("dmz", item["status"]["address"], item) for item in held]
    locks.append({**address_object("dmz", "10.70.112.12", LEASES[4]), "status": CONFLICT})
    node = {"metadata": {"name": "n"}, "status": {"addresses": [{"address": "10.70.112.11"}]}}
    server = Server(EgressNetwork=[dmz], EgressLease=LEASES, EgressAddress=locks, Node=[node])

    (found,) = report(cast("Any", server), NO_FILTER, True).values["networks"]

    counted = {"capacity": 13, "reserved": 1, "available": 9, "bound": 2, "released": 0, "conflicts": 1, "percent": 50}
    assert {key: found[key] for key in counted} == counted
    keys = ("ip_family", "capacity", "reserved", "available", "bound", "conflicts", "percent")
    assert [tuple(family[key] for key in keys) for family in found["families"]] == [
        ("IPv4", 11, 1, 8, 1, 1, 20),
        ("IPv6", 2, 0, 1, 1, 0, 50),
    ]


def test_a_network_that_cannot_be_read_says_why_and_spoils_no_other() -> None:
    server = Server(EgressNetwork=[network("broken", {"cidr": "10.1.0.0/33"}), DMZ], EgressLease=LEASES)

    broken, dmz = report(cast("Any", server), NO_FILTER, False).values["networks"]

    assert "spec.subnets[0].cidr is '10.1.0.0/33'" in broken["error"]
    assert (broken["capacity"], broken["percent"], broken["families"]) == (None, None, [])
    assert (dmz["error"], dmz["capacity"], dmz["percent"]) == (None, 12, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"address": "ten"}, "address is 'ten'; give an IPv4 or IPv6 address"),
        ({"at": "yesterday"}, "at is 'yesterday'; give a moment with its zone"),
        ({"at": "2026-11-23T06:31:00"}, "give a moment with its zone"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate({**NO_FILTER, **options})

    assert sentence in str(caught.value)
