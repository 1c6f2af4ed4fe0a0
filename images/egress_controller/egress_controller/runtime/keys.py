# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Keys of the work queue: each names an object to reconcile, and never carries its state."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """The name of an object to reconcile; ``kind`` is that of its reconciler. No ``namespace``: it has none."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}" if self.namespace else f"{self.kind}:{self.name}"


def service_key(namespace: str, name: str) -> Key:
    return Key("service", name, namespace)
