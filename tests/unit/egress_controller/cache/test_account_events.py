# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An account calls the cloud that made it; one that somebody gave a cloud's label calls nobody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CLOUD_LABEL,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    Resource,
)
from egress_controller.cache.event_handlers import EventHandlers
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.runtime.keys import Key
from egress_controller.runtime.work_queue import WorkQueue
from kubernetes.informer import ADDED

from tests.unit.egress_controller.clock import Clock

UUID = "1d804080-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("resource", "name", "label", "called"),
    [
        (SERVICE_ACCOUNT, f"avivantage-{UUID}", UUID, [Key("cloud", UUID)]),
        (SERVICE_ACCOUNT, "mine", UUID, []),
        (SERVICE_ACCOUNT, "mine", "anything", []),
        (SERVICE_ACCOUNT, f"avivantage-{UUID}", "anything", []),
        (SECURITY_CONTEXT_CONSTRAINTS, f"avivantage-scc-{UUID}", UUID, [Key("cloud", UUID)]),
    ],
)
def test_whom_an_account_calls(resource: Resource, name: str, label: str, called: list[Key]) -> None:
    queue = WorkQueue[Key](Clock())
    handlers = EventHandlers(queue, WaitingServices(), RefusedServices(Clock()), "avi-egress")
    caches: Any = SimpleNamespace()
    handlers.attach(caches)
    handlers.changed(
        resource, ADDED, {"metadata": {"name": name, "namespace": "green", "labels": {CLOUD_LABEL: label}}}
    )
    found = []
    while key := queue.get(0):
        queue.done(key)
        found.append(key)
    assert found == called
