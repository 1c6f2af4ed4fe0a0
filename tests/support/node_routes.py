# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The nodes' routes to leased addresses."""

from __future__ import annotations

from socket import AF_INET, AF_INET6
from typing import Any

from pyroute2 import IPRoute

from tests.cluster import Cluster
from tests.support.capture import inside
from tests.support.project import NODES

LOCAL_TABLE = 255
"""The kernel's own: it lists the addresses of the node itself."""


def routed(cluster: Cluster, address: str) -> list[str]:
    """The nodes that have a route of their own to a leased address of either family."""
    family, length = (AF_INET6, 128) if ":" in address else (AF_INET, 32)
    found = []
    for node in NODES:
        with inside(cluster.namespace(node)), IPRoute() as netlink:
            routes = netlink.get_routes(family=family, dst_len=length)
            if any(
                item.get_attr("RTA_DST") == address and item.get_attr("RTA_TABLE") != LOCAL_TABLE for item in routes
            ):
                found.append(node)
    return found


def _is_local(route: Any) -> bool:
    return bool(route.get_attr("RTA_TABLE") == LOCAL_TABLE)
