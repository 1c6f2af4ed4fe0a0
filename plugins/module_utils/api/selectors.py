# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Namespaces chosen by name or by labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from .resources import KubeObject


@dataclass(frozen=True)
class NamespaceSelector:
    """Namespaces by name or by labels; empty selects none."""

    names: frozenset[str] = frozenset()
    match_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.names and not self.match_labels

    def matches(self, namespace: KubeObject) -> bool:
        metadata = namespace["metadata"]
        if metadata["name"] in self.names:
            return True
        labels = metadata.get("labels") or {}
        return bool(self.match_labels) and all(labels.get(key) == value for key, value in self.match_labels.items())


def read_selector(value: Mapping[str, Any] | None) -> NamespaceSelector:
    """The selector of a field such as ``spec.allowedNamespaces``; empty where there is none."""
    value = value or {}
    return NamespaceSelector(frozenset(value.get("names") or ()), dict(value.get("matchLabels") or {}))
