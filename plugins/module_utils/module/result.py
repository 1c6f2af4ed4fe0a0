# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The result of a module and its diff, made the same way for check mode and for real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ..api.merge_patch import patched
from ..api.resources import KubeObject, object_key
from ..api.writes import Write

_SERVERS_OWN = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


@dataclass(frozen=True)
class Result:
    """Whether something changed (or would), from what to what, and what the module returns besides."""

    changed: bool
    before: Mapping[str, Any]
    """Objects as they were, by ``object_key``."""
    after: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def exit_values(self, diff: bool) -> dict[str, Any]:
        """The keyword arguments of ``exit_json``; with the diff, often the larger part, only if it is asked for."""
        told = {"diff": {"before": self.before, "after": self.after}} if diff else {}
        return {**self.values, "changed": self.changed, **told}


def after_write(observed: KubeObject | None, write: Write) -> KubeObject | None:
    """What a write makes of an object, worked out without a server."""
    if write.verb == "delete":
        return None
    return write.body if write.verb == "create" else patched(observed or {}, write.body)


def shown(*objects: KubeObject | None) -> dict[str, Any]:
    """The objects that there are, by name, without what the server alone keeps: one side of a diff."""
    return {object_key(obj): bare(obj) for obj in objects if obj}


def bare(obj: KubeObject) -> KubeObject:
    """The object without its status and the server's own metadata."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS_OWN}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def returned(obj: KubeObject) -> KubeObject:
    """The whole object, as a module returns it: all but ``managedFields``, which nobody reads."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
