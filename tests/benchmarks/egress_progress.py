# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""When Services come to say what of their egress, seen by a watch of all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import find, is_true
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    REACHABLE_CONDITION,
    READY_CONDITION,
    SERVICE,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient, Selection

WAITS, READY, REACHES = "waits for its pod", "is ready", "reaches its destinations"
"""Milestones of a Service, in their order."""


class EgressProgress:
    """The moment of each milestone of each Service. Thread-safe."""

    def __init__(self, cluster: KubeClient) -> None:
        self._cluster = cluster
        self._changed = threading.Condition()
        self._moments: dict[str, dict[tuple[str, str], float]] = {WAITS: {}, READY: {}, REACHES: {}}
        threading.Thread(target=self._follow, daemon=True).start()

    def wait(self, what: str, count: int, seconds: float) -> float:
        """The moment at which so many had come so far; AssertionError if that takes too long."""
        moments = self._moments[what]
        self._wait_for(lambda: len(moments) >= count, seconds, lambda: f"{len(moments)} of {count}: {what}")
        return sorted(moments.values())[count - 1]

    def moment(self, what: str, namespace: str, name: str, seconds: float = 60) -> float:
        """When one Service came so far."""
        moments, key = self._moments[what], (namespace, name)
        self._wait_for(lambda: key in moments, seconds, lambda: f"{namespace}/{name}: {what}")
        return moments[key]

    def _wait_for(self, check: Callable[[], bool], seconds: float, shown: Callable[[], str]) -> None:
        with self._changed:
            if not self._changed.wait_for(check, seconds):
                raise AssertionError(f"not within {seconds} s: {shown()}")

    def _follow(self) -> None:
        while True:
            try:
                services, version = self._cluster.list_with_version(SERVICE)
                for service in services:
                    self._see(service)
                for _event, service in self._cluster.watch(Selection(SERVICE), version=version, timeout=3600):
                    self._see(service)
            except EgressError:
                time.sleep(1)  # The server ends, or has ended the watch; what was missed is in the next list.

    def _see(self, service: KubeObject) -> None:
        now, metadata = time.monotonic(), service["metadata"]
        condition = find(service, READY_CONDITION) or {}
        reached = [
            *([WAITS] if condition else []),
            *([READY] if condition.get("status") == "True" else []),
            *([REACHES] if is_true(service, REACHABLE_CONDITION) else []),
        ]
        with self._changed:
            for what in reached:
                self._moments[what].setdefault((metadata["namespace"], metadata["name"]), now)
            self._changed.notify_all()
