# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which events a rulebook is told of leases, addresses, networks and services, and that none is told twice."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_NETWORK,
    SERVICE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import address_object
from ansible_collections.avi.egress.plugins.module_utils.module.events.history import Event, History, read
from ansible_collections.avi.egress.plugins.module_utils.module.events.ledger import Ledger, news

DAYS = [f"2026-11-{day:02}T00:00:00Z" for day in range(1, 29)]


def lease(*holdings: tuple[str, int, int | None], uid: str = "l") -> KubeObject:
    """A lease that held addresses, each from a day to a day."""
    items = []
    for address, begin, end in holdings:
        ended = {} if end is None else {"releasedAt": DAYS[end], "reason": "x"}
        items.append({"address": address, "boundAt": DAYS[begin], **ended})
    body = lease_object(Slot("dmz", "green", "web", 0), CONTROLLER)
    status = {**items[-1], "history": items[:-1], "phase": "any"} if items else {}
    return {**body, "metadata": {**body["metadata"], "uid": uid}, "status": status}


def conditioned(resource: Resource, kind: str, status: str, reason: str, since: int = 0) -> KubeObject:
    condition = {"type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": DAYS[since]}
    metadata = {"name": "web", "namespace": "green", "uid": "o"}
    return {"kind": resource.kind, "metadata": metadata, "status": {"conditions": [condition]}}


def lock(status: str) -> KubeObject:
    body = address_object("dmz", "10.70.112.9", lease())
    found = conditioned(SERVICE, "Conflict", status, "AnsweredByStranger")
    return {**body, "metadata": {**body["metadata"], "uid": "a"}, "status": found["status"]}


def told(events: Any) -> list[tuple[str, str | None, str | None]]:
    """Kind, address and moment of each event."""
    return [(event.kind, event.facts.get("address"), event.facts["since"]) for event in events]


def seen(ledger: Ledger, obj: KubeObject) -> list[tuple[str, str | None, str | None]]:
    return told(ledger.seen(read(obj)))


def test_a_lease_is_told_bound_once_and_released_once() -> None:
    ledger = Ledger()

    assert seen(ledger, lease()) == []
    assert seen(ledger, lease(("10.0.0.1", 1, None))) == [("bound", "10.0.0.1", DAYS[1])]
    assert seen(ledger, lease(("10.0.0.1", 1, None))) == []
    assert seen(ledger, lease(("10.0.0.1", 1, 2))) == [("released", "10.0.0.1", DAYS[2])]
    assert seen(ledger, {**lease(("10.0.0.1", 1, 2))}) == []
    assert told(ledger.gone(read(lease(("10.0.0.1", 1, 2))))) == []
    assert len(ledger) == 0


def test_what_happened_while_nobody_looked_is_told_in_its_order() -> None:
    ledger = Ledger()
    seen(ledger, lease(("10.0.0.1", 1, None)))

    missed = seen(ledger, lease(("10.0.0.1", 1, 2), ("10.0.0.2", 3, 4), ("10.0.0.2", 5, None)))

    assert missed == [
        ("released", "10.0.0.1", DAYS[2]),
        ("bound", "10.0.0.2", DAYS[3]),
        ("released", "10.0.0.2", DAYS[4]),
        ("bound", "10.0.0.2", DAYS[5]),
    ]


def test_a_holding_that_a_lease_has_forgotten_is_told_released() -> None:
    ledger = Ledger()
    seen(ledger, lease(("10.0.0.1", 1, None)))

    assert seen(ledger, lease(("10.0.0.2", 9, None))) == [
        ("released", "10.0.0.1", None),
        ("bound", "10.0.0.2", DAYS[9]),
    ]


def test_of_what_is_there_at_first_the_present_state_is_told() -> None:
    ledger = Ledger()
    past = (("10.0.0.1", 1, 2), ("10.0.0.2", 3, None))

    first = told(ledger.listed([read(lease(*past)), read(lease(("10.0.0.3", 1, 2), uid="m"))]))

    assert first == [("bound", "10.0.0.2", DAYS[3]), ("released", "10.0.0.3", DAYS[2])]
    assert told(ledger.listed([read(lease(*past)), read(lease(("10.0.0.3", 1, 2), uid="m"))])) == []


