# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A network tells what it has, when the addresses of a family run out, and what is not as it should be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import read_cloud
from egress_controller.cache.changed_locks import ChangedLocks
from egress_controller.cache.context import Context
from egress_controller.cache.listers import NetworkLister
from egress_controller.cache.node_addresses import NodeAddresses
from egress_controller.reconcilers.network import LARGEST_FIGURE, NetworkReconciler
from egress_controller.runtime.keys import Key

from tests.unit.egress_controller.fakes import Server, Store, caches, context, lease, lister, lock, network

SLASH_30 = "10.70.112.0/30"
WIDE = "fd70:112::/64"


class Allowed:
    def condition(self, network: str) -> None:
        """No lease waits to be given up."""

    def review(self, network: str) -> None:
        """Nor has one waited."""


class Silent:
    def emit(self, *_event: Any) -> None:
        """Nobody is told."""


def _reconcile(of: Context, name: str) -> None:
    NetworkReconciler(of, Allowed()).reconcile(Key("network", name))  # type: ignore[arg-type]


def status(
    cidrs: list[str],
    *locked: str,
    kind: str = "AddressesAvailable",
    phase: str = "Bound",
    in_conflict: int = 0,
    **spec: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures and the condition of a type that are written; the first locked address has a lease in ``phase``.

    Another host answers for ``in_conflict`` of the locked addresses, for the first ones.
    """
    server, networks = Server(), Store(network(*cidrs, **spec))
    held = Store(*map(lock, locked))
    for address in held.all()[:in_conflict]:
        address["status"] = {"conditions": [{"type": "Conflict", "status": "True"}]}
    leases = Store(*(lease(address, "2026-01-01T00:00:00Z", phase) for address in locked[:1]))
    known = caches(networks=networks, addresses=held, leases=leases)
    _reconcile(context(server, known, lister(networks), Silent()), "dmz")
    (patch,) = server.patches
    found = patch["status"]
    (condition,) = (item for item in found.pop("conditions") if item["type"] == kind)
    return found, condition


def test_figures_count_both_families() -> None:
    found, _condition = status([SLASH_30, "fd70:112::/126"], "10.70.112.1", "fd70:112::1", "fd70:113::1")
    assert {key: found[key] for key in ("capacity", "available", "bound")} == {
        "capacity": 5,
        "available": 3,
        "bound": 1,
    }


@pytest.mark.parametrize(("phase", "bound", "released"), [("Bound", 1, 0), ("Released", 0, 1), ("Expired", 0, 0)])
def test_an_expired_lease_is_neither_in_use_nor_in_quarantine(phase: str, bound: int, released: int) -> None:
    found, _condition = status([SLASH_30], "10.70.112.1", phase=phase)
    assert (found["bound"], found["released"]) == (bound, released)


RESERVED = [{"address": "10.70.112.1", "namespace": "green"}]


@pytest.mark.parametrize(
    ("locked", "available", "said"),
    [
        ([], 5, "less than 90 % of 5 IPv4 addresses are held"),
        (["10.70.112.1"], 5, "less than 90 % of 5 IPv4 addresses are held"),
        (["10.70.112.2"], 4, "less than 90 % of 5 IPv4 addresses are held"),
        ([f"10.70.112.{n}" for n in range(2, 7)], 0, "all 5 IPv4 addresses are held (1 more are reserved)"),
    ],
)
def test_available_are_those_that_a_claim_may_draw(locked: list[str], available: int, said: str) -> None:
    found, condition = status(["10.70.112.0/29"], *locked, reservations=RESERVED)
    assert (found["capacity"], found["available"]) == (6, available)
    assert said in condition["message"]


def test_a_network_that_is_all_reserved_has_nothing_to_draw() -> None:
    found, condition = status(["10.70.112.1/32"], reservations=RESERVED)
    assert (found["capacity"], found["available"]) == (1, 0)
    assert condition["reason"] == "PoolExhausted"
    assert "there are no addresses to lease (1 are reserved)" in condition["message"]


@pytest.mark.parametrize(
    ("percent", "held", "reason", "said"),
    [
        (50, 6, "AddressesAvailable", "less than 50 % of 14 IPv4 addresses are held"),
        (50, 7, "PoolAlmostExhausted", "7 of 14 IPv4 addresses are held, 50 % or more"),
        (1, 1, "PoolAlmostExhausted", "1 of 14 IPv4 addresses are held, 1 % or more"),
        (100, 13, "AddressesAvailable", "less than 100 % of 14 IPv4 addresses are held"),
        (100, 14, "PoolExhausted", "all 14 IPv4 addresses are held"),
    ],
)
def test_the_network_says_from_which_share_on_it_warns(percent: int, held: int, reason: str, said: str) -> None:
    locked = [f"10.70.112.{number}" for number in range(1, held + 1)]
    _figures, condition = status(["10.70.112.0/28"], *locked, almostExhaustedPercent=percent)
    assert condition["reason"] == reason
    assert said in condition["message"]


@pytest.mark.parametrize("cidrs", [[WIDE], [SLASH_30, WIDE], ["::/0"], ["fd00::/65"], ["fd00::/65", "fd01::/65"]])
def test_figures_fit_into_the_schemas_int64_however_wide_the_network_is(cidrs: list[str]) -> None:
    found, condition = status(cidrs, "fd70:112::1")
    assert found["capacity"] <= LARGEST_FIGURE == 2**63 - 1
    assert found["available"] <= LARGEST_FIGURE
    assert condition["status"] == "True"


@pytest.mark.parametrize(
    ("cidrs", "locked", "reason", "said"),
    [
        ([SLASH_30], [], "AddressesAvailable", "less than 90 % of 2 IPv4 addresses are held"),
        ([SLASH_30], ["10.70.112.1", "10.70.112.2"], "PoolExhausted", "all 2 IPv4 addresses are held"),
        ([SLASH_30, WIDE], ["10.70.112.1", "10.70.112.2"], "PoolExhausted", "all 2 IPv4 addresses are held"),
        (["10.70.112.0/24", "fd70:112::/127"], ["fd70:112::", "fd70:112::1"], "PoolExhausted", "all 2 IPv6 addresses"),
        (["10.70.112.0/28", WIDE], [f"10.70.112.{n}" for n in range(1, 14)], "PoolAlmostExhausted", "13 of 14 IPv4"),
        ([WIDE], ["fd70:112::1"], "AddressesAvailable", f"{2**64 - 1} IPv6 addresses"),
        (["10.70.112.0/31", "10.70.112.0/24"], [], "AddressesAvailable", "IPv4 addresses"),
    ],
)
def test_a_family_that_runs_out_is_told_though_the_other_has_plenty(
    cidrs: list[str], locked: list[str], reason: str, said: str
) -> None:
    _figures, condition = status(cidrs, *locked)
    assert condition["reason"] == reason
    assert said in condition["message"]


def test_a_network_without_any_address_says_so() -> None:
    _figures, condition = status([])
    assert (condition["status"], condition["reason"]) == ("False", "PoolExhausted")
    assert "there are no addresses to lease" in condition["message"]


@pytest.mark.parametrize(("held", "state"), [("10.70.112.1", "True"), ("10.70.99.1", "False")])
def test_a_lease_in_use_outside_the_pool_is_told(held: str, state: str) -> None:
    _figures, condition = status([SLASH_30], held, kind="LeasesInPool")
    assert condition["status"] == state
    assert ("1 leases in use" in condition["message"]) is (state == "False")
    assert ("dmz.green.web.0 (10.70.99.1)" in condition["message"]) is (state == "False")


@pytest.mark.parametrize(("namespace", "state"), [("green", "True"), ("blue", "False")])
def test_a_lease_in_use_at_an_address_that_became_another_projects_is_told(namespace: str, state: str) -> None:
    reserved = [{"address": "10.70.112.1", "namespace": namespace}]
    _figures, condition = status([SLASH_30], "10.70.112.1", kind="LeasesInPool", reservations=reserved)
    assert condition["status"] == state


def named(name: str, created: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "name": name, "creationTimestamp": created}}


def conditions(asked: str, *networks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a network says about itself beside others."""
    server, store = Server(), Store(*networks)
    known = caches(networks=store, addresses=Store(), leases=Store())
    clouds, locks, news = lister(Store(), read_cloud), Store(), ChangedLocks()
    divided = NetworkLister(store, clouds, NodeAddresses(), locks, news)  # type: ignore[arg-type]
    _reconcile(context(server, known, divided, Silent()), asked)
    return {item["type"]: item for patch in server.patches for item in patch["status"].get("conditions", ())}


OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("10.70.112.2/32", "belong to older networks: 1 of EgressNetwork old (10.70.112.2); it leases none of them."),
        ("10.70.112.0/30", "2 of EgressNetwork old (10.70.112.1 and 10.70.112.2);"),
        ("10.70.112.0/24", "6 of EgressNetwork old (10.70.112.1 and 10.70.112.2, for example);"),
    ],
)
def test_the_younger_of_two_networks_tells_which_addresses_it_does_not_lease(cidr: str, said: str) -> None:
    old, new = named("old", OLD, network("10.70.112.0/29")), named("new", NEW, network(cidr))
    told = conditions("new", old, new)["NoOverlap"]
    assert (told["status"], told["reason"]) == ("False", "Overlaps")
    assert said in told["message"]
    assert "spec.uplink" in told["message"]
    assert "NoOverlap" not in conditions("old", old, new)


