# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The guarantees of leases (docs/explanation/leases.md) over some hundred steps on a real API server."""

from __future__ import annotations

import uuid
from contextlib import suppress

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict
from ansible_collections.avi.egress.plugins.module_utils.api.resources import resource_of
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.store import LeaseStore
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.api_server import ApiServer
from tests.support.definitions import CRDS, define
from tests.support.lease_machine import LeaseMachine

EXAMPLES, STEPS = 8, 40


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    found = api.cluster()
    define(found, CRDS)
    return found


def test_the_guarantees_hold_on_a_real_api_server(cluster: KubeClient) -> None:
    class Machine(LeaseMachine):
        looks_at_each_write = False

        def connect(self) -> LeaseStore:
            return cluster

        def network_name(self) -> str:
            return f"machine-{uuid.uuid4().hex[:8]}"

        def teardown(self) -> None:
            super().teardown()
            for obj in [*self.leases(), *self.locks()]:
                with suppress(Conflict):
                    cluster.delete(resource_of(obj), obj)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            # What fails is told as it was: to look for a smaller example would take an hour of requests.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"steps: {Machine.steps}")
