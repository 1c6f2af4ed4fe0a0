# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node's uplink as the port of a bridge."""

from __future__ import annotations

import json

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.node import Node


def enslave(lab: Lab, node: Node) -> None:
    """Make up0 a port of a new bridge that takes its addresses over."""
    shown = json.loads(run("ip", "-n", node.name, "-j", "address", "show", "up0"))[0]["addr_info"]
    own = [f"{entry['local']}/{entry['prefixlen']}" for entry in shown if entry["scope"] == "global"]
    for command in ("add ex0 type bridge mcast_snooping 0", "set ex0 up", "set up0 master ex0"):
        run("ip", "-n", node.name, "link", *command.split())
    run("ip", "-n", node.name, "address", "flush", "dev", "up0")
    for address in own:
        lab.give(node.name, address, "ex0")
