# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Decoder: how the JSON of the API server's answers becomes objects; Python's own, unless somebody has a faster one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Protocol

from ..api.resources import KubeObject


@dataclass(frozen=True)
class ListPage:
    """A page of a list (Kubernetes API concepts, "Retrieving large results sets in chunks")."""

    items: Iterable[KubeObject]
    """To be gone through once: a decoder may make each object only when it is its turn."""
    version: str
    """The resource version to watch from."""
    more: str | None
    """The token by which the next page is asked for; None after the last one."""

    @classmethod
    def of(cls, items: Iterable[KubeObject] | None, metadata: Mapping[str, Any]) -> ListPage:
        """``metadata`` is the list's; a list of nothing may have no items at all."""
        return cls(items or (), metadata["resourceVersion"], metadata.get("continue") or None)


class Decoder(Protocol):
    """Raises ValueError for what is no JSON."""

    def document(self, text: bytes) -> Any:
        """Any answer, whole."""

    def page(self, text: bytes) -> ListPage:
        """A page of a list. Its objects may come without their managed fields, which nobody here reads."""


class StandardDecoder:
    """By Python's own library, which modules can do with."""

    def document(self, text: bytes) -> Any:
        return json.loads(text)

    def page(self, text: bytes) -> ListPage:
        found = json.loads(text)
        return ListPage.of(found.get("items"), found["metadata"])


STANDARD = StandardDecoder()
