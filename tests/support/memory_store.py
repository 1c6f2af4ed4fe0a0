# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The store of a dry run as the API server of a test: with other clients between any two requests, and lost answers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, List

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.module.lease.dry_run import DryRunStore
from ansible_collections.avi.egress.plugins.module_utils.module.lease.snapshot import LeaseSnapshot


class LostConnection(Exception):
    """The request, or the answer to it, did not arrive."""


class MemoryStore(DryRunStore):
    """``between`` is called before each request: another client's turn, or the moment of a crash.

    What comes in and goes out is copied, as by a connection.
    """

    def __init__(self, between: Callable[[str], None] = lambda _request: None) -> None:
        super().__init__(LeaseSnapshot((), ()))
        self.between = between
        self.lose_reply_of_write: int | None = None
        """Counts down with each write; that which makes it 0 is kept, but its answer is lost."""
        self.requests = 0

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        self._turn("get")
        return copy.deepcopy(super().get(resource, name))

    def list(self, resource: Resource, *, labels: str | None = None) -> List[KubeObject]:
        self._turn("list")
        return copy.deepcopy(super().list(resource, labels=labels))

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        self._turn("create")
        return self._answer(super().create(resource, copy.deepcopy(body)))

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        self._turn("replace")
        return self._answer(super().replace(resource, copy.deepcopy(body), subresource))

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        self._turn("delete")
        was_there = obj["metadata"]["name"] in self.objects[resource.kind]
        super().delete(resource, obj)
        if was_there:
            self._answer({})

    @property
    def objects(self) -> dict[str, dict[str, KubeObject]]:
        """By kind and name, as they are kept."""
        return self.snapshot.objects

    def leases(self) -> List[KubeObject]:
        return list(self.objects[EGRESS_LEASE.kind].values())

    def locks(self) -> dict[str, dict[str, Any]]:
        """From address to the spec of its EgressAddress."""
        return {lock["spec"]["address"]: lock["spec"] for lock in self.objects[EGRESS_ADDRESS.kind].values()}

    def _turn(self, request: str) -> None:
        self.requests += 1
        self.between(request)

    def _answer(self, stored: KubeObject) -> KubeObject:
        if self.lose_reply_of_write is not None:
            self.lose_reply_of_write -= 1
            if self.lose_reply_of_write == 0:
                self.lose_reply_of_write = None
                raise LostConnection("the answer was lost")
        return copy.deepcopy(stored)
