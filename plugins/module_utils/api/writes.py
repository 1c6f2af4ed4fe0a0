# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Writes: a create, merge patch or deletion of one object, still to be carried out."""

from __future__ import annotations

from dataclasses import dataclass, field

from .merge_patch import merge_patch
from .resources import KubeObject, Resource, resource_of


@dataclass(frozen=True)
class Write:
    """One write: ``create`` (body is the object), ``patch`` (body is a JSON merge patch) or ``delete`` (no body)."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str
    body: KubeObject = field(default_factory=dict)
    uid: str | None = None
    """Of a delete: the one object meant, so that its successor of the same name is spared."""

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.verb} {self.resource.kind} {where}"


def ensure(desired: KubeObject, observed: KubeObject | None) -> list[Write]:
    """The write, if any, that makes an object hold what is desired of it."""
    metadata, resource = desired["metadata"], resource_of(desired)
    if observed is None:
        return [Write("create", resource, metadata.get("namespace"), metadata["name"], desired)]
    patch = merge_patch(desired, observed)
    return [Write("patch", resource, metadata.get("namespace"), metadata["name"], patch)] if patch else []


def delete(obj: KubeObject) -> Write:
    """The deletion of exactly this object."""
    metadata = obj["metadata"]
    return Write("delete", resource_of(obj), metadata.get("namespace"), metadata["name"], uid=metadata["uid"])
