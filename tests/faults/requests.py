# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A request as the API server understands it: a verb on a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
READS = frozenset({"get", "list"})
WATCH = frozenset({"watch"})
VERBS = WRITES | READS | WATCH

_WRITES_BY_METHOD = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_OF_NAMESPACES = frozenset({"status", "finalize"})


@dataclass(frozen=True)
class ApiRequest:
    """``verb`` is one of VERBS, ``path`` has no query."""

    verb: str
    path: str

    @classmethod
    def of(cls, method: str, path: str, query: Mapping[str, str]) -> ApiRequest:
        """The verb as the API server derives it (Kubernetes, "Determine the Request Verb")."""
        if method in _WRITES_BY_METHOD:
            return cls(_WRITES_BY_METHOD[method], path)
        collection = _is_collection(path)
        if method == "DELETE":
            return cls("deletecollection" if collection else "delete", path)
        if collection and query.get("watch") in ("true", "1"):
            return cls("watch", path)
        return cls("list" if collection else "get", path)


def _is_collection(path: str) -> bool:
    """Whether a path is all objects of a kind: ``/api/v1/[namespaces/NAMESPACE/]PLURAL``, or below ``/apis/GROUP/``."""
    parts = path.strip("/").split("/")
    if parts[0] not in ("api", "apis"):
        return False
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in _OF_NAMESPACES:
        rest = rest[2:]
    return len(rest) == 1
