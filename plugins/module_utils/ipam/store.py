# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What leasing needs of the API server, and the two answers of it that decide a race."""

from __future__ import annotations

from typing import Protocol

from ..api.resources import KubeObject, Resource


class AlreadyExists(Exception):
    """A create met an object of that name."""


class Changed(Exception):
    """A write met an object that is gone, or newer than the one it was decided on."""


class LeaseStore(Protocol):
    """What a claim needs of the API server."""

    def get(self, resource: Resource, name: str) -> KubeObject | None: ...

    def list(self, resource: Resource, *, labels: str | None = None) -> list[KubeObject]: ...

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        """The stored object; AlreadyExists if the name is taken."""

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        """The stored object; Changed unless ``metadata.resourceVersion`` is the current one."""

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        """Deletes exactly this version of the object; Changed if there is another."""
