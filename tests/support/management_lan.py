# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node of the local cluster as many are: its default route leads by a second interface, and only pods get through."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import Cluster
from tests.cluster.layout import Layout
from tests.support.capture import Capture
from tests.support.router_lab.namespaces import run

INTERFACE = "mgmt0"
_TABLE = "other_firewall"
_GATEWAYS = {4: ("10.20.30.1", "24"), 6: ("fd20:30::1", "64")}
_NODES = {4: "10.20.30.6", 6: "fd20:30::6"}


@contextmanager
def management_lan(cluster: Cluster, node: str) -> Iterator[Capture]:
    """All that crosses the other LAN, while the node has it; both families.

    What a killed run has left is put back first.
    """
    put_back(cluster, node)
    try:
        _make(cluster.layout, node)
        with Capture(_lan(cluster.layout)) as capture:
            yield capture
    finally:
        put_back(cluster, node)


def put_back(cluster: Cluster, node: str) -> None:
    """Let the node have its one default route again, and no firewall but its own; whatever it has now."""
    layout = cluster.layout
    for version, gateway in {4: str(layout.remote.ip), 6: str(layout.remote_v6.ip)}.items():
        _default_route(layout.namespace(node), version, gateway)
    for command in (
        ("ip", "-n", layout.namespace(node), "link", "delete", INTERFACE),
        ("ip", "netns", "exec", layout.namespace(node), "nft", "delete", "table", "inet", _TABLE),
        ("ip", "netns", "delete", _lan(layout)),
    ):
        # What is not there needs no removal.
        subprocess.run(command, check=False, capture_output=True, timeout=30)


def _make(layout: Layout, node: str) -> None:
    lan, inside = _lan(layout), layout.namespace(node)
    run("ip", "netns", "add", lan)
    run("ip", "-n", inside, "link", "add", INTERFACE, "type", "veth", "peer", "name", "gateway0", "netns", lan)
    for version, (gateway, bits) in _GATEWAYS.items():
        flag = ["nodad"] if version == 6 else []
        run("ip", "-n", lan, "address", "add", f"{gateway}/{bits}", "dev", "gateway0", *flag)
        run("ip", "-n", inside, "address", "add", f"{_NODES[version]}/{bits}", "dev", INTERFACE, *flag)
    run("ip", "-n", lan, "link", "set", "gateway0", "up")
    run("ip", "-n", inside, "link", "set", INTERFACE, "up")
    for version, (gateway, _bits) in _GATEWAYS.items():
        _default_route(inside, version, gateway)
    # As kubeadm's hosts with Docker have it: nothing is forwarded but what is from or to pods.
    run("ip", "netns", "exec", inside, "nft", f"add {_forward_drop(layout)}")


def _default_route(namespace: str, version: int, gateway: str) -> None:
    run("ip", f"-{version}", "-n", namespace, "route", "replace", "default", "via", gateway, "proto", "static")


def _forward_drop(layout: Layout) -> str:
    accepted = " ".join(
        f"{family} {side} {network} accept;"
        for family, network in (("ip", layout.pods), ("ip6", layout.pods_v6))
        for side in ("saddr", "daddr")
    )
    chain = f"chain forward {{ type filter hook forward priority filter; policy drop; {accepted} }}"
    return f"table inet {_TABLE} {{ {chain}; }}"


def _lan(layout: Layout) -> str:
    return f"avi-{layout.name}-management"
