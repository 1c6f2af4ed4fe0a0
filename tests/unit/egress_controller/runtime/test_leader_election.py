# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which failures of an election mean that a replica may not lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from egress_controller.runtime import leader_election
from egress_controller.runtime.leader_election import ElectionConfig, LeaderElector
from egress_controller.runtime.outages import Outages
from kubernetes.client import V1Lease, V1LeaseSpec, V1ObjectMeta
from kubernetes.client.exceptions import ApiException

from tests.support.waiting import wait_for

CONFIG = ElectionConfig("here", "lease", "me", lease_duration=3, renew_deadline=2, retry_period=1)


def lease(holder: str | None) -> V1Lease:
    now = datetime.now(UTC)
    spec = V1LeaseSpec(holder_identity=holder, lease_duration_seconds=3, acquire_time=now, renew_time=now)
    return V1Lease(metadata=V1ObjectMeta(name="lease"), spec=spec)


class Server:
    """Refuses the free Lease with a status; from then on another replica is the leader."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.refused = 0
        self.reads_after = 0

    def read_namespaced_lease(self, **_arguments: Any) -> V1Lease:
        self.reads_after += bool(self.refused)
        return lease("other" if self.refused else None)

    def replace_namespaced_lease(self, **_arguments: Any) -> V1Lease:
        self.refused += 1
        raise ApiException(status=self.status, reason="refused")


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Server], LeaderElector]]:
    """Starts a replica that could not take the Lease, and is a follower then."""
    made: list[LeaderElector] = []

    def start(server: Server) -> LeaderElector:
        monkeypatch.setattr(leader_election, "CoordinationV1Api", lambda _client: server)
        connection = Connection(host="https://127.0.0.1:1", api_key="token")
        made.append(LeaderElector(connection, CONFIG, Outages(), lambda: None, lambda: None))
        made[0].start()
        wait_for("it to follow", lambda: server.reads_after, 15)
        return made[0]

    yield start
    for elector in made:
        elector.resign()


@pytest.mark.parametrize(("status", "refused"), [(403, True), (404, False), (429, False), (500, False)])
def test_a_follower_is_refused_by_a_missing_right_alone(
    follower: Callable[[Server], LeaderElector], status: int, refused: bool
) -> None:
    assert follower(Server(status)).refused is refused