def test_of_an_overlap_that_is_over_the_network_says_so_and_of_none_it_says_nothing() -> None:
    alone = named("new", NEW, network("10.70.112.0/29"))
    assert "NoOverlap" not in conditions("new", alone)
    former = {"type": "NoOverlap", "status": "False", "reason": "Overlaps", "message": "", "lastTransitionTime": OLD}
    told = conditions("new", {**alone, "status": {"conditions": [former]}})["NoOverlap"]
    assert (told["status"], told["reason"]) == ("True", "NoOverlap")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "1 of its addresses: 10.70.112.1;"),
        (7, "7 of its addresses: 10.70.112.1, 10.70.112.2, 10.70.112.3, 10.70.112.4, 10.70.112.5 and 2 more;"),
    ],
)
def test_addresses_that_another_host_answers_for_are_told(number: int, said: str) -> None:
    held = [f"10.70.112.{n}" for n in range(1, 9)]
    _figures, condition = status(["10.70.112.0/28"], *held, kind="NoConflicts", in_conflict=number)
    assert (condition["status"], condition["reason"]) == ("False", "AddressConflict")
    assert said in condition["message"]


def test_of_conflicts_that_are_over_the_network_says_so_and_of_none_it_says_nothing() -> None:
    quiet = network("10.70.112.0/29")
    assert "NoConflicts" not in conditions("dmz", quiet)
    former = {"type": "NoConflicts", "status": "False", "reason": "x", "message": "", "lastTransitionTime": OLD}
    told = conditions("dmz", {**quiet, "status": {"conditions": [former]}})["NoConflicts"]
    assert (told["status"], told["reason"]) == ("True", "NoConflicts")
