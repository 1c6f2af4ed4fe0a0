# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A Service's port, as both the port map and the access rules speak of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServicePort:
    """A port that clients connect to, and the pod's port behind it."""

    port: int
    protocol: str
    """``TCP`` or ``UDP``, as Kubernetes spells it."""
    pod_port: int
