# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What leasing needs of the API server.

Two of its answers decide a race: ``AlreadyExists`` and ``Conflict``.
"""

from __future__ import annotations

from typing import Protocol

from ..api.resources import KubeObject, Resource


class LeaseStore(Protocol):
    """What a claim needs of the API server."""

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        """The object of that name, if it is there."""

    def list(self, resource: Resource, *, labels: str | None = None) -> list[KubeObject]:
        """All objects of the kind, or those that a label selector names."""

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        """The stored object; AlreadyExists if the name is taken."""

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        """The stored object; Conflict unless ``metadata.resourceVersion`` is the current one."""

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        """Deletes exactly this version of the object; Conflict if there is another."""
