# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The routers' links on the cluster's nodes: where one is, its address is held."""

from __future__ import annotations

from ipaddress import ip_address

from egress_router.link import host_interface_name
from pyroute2 import IPRoute

from tests.cluster import Cluster
from tests.support.capture import inside
from tests.support.project import NODES


def nodes_that_hold(cluster: Cluster, address: str) -> list[str]:
    """The nodes on which an egress pod holds a leased address of either family."""
    name = host_interface_name(ip_address(address))
    found = []
    for node in NODES:
        with inside(cluster.namespace(node)), IPRoute() as netlink:
            if netlink.link_lookup(ifname=name):
                found.append(node)
    return found
