# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An administrator's word about a lease holds for one holding of it, and not for long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.release_confirmation import (
    VALID,
    confirmation,
    is_confirmed,
)

BOUND_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADDRESS = "10.0.0.7"


def lease(confirmed_at: datetime | None = None, text: str | None = None) -> KubeObject:
    annotations = confirmation(confirmed_at) if confirmed_at else {"egress.avi.dev/release-confirmed": text}
    return {
        "metadata": {"name": "lan.green.x.0", "annotations": annotations},
        "status": lease_status.bound({}, ADDRESS, BOUND_AT),
    }


def test_it_holds_for_some_minutes() -> None:
    told = lease(BOUND_AT + MINUTE)
    assert is_confirmed(told, BOUND_AT + MINUTE)
    assert is_confirmed(told, BOUND_AT + MINUTE + VALID)
    assert not is_confirmed(told, BOUND_AT + 2 * MINUTE + VALID)


def test_a_release_in_time_stays_a_confirmed_one() -> None:
    told = lease(BOUND_AT + MINUTE)
    told["status"] = lease_status.released(told, BOUND_AT + 2 * MINUTE, "ServiceGone")
    assert is_confirmed(told, BOUND_AT + timedelta(days=1))


def test_it_is_used_up_by_the_release_that_it_confirmed() -> None:
    told = lease(BOUND_AT + MINUTE)
    told["status"] = lease_status.released(told, BOUND_AT + 2 * MINUTE, "ServiceGone")
    told["status"] = lease_status.bound(told, ADDRESS, BOUND_AT + 3 * MINUTE)
    assert not is_confirmed(told, BOUND_AT + 4 * MINUTE)


@pytest.mark.parametrize("text", [None, "", "allow", "2026-01-01", "9" * 5000])
def test_what_is_no_moment_confirms_nothing(text: str | None) -> None:
    assert not is_confirmed(lease(text=text), BOUND_AT + MINUTE)


def test_neither_does_one_of_the_future_nor_of_a_lease_that_never_was() -> None:
    assert not is_confirmed(lease(BOUND_AT + 5 * MINUTE), BOUND_AT + MINUTE)
    assert not is_confirmed({**lease(BOUND_AT), "status": {}}, BOUND_AT)
