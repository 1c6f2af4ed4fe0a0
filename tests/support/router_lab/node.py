# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node as the lab's routers find it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.router_lab.namespaces import links


@dataclass
class Node:
    """A node: its namespace and its uplink's MAC address."""

    name: str
    mac: str


def veths(node: Node) -> set[str]:
    """The routers' interfaces on a node."""
    return {name for name in links(node.name) if name.startswith("av")}
