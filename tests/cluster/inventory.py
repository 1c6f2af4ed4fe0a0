# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""All processes of a cluster, in the order in which they can be started."""

from __future__ import annotations

from tests.cluster import addons, control_plane, node
from tests.cluster.layout import Layout
from tests.cluster.processes import Component


def components(layout: Layout) -> list[Component]:
    """All but the nodes' first processes, which cannot be replaced under those that run in them."""
    return [
        control_plane.storage(layout),
        control_plane.api_server(layout),
        control_plane.forwarder(layout),
        *control_plane.controllers(layout),
        *addons.dns(layout),
        *addons.allocator(layout),
        addons.remote(layout),
        *(node.containerd(layout, one) for one in layout.nodes),
        *(node.kubelet(layout, one) for one in layout.nodes),
        *(agent for one in layout.nodes for agent in node.network_agents(layout, one)),
    ]


def names(layout: Layout) -> list[str]:
    """The nodes' first processes and all others."""
    return [*(one.name for one in layout.nodes), *(component.name for component in components(layout))]
