# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whose turn a key is handed out in."""

from __future__ import annotations

from egress_controller.cache.shares import share_of
from egress_controller.runtime.keys import Key, service_key


def test_a_projects_services_and_leases_are_one_share() -> None:
    green = share_of(service_key("green", "shop"))
    assert share_of(service_key("green", "other")) == green
    assert share_of(Key("lease", "dmz.green.shop.0")) == green
    assert share_of(Key("lease", "dmz.blue.shop.0")) == share_of(service_key("blue", "shop")) != green


def test_what_administrators_make_waits_for_no_project_and_no_other_of_them() -> None:
    keys = [Key("cloud", "a"), Key("network", "a"), Key("network", "green"), service_key("green", "a")]
    assert len({share_of(key) for key in keys}) == len(keys)


def test_all_addresses_are_one_share() -> None:
    assert share_of(Key("address", "dmz.10-0-0-1")) == share_of(Key("address", "lan.10-0-0-2"))


def test_a_lease_that_somebody_named_otherwise_is_handed_out_too() -> None:
    assert isinstance(share_of(Key("lease", "odd")), str)
