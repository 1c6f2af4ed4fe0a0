# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The LAN and all that is on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.capture import Capture, inside
from tests.support.router_lab.namespaces import PREFIX, mac_of, run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.remote_application import RemoteApplication
from tests.support.router_lab.services import Services


@dataclass(frozen=True)
class Lan:
    """A LAN: the namespace of its switch, a bridge, and all that crosses it."""

    name: str
    capture: Capture


class Lab:
    """The LAN and all that is on it; every namespace is made for one test and removed after it."""

    def __init__(self, name: str, net: Net) -> None:
        self.net = net
        self._prefix = f"{PREFIX}{os.getpid()}-{name}-"
        self._names: list[str] = []
        self._pods: list[Pod] = []
        self._node_addresses: list[str] = []
        self._gateways: list[str] = []
        self._closing = ExitStack()
        self._ports = 0
        self.outside = self.new_lan("lan")
        self.lan, self.capture = self.outside.name, self.outside.capture
        self.remote = self.namespace("remote")
        self.join(self.remote, net.remote)
        self.give(self.remote, f"{net.second_remote}/{net.lan}", "up0")
        self.application = RemoteApplication(self.remote, net.remote)
        self.second_application = RemoteApplication(self.remote, net.second_remote)
        for thing in (self.application, self.second_application):
            self._closing.callback(thing.close)

    def new_lan(self, short: str) -> Lan:
        """A LAN with nobody on it."""
        name = self.namespace(short)
        self._ip(name, "link add br0 type bridge mcast_snooping 0")
        self._ip(name, "link set br0 up")
        lan = Lan(name, Capture(name))
        self._closing.callback(lan.capture.close)
        return lan

    def add_gateway(self) -> str:
        """The LAN's gateway, and a remote application behind it; the gateway's namespace."""
        net, gateway, far = self.net, self.namespace("gateway"), self.namespace("far")
        self.join(gateway, net.gateway)
        self._ip(gateway, f"link add far0 type veth peer name up0 netns {far}")
        self.give(gateway, f"{net.far_gateway}/{net.lan}", "far0")
        self.give(far, f"{net.far}/{net.lan}", "up0")
        self._ip(gateway, "link set far0 up")
        self._ip(far, "link set up0 up")
        self._ip(far, f"route add default via {net.far_gateway}")
        self.forward(gateway)
        self.far_application = RemoteApplication(far, net.far)
        self._closing.callback(self.far_application.close)
        own = json.loads(run("ip", "-n", gateway, "-j", "address", "show", "up0"))[0]["addr_info"]
        self._gateways += [entry["local"] for entry in own]
        return gateway

    def node(self, number: int = 1) -> Node:
        """A node that forwards, as those of most clusters do: what is handed to its stack by mistake gets out."""
        name, address = self.namespace(f"node{number}"), f"{self.net.node}{number}"
        self.forward(name)
        self._node_addresses.append(address)
        node = Node(name, self.join(name, address))
        # An IPv6 redirect comes from the link-local address (RFC 4861 §8.1).
        own = json.loads(run("ip", "-n", name, "-j", "address", "show", "up0"))[0]["addr_info"]
        self._node_addresses += [entry["local"] for entry in own if entry["scope"] == "link"]
        return node

    def pod(self, node: Node, number: int = 1) -> Pod:
        name, client = self.namespace(f"pod{number}"), self.namespace(f"client{number}")
        self._ip(client, f"link add eth0 type veth peer name eth0 netns {name}")
        for namespace, address in ((client, self.net.client), (name, self.net.pod)):
            self._ip(namespace, "link set eth0 up")
            self.give(namespace, f"{address}/{self.net.pods}", "eth0")
        self._ip(name, f"route add default via {self.net.client}")
        pod = Pod(name, client, node, self.net)
        self._pods.append(pod)
        return pod

    def forwarded_by(self, node: Node, source: str) -> str:
        """A machine behind a node, whose stack forwards for it: with a pod's address, and with ``source``."""
        name = self.namespace("behind")
        self._ip(name, f"link add eth0 type veth peer name pods0 netns {node.name}")
        for namespace, interface in ((name, "eth0"), (node.name, "pods0")):
            self._ip(namespace, f"link set {interface} up")
        self.give(node.name, f"{self.net.pod}/{self.net.pods}", "pods0")
        for address in (f"{self.net.client}/{self.net.pods}", f"{source}/{self.net.bits}"):
            self.give(name, address, "eth0")
        self._ip(name, f"route add default via {self.net.pod}")
        if self.net.version == 4:
            with inside(node.name):
                for interface in ("all", "pods0"):
                    Path(f"/proc/sys/net/ipv4/conf/{interface}/rp_filter").write_text("0", encoding="ascii")
        return name

    def close(self) -> None:
        for pod in self._pods:
            for router in pod.routers:
                router.end(signal.SIGKILL)
        self._closing.close()
        for name in self._names:
            self.delete(name)

    def delete(self, name: str) -> None:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=30)

    def assert_no_other_source(self, *allowed: str) -> None:
        """Nothing but the allowed sources and the remote applications themselves was ever on the LAN."""
        self.capture.settled()
        expected = {self.net.remote, self.net.second_remote, self.net.far, *(allowed or (self.net.source,))}
        others = set(self.capture.sources) - expected
        assert not others, {source: self.capture.sources[source] for source in others}
        others = set(self.capture.errors) - expected - set(self._node_addresses) - set(self._gateways)
        assert not others, {source: self.capture.errors[source] for source in others}

    def assert_quiet(self, lan: Lan) -> None:
        """Nothing of a router was ever on another LAN."""
        assert not lan.capture.settled(), lan.capture.sources
        assert not lan.capture.errors, lan.capture.errors

    def namespace(self, short: str) -> str:
        """A machine's, with nothing in it."""
        name = self._prefix + short
        run("ip", "netns", "add", name)
        self._names.append(name)
        with inside(name):
            # Router solicitations of the lab's own interfaces are not what is looked for, and nothing waits for
            # duplicate address detection here.
            name_of = {4: ("disable_ipv6", "1"), 6: ("accept_dad", "0")}
            setting, value = name_of[self.net.version]
            for key in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{key}/{setting}").write_text(value, encoding="ascii")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("0", encoding="ascii")
        self._ip(name, "link set lo up")
        return name

    def join(self, namespace: str, address: str | None, interface: str = "up0", lan: Lan | None = None) -> str:
        """Connect a machine to a LAN, the outside one unless told otherwise; the MAC address of its interface."""
        self._ports += 1
        port, switch = f"port{self._ports}", (lan or self.outside).name
        self._ip(switch, f"link add {port} type veth peer name {interface} netns {namespace}")
        self._ip(switch, f"link set {port} master br0 up")
        self._ip(namespace, f"link set {interface} up")
        if address is not None:
            self.give(namespace, f"{address}/{self.net.lan}", interface)
        return mac_of(namespace, interface)

    def port_of(self, node: Node) -> str:
        """The outside LAN's port that a node is connected to."""
        peer = json.loads(run("ip", "-n", node.name, "-j", "link", "show", "up0"))[0]["link_index"]
        ports = json.loads(run("ip", "-n", self.lan, "-j", "link", "show"))
        name: str = next(port["ifname"] for port in ports if port["ifindex"] == peer)
        return name

    @contextmanager
    def unplugged(self, node: Node) -> Iterator[None]:
        """The node's cable to the outside LAN is out as long as this lasts."""
        port = self.port_of(node)
        self._ip(self.lan, f"link set {port} down")
        try:
            yield
        finally:
            self._ip(self.lan, f"link set {port} up")

    def services(self, node: Node, script: str) -> Services:
        """System services of a node, started by a shell script."""
        services = Services(node.name, script)
        self._closing.callback(services.close)
        return services

    def forward(self, namespace: str, on: str = "1") -> None:
        """Whether a machine forwards packets, 1 or 0."""
        switch = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}[self.net.version]
        with inside(namespace):
            Path(f"/proc/sys/net/{switch}").write_text(on, encoding="ascii")

    def give(self, namespace: str, address: str, interface: str) -> None:
        """Add an address, with its prefix length, that is used at once."""
        flag = " nodad" if self.net.version == 6 else ""
        self._ip(namespace, f"address add {address} dev {interface}{flag}")

    @staticmethod
    def _ip(namespace: str, command: str) -> None:
        run("ip", "-n", namespace, *command.split())
