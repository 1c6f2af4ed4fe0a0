# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Follows the objects of one kind: lists them, watches them, and lists them anew where the watch has lost its place."""

from __future__ import annotations

import random
import time
from threading import Event as Flag
from typing import Callable, Iterable

from ...api.errors import ApiError, EgressError, Expired
from ...api.resources import Resource
from ...client.connection import ConnectionFailed
from ...client.kube_client import KubeClient, Selection
from .history import Event, read
from .ledger import Ledger

WATCH_SECONDS = 300
"""How long the server is asked to keep a watch open: a dead connection is noticed soon after."""
SHORT_WATCH_SECONDS = 5.0
"""A watch that ends sooner, and has shown nothing, counts as failed."""
BASE_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 5.0
REFUSALS = 5
"""So many in a row end it: a server that is just starting refuses what it allows soon after."""
REFUSED = (400, 401, 403, 404)
"""What an API server answers where asking again does not help."""

DELETED = "DELETED"


class Follower:
    """Tells each event of the objects of one kind once, for as long as it runs."""

    def __init__(
        self, connect: Callable[[], KubeClient], resource: Resource, tell: Callable[[Event], None], stopping: Flag
    ) -> None:
        self._connect = connect
        self._resource = resource
        self._tell = tell
        self._stopping = stopping
        self._ledger = Ledger()
        self._has_listed = False
        self._failures = 0
        self._refusals = 0

    def run(self) -> None:
        """Follow until it is to stop; EgressError if the first list fails, or the server goes on refusing."""
        while not self._stopping.is_set():
            try:
                self._list_and_watch()
            except Expired:
                pass
            except EgressError as error:
                self._refuse(error)
            self._failures += 1
            self._stopping.wait(self._delay())

    def _list_and_watch(self) -> None:
        cluster = self._connect()  # anew, for a credential may have been renewed
        found, version = cluster.list_with_version(self._resource, keep=read)
        self._has_listed = True
        self._tell_all(self._ledger.listed(found))
        while not self._stopping.is_set():
            opened = time.monotonic()
            for kind, obj in cluster.watch(Selection(self._resource), version=version, timeout=WATCH_SECONDS):
                if self._stopping.is_set():
                    return
                version = obj["metadata"]["resourceVersion"]
                self._tell_all(self._ledger.gone(read(obj)) if kind == DELETED else self._ledger.seen(read(obj)))
                self._failures = self._refusals = 0
            if time.monotonic() - opened < SHORT_WATCH_SECONDS:
                raise ConnectionFailed(f"the watch of {self._resource.plural} ended at once")
            self._failures = self._refusals = 0

    def _tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    def _refuse(self, error: EgressError) -> None:
        """Raise what asking again does not cure."""
        is_refusal = isinstance(error, ApiError) and error.status in REFUSED
        self._refusals = self._refusals + 1 if is_refusal else 0
        if not self._has_listed or self._refusals >= REFUSALS:
            raise error

    def _delay(self) -> float:
        """None before the first new attempt; then twice as long each time, with jitter."""
        if self._failures == 1:
            return 0
        longest = min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2 ** min(self._failures, 10))
        return random.uniform(longest / 2, longest)
