# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The guarantees of leases (docs/explanation/leases.md) over thousands of steps, looked at after each single write."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.ipam.store import LeaseStore
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.lease_machine import LeaseMachine
from tests.support.memory_store import MemoryStore


class Machine(LeaseMachine):
    def connect(self) -> LeaseStore:
        return MemoryStore()


def test_the_guarantees_hold_whatever_happens_in_whatever_order() -> None:
    often = settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Machine, settings=often)
    print(f"steps: {Machine.steps}")
    assert Machine.steps >= 2000
