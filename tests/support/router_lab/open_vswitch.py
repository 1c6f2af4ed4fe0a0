# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node on OVN-Kubernetes' bridge br-ex: Open vSwitch itself, by its userspace datapath, with OVN-Kubernetes' flows.

The flows are those of the shared gateway mode for packets between node, pods and LAN: what the node sends is committed
to conntrack with one mark, what pods send with another, and answers go back by that mark.
"""

from __future__ import annotations

import ctypes
import fcntl
import re
import socket
import struct
from typing import Final

from tests.support.capture import inside
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.node_firewalls import nft
from tests.support.router_lab.services import Services

# linux/sockios.h, linux/ethtool.h
_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_STXCSUM: Final = 0x17

_START: Final = """
mount -t tmpfs tmpfs /run
mkdir /run/openvswitch
cd /run/openvswitch
export OVS_LOGDIR=/run/openvswitch
ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server conf.db --remote=punix:db.sock --detach --pidfile -vconsole:off
ovs-vsctl --no-wait init
ovs-vswitchd --detach --pidfile -vconsole:off
ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure \
 -- add-port br-int patch-int -- set interface patch-int type=patch options:peer=patch-ex
"""
# The bridge has the interface's MAC address, and a patch to br-int, where OVN has its pods.
_BRIDGE: Final = """
add-br br-ex -- set bridge br-ex datapath_type=netdev fail_mode=secure other-config:hwaddr={mac}
 -- add-port br-ex up0 -- set interface up0 ofport_request=1
 -- add-port br-ex patch-ex -- set interface patch-ex type=patch options:peer=patch-int ofport_request=2
"""

_ZONE: Final = 64000
_PHYSICAL: Final = 1
_PODS: Final = 2
_OF_PODS, _OF_HOST = "0x1", "0x2"
# By family: what ovs-ofctl(8) calls its packets and datagrams, and how OVN-Kubernetes masquerades pods for the node.
_WORDS: Final = {4: ("ip", "udp", "169.254.169.1"), 6: ("ipv6", "udp6", "fd69::1")}

# In the kernel's datapath a port's frames never reach the node's stack; the userspace one only reads them along.
_PORT_IS_TAKEN: Final = "table netdev ovs { chain port { type filter hook ingress device up0 priority 0; drop; }; }"


def connect_by_br_ex(lab: Lab, node: Node) -> Services:
    """Make the node's up0 a port of br-ex, which takes its MAC address and addresses over."""
    services = lab.services(node, _START)
    _fill_in_checksums(lab.outside.name, lab.port_of(node))
    nft(node, _PORT_IS_TAKEN)
    add_br_ex(lab, node, services)
    return services


def add_br_ex(lab: Lab, node: Node, services: Services) -> None:
    """Make the bridge, with its flows and the node's address."""
    services.run("ovs-vsctl", *_BRIDGE.format(mac=node.mac).split())
    services.run("ovs-ofctl", "-OOpenFlow13", "replace-flows", "br-ex", "-", text="\n".join(_flows(node.mac)))
    run("ip", "-n", node.name, "address", "flush", "dev", "up0")
    run("ip", "-n", node.name, "link", "set", "br-ex", "up")
    lab.give(node.name, f"{lab.net.node}1/{lab.net.lan}", "br-ex")


def answers_to_the_node(net: Net) -> str:
    """What matches packets of connections that the node has begun, as they come from the LAN."""
    return f"table=1,{_WORDS[net.version][0]},ct_state=+trk+est,ct_mark={_OF_HOST}"


def packets(services: Services, match: str) -> int:
    """How many the flows of br-ex with that match have passed."""
    told = services.run("ovs-ofctl", "-OOpenFlow13", "dump-aggregate", "br-ex", match)
    found = re.search(r"packet_count=(\d+)", told)
    assert found, told
    return int(found[1])


def _flows(mac: str) -> list[str]:
    """Of br-ex, as ovs-ofctl(8) reads them."""
    flows = [
        # What isn't IP and is for the shared MAC address: both the node and OVN hear it.
        f"priority=10,in_port={_PHYSICAL},dl_dst={mac},actions=output:{_PODS},LOCAL",
        f"priority=10,in_port={_PODS},dl_src={mac},actions=NORMAL",
        f"priority=9,in_port={_PODS},actions=drop",
        "priority=0,actions=NORMAL",
        f"table=1,priority=10,dl_dst={mac},actions=LOCAL",
        "table=1,priority=14,icmp6,icmpv6_type=134,actions=FLOOD",
        "table=1,priority=14,icmp6,icmpv6_type=136,actions=FLOOD",
        "table=1,priority=0,actions=NORMAL",
    ]
    for ip, udp, masqueraded in _WORDS.values():
        for port, mark in ((_PODS, _OF_PODS), ("LOCAL", _OF_HOST)):
            commit = f"ct(commit,zone={_ZONE},exec(set_field:{mark}->ct_mark))"
            flows.append(f"priority=100,in_port={port},{ip},actions={commit},output:{_PHYSICAL}")
        flows += [
            f"priority=50,in_port={_PHYSICAL},{ip},actions=ct(zone={_ZONE},table=1)",
            # Geneve, past conntrack.
            f"priority=205,in_port={_PHYSICAL},dl_dst={mac},{udp},udp_dst=6081,actions=LOCAL",
            f"priority=200,in_port={_PHYSICAL},{udp},udp_dst=6081,actions=NORMAL",
            f"priority=200,in_port=LOCAL,{udp},udp_dst=6081,actions=output:{_PHYSICAL}",
            # Answers of the node to pods that reached it by a Service.
            f"priority=500,in_port=LOCAL,{ip},{ip}_dst={masqueraded},actions=ct(zone={_ZONE + 2},nat,table=5)",
            f"table=5,{ip},actions=ct(commit,zone={_ZONE + 1},nat,table=2)",
            f"table=1,priority=13,in_port={_PHYSICAL},{udp},tp_dst=3784,actions=output:{_PODS},LOCAL",
        ]
        for state in ("est", "rel"):
            known = f"table=1,priority=100,{ip},ct_state=+trk+{state}"
            flows += [f"{known},ct_mark={_OF_PODS},actions=output:{_PODS}", f"{known},ct_mark={_OF_HOST},actions=LOCAL"]
    return [*flows, f"table=2,actions=mod_dl_dst={mac},output:{_PODS}"]


def _fill_in_checksums(namespace: str, interface: str) -> None:
    """Have an interface send frames with checksums, as a cable carries them; a veth leaves them to the receiver."""
    with inside(namespace):
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with control:
        value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0))
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), ctypes.addressof(value)))
