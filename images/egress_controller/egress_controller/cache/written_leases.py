# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases as this process has written them, until the watch shows it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Callable, Iterable

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from kubernetes.informer import DELETED

KEPT_SECONDS = 60.0
"""Longer than any watch lags; a state that came and went unseen is no longer believed after it."""

Project = tuple[str, str]
"""Network and namespace."""


class WrittenLeases:
    """So that a project's leases are counted without a request, however far the watch is behind. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._written: defaultdict[Project, dict[str, tuple[float, KubeObject]]] = defaultdict(dict)

    def add(self, lease: KubeObject) -> None:
        """This process has written its status."""
        with self._lock:
            self._written[_project(lease)][lease["metadata"]["name"]] = (self._clock() + KEPT_SECONDS, lease)

    def update(self, event: str, lease: KubeObject) -> None:
        """Take in what the watch shows: an older state than the one that was written is none that counts."""
        project, name = _project(lease), lease["metadata"]["name"]
        with self._lock:
            found = self._written.get(project, {}).get(name)
            if found and (event == DELETED or _version(lease) >= _version(found[1])):
                self._drop(project, name)

    def over(self, project: Project, watched: Callable[[], Iterable[KubeObject]]) -> list[KubeObject]:
        """The project's leases: as ``watched`` gives them, but for those that were written since.

        The watch may show a state before the answer to its write has come in, or a later one: the newest counts. It is
        asked last, so that what was dropped meanwhile is in its answer.
        """
        with self._lock:
            now = self._clock()
            for name in [name for name, (until, _lease) in self._written.get(project, {}).items() if until <= now]:
                self._drop(project, name)
            written = [lease for _until, lease in self._written.get(project, {}).values()]
        newest = {lease["metadata"]["name"]: lease for lease in watched()}
        for lease in written:
            known = newest.get(lease["metadata"]["name"])
            if known is None or _version(known) < _version(lease):
                newest[lease["metadata"]["name"]] = lease
        return [*newest.values()]

    def _drop(self, project: Project, name: str) -> None:
        del self._written[project][name]
        if not self._written[project]:
            del self._written[project]


def _project(lease: KubeObject) -> Project:
    return str(lease["spec"]["network"]), str(lease["spec"]["namespace"])


def _version(lease: KubeObject) -> int:
    """Where its state stands among those of its kind: the API server's revisions are ordered (KEP-5504)."""
    return int(lease["metadata"]["resourceVersion"])
