# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who waits for egress, or has just changed something, does not wait until all others have been looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_POD_ANNOTATION,
    SERVICE,
    KubeObject,
)
from egress_controller.cache.event_handlers import EventHandlers
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.runtime.keys import Key
from egress_controller.runtime.work_queue import WorkQueue
from kubernetes.informer import ADDED, MODIFIED

from tests.unit.egress_controller.clock import Clock


def service(name: str, ready: str | None = None) -> KubeObject:
    """One that asks for egress, and says whether it has it; None: nobody has looked at it yet."""
    conditions = [{"type": "EgressReady", "status": ready}] if ready else []
    metadata = {"namespace": "green", "name": name, "annotations": {EGRESS_POD_ANNOTATION: "{}"}}
    return {"metadata": metadata, "status": {"conditions": conditions}}


class Site:
    """Event handlers of a few services, and the order in which these are called."""

    def __init__(self, *services: KubeObject) -> None:
        self._queue = WorkQueue[Key](Clock())
        self.handlers = EventHandlers(self._queue, WaitingServices(), RefusedServices(Clock()), "avi-egress")
        self._services = list(services)
        nothing = SimpleNamespace(all=lambda: ())
        caches: Any = SimpleNamespace(marked_services=lambda: self._services, networks=nothing, leases=nothing)
        self.handlers.attach(caches)

    def show(self, event: str, *services: KubeObject) -> None:
        for each in services:
            self.handlers.changed(SERVICE, event, each)

    def called(self) -> list[str]:
        found = []
        while key := self._queue.get(0):
            self._queue.done(key)
            found += [key.name] if key.kind == "service" else []
        return found


def test_a_leader_begins_with_those_that_nobody_has_served_yet() -> None:
    services = [service("old", "True"), service("refused", "False"), service("older", "True"), service("new")]
    site = Site(*services)
    site.show(ADDED, *services)
    site.handlers.begin()
    assert site.called() == ["refused", "new", "old", "older"]


def test_what_changes_while_all_are_looked_at_is_looked_at_before_them() -> None:
    services = [service("a", "True"), service("b", "True"), service("c", "True")]
    site = Site(*services)
    cloud = {"kind": "EgressCloud", "metadata": {"name": "x", "uid": "1", "generation": 1}, "spec": {"uuid": "u"}}
    site.handlers.changed(EGRESS_CLOUD, MODIFIED, cloud)
    site.show(MODIFIED, services[2])
    site.show(ADDED, service("new"))
    assert site.called() == ["c", "new", "a", "b"]
