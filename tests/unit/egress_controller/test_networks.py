# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A network tells what it has, and when the addresses of a family run out."""

from __future__ import annotations

from typing import Any

import pytest
from egress_controller.networks import LARGEST_FIGURE, NetworkPass

from .fakes import Server, Store, caches, lease, lock, network, shelf

SLASH_30 = "10.70.112.0/30"
WIDE = "fd70:112::/64"


class Allowed:
    def condition(self, network: str) -> None:
        """No lease waits to be given up."""


class Silent:
    def emit(self, *_event: Any) -> None:
        """Nobody is told."""


def status(cidrs: list[str], *locked: str, kind: str = "AddressesAvailable") -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures and the condition of a type that are written."""
    server, networks = Server(), Store(network(*cidrs))
    held = Store(*map(lock, locked))
    leases = Store(*(lease(address, "2026-01-01T00:00:00Z") for address in locked[:1]))
    known = caches(networks=networks, addresses=held, leases=leases)
    NetworkPass(server, known, shelf(networks), Allowed(), Silent()).run("dmz")  # type: ignore[arg-type]
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
        (["10.70.112.0/28", WIDE], [f"10.70.112.{n}" for n in range(1, 14)], "PoolAlmostExhausted", "14 IPv4"),
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
