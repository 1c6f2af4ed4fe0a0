# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The variables of a small site, as ``avi.egress.site`` takes them."""

from __future__ import annotations

from typing import Any

SUBNET = {
    "cidr": "10.70.112.0/24",
    "gateway": "10.70.112.1",
    "ranges": [{"begin": "10.70.112.100", "end": "10.70.112.102"}],
}
SITE: dict[str, Any] = {
    "egress_wait": False,
    "egress_placement": "project",
    "egress_projects": ["green", "blue"],
    "egress_networks": [{"name": "lan", "uplink": "eth0", "subnets": [SUBNET]}],
}
