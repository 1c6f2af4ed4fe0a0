# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Refused services are tried again at once when a cause changed, else the more seldom the longer it lasts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    LIMIT_RANGE,
    NAMESPACE,
    RESOURCE_QUOTA,
    Resource,
)
from egress_controller.cache.event_handlers import EventHandlers
from egress_controller.cache.refused_services import LONGEST_RETRY_SECONDS, Attempt, RefusedServices
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.work_queue import WorkQueue
from kubernetes.informer import MODIFIED

from tests.unit.egress_controller.clock import Clock
from tests.unit.egress_controller.fakes import Store

WEB, OTHER = service_key("green", "web"), service_key("blue", "web")


def test_without_news_each_pause_is_twice_the_former_and_bounded() -> None:
    clock = Clock()
    refused = RefusedServices(clock)
    assert refused.refused(WEB) == Attempt(is_due=False, again=2, lasted=0)
    pauses = []
    for _time in range(7):
        clock.advance(refused.refused(WEB).again)
        attempt = refused.refused(WEB)
        assert attempt.is_due
        pauses.append(attempt.again)
    assert pauses == [4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_RETRY_SECONDS == 60


def test_a_changed_cause_has_its_project_tried_at_once() -> None:
    clock = Clock()
    refused = RefusedServices(clock)
    for key in (WEB, OTHER):
        refused.refused(key)
    clock.advance(1.5)
    assert refused.cause_changed("green") == [WEB]
    assert refused.refused(WEB) == Attempt(is_due=True, again=2, lasted=1.5)
    assert not refused.refused(OTHER).is_due
    clock.advance(10)
    assert refused.cause_changed() == [WEB, OTHER]


def test_causes_that_change_all_the_time_are_followed_once_a_second() -> None:
    clock = Clock()
    refused = RefusedServices(clock)
    refused.refused(WEB)
    clock.advance(1)
    refused.cause_changed("green")
    assert refused.refused(WEB).is_due
    clock.advance(0.25)
    refused.cause_changed("green")
    assert refused.refused(WEB) == Attempt(is_due=False, again=0.75, lasted=1.25)
    clock.advance(0.75)
    assert refused.refused(WEB).is_due


def test_what_is_refused_no_more_is_forgotten() -> None:
    refused = RefusedServices(Clock())
    refused.refused(WEB)
    refused.forget(WEB)
    refused.forget(OTHER)
    assert refused.cause_changed() == []


@pytest.mark.parametrize(
    ("resource", "name", "namespace"),
    [(RESOURCE_QUOTA, "small", "green"), (LIMIT_RANGE, "small", "green"), (NAMESPACE, "green", None)],
)
def test_what_may_refuse_pods_calls_the_refused_services_of_its_project(
    resource: Resource, name: str, namespace: str | None
) -> None:
    clock = Clock()
    queue, refused = WorkQueue[Key](clock), RefusedServices(clock)
    handlers = EventHandlers(queue, WaitingServices(), refused, "avi-egress")
    service = {"metadata": {"name": "web", "namespace": "green"}}
    caches: Any = SimpleNamespace(services=Store(service), clouds=Store())
    handlers.attach(caches)
    for key in (WEB, OTHER):
        refused.refused(key)
    clock.advance(1)
    metadata = {"name": name, "uid": "1", **({"namespace": namespace} if namespace else {})}
    handlers.changed(resource, MODIFIED, {"kind": resource.kind, "metadata": metadata})
    assert (queue.get(0), queue.get(0)) == (WEB, None)
    assert refused.refused(WEB).is_due
    assert not refused.refused(OTHER).is_due
