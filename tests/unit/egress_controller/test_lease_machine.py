# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The guarantees of leases (design §6) over thousands of steps, looked at after each single write."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.lease_store import LeaseStore
from hypothesis import HealthCheck, settings

from tests.lease_machine import LeaseMachine
from tests.unit.core.lease_store import MemoryStore


class Machine(LeaseMachine):
    def connect(self) -> LeaseStore:
        return MemoryStore()


TestLeases = Machine.TestCase
TestLeases.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
