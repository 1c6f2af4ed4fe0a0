# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What nodes have in the way of forwarded packets: firewalls and NAT as real ones have them."""

from __future__ import annotations

import json
import subprocess

from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node

_FORWARD = "table inet filter {{ chain forward {{ type filter hook forward priority 0; policy {policy}; {rules} }}; }}"
_NAT = "table inet nat {{ chain post {{ type nat hook postrouting priority 100; {rules} }}; }}"
_NOT_TRACKED = "table inet raw { chain pre { type filter hook prerouting priority -300; notrack; }; }"
_NO_ICMPV6 = "table inet closed { chain in { type filter hook input priority 0; meta l4proto ipv6-icmp drop; }; }"
_CLUSTER = "{ip} saddr {pods} accept; {ip} daddr {pods} accept; iifname ovn-k8s-mp0 accept; oifname ovn-k8s-mp0 accept;"


def _forward(policy: str, rules: str = "") -> str:
    return _FORWARD.format(policy=policy, rules=rules)


def _nat(rules: str) -> str:
    return _NAT.format(rules=rules)


_EXTERNAL_IP = """
table inet services {{
  counter taken {{}}
  chain pre {{ type nat hook prerouting priority -100; {ip} daddr {external} counter name taken dnat {ip} to {pod}; }}
  chain out {{ type nat hook output priority -100; {ip} daddr {external} counter name taken dnat {ip} to {pod}; }}
}}
"""

FIREWALLS = {
    "forward policy drop": _forward("drop"),
    # As in OpenShift 4.14 and later with ipForwarding unset.
    "OVN-Kubernetes": _forward("drop", _CLUSTER),
    "OVN-Kubernetes' older form": _forward("accept", "iifname up0 drop; oifname up0 drop;"),
    "reject at the end of forward": _forward("accept", "ct state established,related accept; reject;"),
    "wants a state, tracks nothing": _NOT_TRACKED + "\n" + _forward("drop", "ct state new,established,related accept;"),
    "ICMPv6 dropped in input": _NO_ICMPV6,
    "masquerade by uplink": _nat("oifname up0 masquerade;"),
    "masquerade by destination": _nat("{ip} daddr != {pods} masquerade;"),
    # The AWS VPC CNI's, for what is outside the VPC.
    "SNAT by uplink and destination": _nat("oifname up0 {ip} daddr != {pods} snat {ip} to {node};"),
    "masquerade by pod subnet": _nat("{ip} saddr {pods} masquerade;"),
}
"""nftables' rule sets by what they do."""

BRIDGE_FIREWALLS = {
    "drops what it didn't see begin": (
        "table inet early { chain pre { type filter hook prerouting priority -150; ct state invalid drop; }; }"
    ),
    "lets nothing but neighbours' talk in": (
        "table bridge wall { chain in { type filter hook input priority 0; policy drop;"
        " ether type arp accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }; }"
    ),
}
"""The same for a node whose uplink is a bridge."""

IPTABLES = ("-P FORWARD DROP", "-t nat -A POSTROUTING -o up0 -j MASQUERADE")
"""The same two by the older tool."""


def load(node: Node, net: Net, rules: str) -> None:
    """Add one of ``FIREWALLS`` to a node's rules."""
    subnets = {4: "10.128.0.0/14", 6: "fd00:244::/32"}
    words = {"{ip}": {4: "ip", 6: "ip6"}[net.version], "{pods}": subnets[net.version], "{node}": f"{net.node}1"}
    for word, text in words.items():
        rules = rules.replace(word, text)
    nft(node, rules)


def serve_external_ip(node: Node, net: Net, external: str, pod: str) -> None:
    """What kube-proxy makes of a Service with an external IP: whoever asks that address gets the Service's pod."""
    nft(node, _EXTERNAL_IP.format(ip={4: "ip", 6: "ip6"}[net.version], external=external, pod=pod))


def taken(node: Node) -> int:
    """The connections that the external IP has taken."""
    told = run("ip", "netns", "exec", node.name, "nft", "-j", "list", "counter", "inet", "services", "taken")
    (found,) = (item["counter"] for item in json.loads(told)["nftables"] if "counter" in item)
    return int(found["packets"])


def nft(node: Node, rules: str) -> None:
    """Add rules to a node's."""
    command = ["ip", "netns", "exec", node.name, "nft", "-f", "-"]
    done = subprocess.run(command, input=rules, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{rules}: {done.stderr}"
