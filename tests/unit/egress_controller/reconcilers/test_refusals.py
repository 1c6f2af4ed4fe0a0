# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A pod that is to take another's place is tried when its time has come, and not at each look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError, Forbidden
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.reconcilers.refusals import Refusals
from egress_controller.runtime.keys import service_key

from tests.unit.egress_controller.clock import Clock

WEB = service_key("green", "web")


class Server:
    """Answers a dry run by an error whose words differ each time, as long as there is one."""

    def __init__(self, error: type[ApiError] | None = Forbidden, status: int = 403) -> None:
        self.error, self.status, self.asked = error, status, 0

    def create(self, resource: Resource, body: KubeObject, *, dry_run: bool) -> None:
        assert dry_run
        self.asked += 1
        if self.error:
            raise self.error(self.status, f"POST Pod: POL-17, request {self.asked}")


def pod(rendering: str) -> KubeObject:
    env = [{"name": "EGRESS_RENDERING", "value": rendering}]
    return {"metadata": {"generateName": "web-"}, "spec": {"containers": [{"name": "avi-egress-router", "env": env}]}}


def refusals(server: Server, clock: Clock) -> Refusals:
    context: Any = SimpleNamespace(client=server, caches=None, refused=RefusedServices(clock))
    return Refusals(context)


def test_a_refused_pod_is_tried_again_when_it_is_due_or_another() -> None:
    server, clock = Server(), Clock()
    tried = refusals(server, clock)
    first, again = tried.foresee(WEB, pod("a"))
    assert (first and first.reason, again and again.requeue_after) == ("WaitingForPod", 2)
    assert [str(tried.foresee(WEB, pod("a"))[0]) for _look in range(3)] == [str(first)] * 3
    assert server.asked == 1
    assert str(tried.foresee(WEB, pod("b"))[0]) != str(first)
    clock.advance(6)
    assert (tried.foresee(WEB, pod("b"))[0] or first).reason == "PodRefused"  # type: ignore[union-attr]
    assert server.asked == 3
    clock.advance(6)
    server.error = None
    assert tried.foresee(WEB, pod("b")) == (None, None)
    tried.forget(WEB)
    server.error = Forbidden
    tried.foresee(WEB, pod("b"))
    assert server.asked == 5


def test_a_server_in_trouble_says_nothing_of_a_pod() -> None:
    tried = refusals(Server(ApiError, 503), Clock())
    with pytest.raises(ApiError):
        tried.foresee(WEB, pod("a"))
