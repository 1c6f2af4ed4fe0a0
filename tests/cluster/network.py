# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The wires: network namespaces, the bridges `underlay` and `lan`, veths, addresses and routes.

The machine's own namespace gets none of it, so nothing in here can reach the machine's uplink.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from pyroute2 import IPRoute, netns

from tests.cluster.layout import ROLES, Layout, Node
from tests.cluster.namespaces import inside

_BRIDGES = ("underlay", "lan")

# An address is usable at once: nobody else can have it, and a second of asking is longer than most of `up`.
_HOST_SYSCTLS = {"net/ipv6/conf/default/accept_dad": "0"}
_NODE_SYSCTLS = {
    **_HOST_SYSCTLS,
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    # A leased address answers on the uplink while its route points at another bridge.
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    # Every client that is refused is told at once, not only six in a row: the others would try for seconds.
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
    # NetworkPolicy also holds between two pods on one bridge.
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
}
# The wires themselves are not to be filtered, and say nothing of their own.
_FABRIC_SYSCTLS = {
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/bridge/bridge-nf-call-ip6tables": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}


@dataclass(frozen=True)
class _Plug:
    """One interface of one namespace on one bridge."""

    role: str
    interface: str
    bridge: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


def _plugs(layout: Layout) -> list[_Plug]:
    plugs = [
        _Plug("control", "eth0", "underlay", (layout.control, layout.control_v6)),
        _Plug("remote", "eth0", "lan", (layout.remote, layout.remote_v6)),
    ]
    for node in layout.nodes:
        plugs.append(_Plug(node.name, "eth0", "underlay", (node.underlay, node.underlay_v6)))
        plugs.append(_Plug(node.name, "eth1", "lan", (node.lan, node.lan_v6)))
    return plugs


def create(layout: Layout) -> None:
    for role in ROLES:
        netns.create(layout.namespace(role))
        _raise_loopback(layout, role)
    _set(layout, "fabric", _FABRIC_SYSCTLS)
    for role in ("control", "remote"):
        _set(layout, role, _HOST_SYSCTLS)
    for node in layout.nodes:
        _set(layout, node.name, _NODE_SYSCTLS)
    _connect(layout)
    _route(layout)
    for node in layout.nodes:
        _masquerade(layout, node)


def exists(layout: Layout) -> bool:
    """Whether every namespace is there."""
    return all(layout.namespace_path(role).exists() for role in ROLES)


def partly_exists(layout: Layout) -> bool:
    """Whether any namespace is there."""
    return any(layout.namespace_path(role).exists() for role in ROLES)


def remove(layout: Layout) -> None:
    """Take the namespaces away; bridges, veths and rules go with them."""
    for role in ROLES:
        if layout.namespace_path(role).exists():
            netns.remove(layout.namespace(role))


def _open(layout: Layout, role: str) -> IPRoute:
    return IPRoute(netns=layout.namespace(role))


def _raise_loopback(layout: Layout, role: str) -> None:
    with _open(layout, role) as links:
        links.link("set", index=1, state="up")


def _set(layout: Layout, role: str, values: dict[str, str]) -> None:
    def write() -> None:
        for name, value in values.items():
            Path("/proc/sys", name).write_text(value)

    inside(layout.namespace_path(role), write)


def _connect(layout: Layout) -> None:
    with _open(layout, "fabric") as fabric:
        for bridge in _BRIDGES:
            fabric.link("add", ifname=bridge, kind="bridge")
            fabric.link("set", ifname=bridge, state="up")
        for plug in _plugs(layout):
            wire = f"{plug.role}-{plug.interface}"
            fabric.link(
                "add",
                ifname=wire,
                kind="veth",
                peer={"ifname": plug.interface, "net_ns_fd": layout.namespace(plug.role)},
            )
            (bridge_index,) = fabric.link_lookup(ifname=plug.bridge)
            fabric.link("set", ifname=wire, master=bridge_index, state="up")
    for plug in _plugs(layout):
        with _open(layout, plug.role) as links:
            (index,) = links.link_lookup(ifname=plug.interface)
            links.link("set", index=index, state="up")
            for address in plug.addresses:
                links.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)


def _route(layout: Layout) -> None:
    with _open(layout, "control") as control:
        for node in layout.nodes:
            control.route("add", dst=str(node.pods), gateway=str(node.underlay.ip))
            control.route("add", dst=str(node.pods_v6), gateway=str(node.underlay_v6.ip))
    for node in layout.nodes:
        with _open(layout, node.name) as routes:
            routes.route("add", dst="0.0.0.0/0", gateway=str(layout.remote.ip))
            routes.route("add", dst="::/0", gateway=str(layout.remote_v6.ip))
            for other in layout.nodes:
                if other is not node:
                    routes.route("add", dst=str(other.pods), gateway=str(other.underlay.ip))
                    routes.route("add", dst=str(other.pods_v6), gateway=str(other.underlay_v6.ip))
    with _open(layout, "remote") as remote:
        for address in layout.remote_loopbacks:
            remote.addr("add", index=1, address=str(address), prefixlen=32)
        for address_v6 in layout.remote_loopbacks_v6:
            remote.addr("add", index=1, address=str(address_v6), prefixlen=128)


def _masquerade(layout: Layout, node: Node) -> None:
    """Pods leave by the uplink with the node's address, and only there.

    The bridge plugin's own ipMasq would also hide a pod's address from pods on the other node, and with it from
    NetworkPolicy.
    """
    rules = f"""
        table inet avi_uplink {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                ip saddr {layout.pods} oifname "eth1" masquerade
                ip6 saddr {layout.pods_v6} oifname "eth1" masquerade
            }}
        }}
    """
    inside(
        layout.namespace_path(node.name),
        lambda: subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True),
    )