def test_a_lease_that_a_list_lacks_is_told_released() -> None:
    ledger = Ledger()
    seen(ledger, lease(("10.0.0.1", 1, None)))
    seen(ledger, lease(("10.0.0.2", 1, None), uid="m"))

    assert told(ledger.listed([read(lease(("10.0.0.2", 1, None), uid="m"))])) == [("released", "10.0.0.1", None)]
    assert told(ledger.listed([])) == [("released", "10.0.0.2", None)]
    assert len(ledger) == 0


def test_a_bound_lease_that_is_deleted_is_told_released() -> None:
    ledger = Ledger()

    assert told(ledger.gone(read(lease(("10.0.0.1", 1, None))))) == [
        ("bound", "10.0.0.1", DAYS[1]),
        ("released", "10.0.0.1", None),
    ]
    assert len(ledger) == 0


@pytest.mark.parametrize(
    ("obj", "kind", "well"),
    [
        (
            conditioned(SERVICE, "EgressReady", "False", "PodRefused"),
            "not_ready",
            conditioned(SERVICE, "EgressReady", "True", "EgressReady"),
        ),
        (
            conditioned(EGRESS_NETWORK, "AddressesAvailable", "False", "PoolExhausted"),
            "exhausted",
            conditioned(EGRESS_NETWORK, "AddressesAvailable", "True", "PoolAlmostExhausted"),
        ),
        (lock("True"), "conflict", lock("False")),
    ],
)
def test_trouble_is_told_once_and_not_its_end(obj: KubeObject, kind: str, well: KubeObject) -> None:
    ledger = Ledger()

    assert [event.kind for event in ledger.seen(read(obj))] == [kind]
    assert seen(ledger, obj) == []
    assert seen(ledger, well) == []
    assert len(ledger) == 0
    assert told(ledger.gone(read(obj)))[1:] == []


def test_the_same_trouble_at_another_time_or_for_another_reason_is_news() -> None:
    ledger = Ledger()
    states = [("WaitingForPod", 1), ("WaitingForPod", 1), ("PodRefused", 1), ("PodRefused", 2)]

    events = [ledger.seen(read(conditioned(SERVICE, "EgressReady", "False", *state))) for state in states]

    assert [len(found) for found in events] == [1, 0, 1, 1]


def test_a_network_that_cannot_be_read_is_not_exhausted() -> None:
    assert read(conditioned(EGRESS_NETWORK, "AddressesAvailable", "False", "InvalidInput")).events == ()


def test_a_lock_with_a_lease_of_a_strange_name_names_no_project() -> None:
    obj = lock("True")
    obj["spec"]["lease"] = "a.b"

    assert "project" not in read(obj).events[0].content


def test_an_event_has_the_same_uuid_whoever_tells_it() -> None:
    bound, again = (read(lease(("10.0.0.1", 1, None))).events[0].content for _time in range(2))
    released = read(lease(("10.0.0.1", 1, 2))).events[1].content
    other = read(lease(("10.0.0.1", 3, None))).events[0].content

    identities = [uuid.UUID(item["meta"].pop("uuid")) for item in (bound, again, released, other)]

    assert identities[0] == identities[1]
    assert len(set(identities)) == 3
    assert bound == {
        "kind": "bound",
        "lease": "dmz.green.web.0",
        "project": "green",
        "service": "web",
        "slot": 0,
        "network": "dmz",
        "address": "10.0.0.1",
        "ip_family": "IPv4",
        "since": DAYS[1],
        "meta": {},
    }
    assert released["reason"] == "x"


def test_news_are_what_comes_after_the_event_told_last() -> None:
    first, second, third = (Event("bound", (str(number),), {}) for number in range(3))

    assert list(news(None, (first, second))) == [second]
    assert list(news(first, (first, second, third))) == [second, third]
    assert list(news(third, (first, second, third))) == []
    assert list(news(None, ())) == []


def test_nothing_is_kept_of_what_is_in_no_state() -> None:
    ledger = Ledger()

    assert list(ledger.listed(History(str(number), ()) for number in range(1000))) == []
    assert len(ledger) == 0
