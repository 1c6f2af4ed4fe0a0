# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The folders of the core and of the controller, and which of the others each may import."""

from __future__ import annotations

WINGS: dict[str, set[str]] = {
    "api": set(),
    "annotations": {"api"},
    "ipam": {"api"},
    "workload": {"api", "annotations", "ipam"},
    "client": {"api"},
    "module": {"api", "annotations", "ipam", "workload", "client"},
}
"""Of ``plugins/module_utils``."""

ROOMS: dict[str, set[str]] = {
    "runtime": set(),
    "cache": {"runtime"},
    "ipam": {"runtime", "cache"},
    "reconcilers": {"runtime", "cache", "ipam"},
}
"""Of ``images/egress_controller/egress_controller``."""
