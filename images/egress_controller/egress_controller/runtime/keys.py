# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the work queue holds: the name of a thing to look at, never the thing itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One thing to reconcile. ``kind`` is ``service``, ``cloud`` (``name`` is its uuid), ``network``, ``lease`` or
    ``address``; only services have a namespace."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}" if self.namespace else f"{self.kind}:{self.name}"


def service_key(namespace: str, name: str) -> Key:
    return Key("service", name, namespace)
