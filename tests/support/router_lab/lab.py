# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The LAN and all that is on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.support.capture import Capture, inside
from tests.support.router_lab.namespaces import PREFIX, mac_of, run
from tests.support.router_lab.net import Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.remote_application import RemoteApplication


class Lab:
    """The LAN and all that is on it; every namespace is made for one test and removed after it."""

    def __init__(self, name: str, net: Net) -> None:
        self.net = net
        self._prefix = f"{PREFIX}{os.getpid()}-{name}-"
        self._names: list[str] = []
        self._pods: list[Pod] = []
        self._node_addresses: list[str] = []
        self._closing = ExitStack()
        self._ports = 0
        self.lan = self._namespace("lan")
        self._ip(self.lan, "link add br0 type bridge mcast_snooping 0")
        self._ip(self.lan, "link set br0 up")
        self.remote = self._namespace("remote")
        self._join_lan(self.remote, net.remote)
        self.give(self.remote, f"{net.second_remote}/{net.lan}", "up0")
        self.application = RemoteApplication(self.remote, net.remote)
        self.second_application = RemoteApplication(self.remote, net.second_remote)
        self.capture = Capture(self.lan)
        for thing in (self.application, self.second_application, self.capture):
            self._closing.callback(thing.close)

    def node(self, number: int = 1) -> Node:
        name, address = self._namespace(f"node{number}"), f"{self.net.node}{number}"
        if self.net.version == 6:
            with inside(name):
                Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1", encoding="ascii")
        self._node_addresses.append(address)
        node = Node(name, self._join_lan(name, address))
        # An IPv6 redirect comes from the link-local address (RFC 4861 §8.1).
        own = json.loads(run("ip", "-n", name, "-j", "address", "show", "up0"))[0]["addr_info"]
        self._node_addresses += [entry["local"] for entry in own if entry["scope"] == "link"]
        return node

    def pod(self, node: Node, number: int = 1) -> Pod:
        name, client = self._namespace(f"pod{number}"), self._namespace(f"client{number}")
        self._ip(client, f"link add eth0 type veth peer name eth0 netns {name}")
        self.give(client, f"{self.net.client}/{self.net.pods}", "eth0")
        self.give(name, f"{self.net.pod}/{self.net.pods}", "eth0")
        for namespace in (client, name):
            self._ip(namespace, "link set eth0 up")
        self._ip(name, f"route add default via {self.net.client}")
        pod = Pod(name, client, node, self.net)
        self._pods.append(pod)
        return pod

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
        """Nothing but the allowed sources and the remote application itself was ever on the LAN."""
        self.capture.settled()
        expected = {self.net.remote, self.net.second_remote, *(allowed or (self.net.source,))}
        others = set(self.capture.sources) - expected
        assert not others, {source: self.capture.sources[source] for source in others}
        others = set(self.capture.errors) - expected - set(self._node_addresses)
        assert not others, {source: self.capture.errors[source] for source in others}

    def _namespace(self, short: str) -> str:
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

    def _join_lan(self, namespace: str, address: str) -> str:
        self._ports += 1
        port = f"port{self._ports}"
        self._ip(self.lan, f"link add {port} type veth peer name up0 netns {namespace}")
        self._ip(self.lan, f"link set {port} master br0 up")
        self.give(namespace, f"{address}/{self.net.lan}", "up0")
        self._ip(namespace, "link set up0 up")
        return mac_of(namespace)

    def give(self, namespace: str, address: str, interface: str) -> None:
        """Add an address, with its prefix length, that is used at once."""
        flag = " nodad" if self.net.version == 6 else ""
        self._ip(namespace, f"address add {address} dev {interface}{flag}")

    @staticmethod
    def _ip(namespace: str, command: str) -> None:
        run("ip", "-n", namespace, *command.split())
