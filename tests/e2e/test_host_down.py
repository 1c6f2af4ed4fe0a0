# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The host of a single egress pod goes down: the pod is replaced elsewhere, and the address has one holder at a time.

The host is cut off from both of its networks, as when its power fails, except that everything on it runs on and still
believes that it holds the address: the harder case, for the host comes back with it.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyroute2 import IPRoute

from tests.cluster import Cluster
from tests.support.capture import inside
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import NODES, Project
from tests.support.waiting import wait_for

SERVICE = "moving"
DOWN_SECONDS = 150
"""Kubernetes itself takes 50 of them to believe that a node is lost."""
BACK_SECONDS = 90
_UPLINK = "eth1"
_REMOTE = "eth0"
_ETH_P_ARP = 0x0806
_ASK_SECONDS = 0.1
_BROADCAST, _NOBODY = bytes([255] * 6), bytes(6)


class Holders:
    """The stations that claim an address on the outside LAN, by MAC address in the order in which they were heard.

    The remote host asks for it ten times a second, as its neighbours do, and hears the announcements too.
    """

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._heard: list[str] = []
        self._wanted = socket.inet_aton(address)
        with inside(cluster.namespace("remote")):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
            self._socket.bind((_REMOTE, _ETH_P_ARP))
        self._socket.settimeout(_ASK_SECONDS)
        own = self._socket.getsockname()[4]
        request = bytes.fromhex("0001080006040001")  # RFC 826: Ethernet, IPv4, a request
        sender = own + cluster.layout.remote.ip.packed
        self._question = b"".join([_BROADCAST, own, b"\x08\x06", request, sender, _NOBODY, self._wanted])
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Holders:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()

    def turns(self) -> list[str]:
        """Each holder once for every time that it took over."""
        return [mac for mac, _times in itertools.groupby(self._heard)]

    def _run(self) -> None:
        while self._open:
            self._socket.send(self._question)
            try:
                while True:
                    frame = self._socket.recv(128)
                    if frame[28:32] == self._wanted:
                        self._heard.append(frame[22:28].hex(":"))
            except TimeoutError:
                continue


def mac_of(cluster: Cluster, node: str) -> str:
    """The MAC address by which a node is known on the outside LAN."""
    with inside(cluster.namespace(node)), IPRoute() as netlink:
        return str(netlink.link("get", ifname=_UPLINK)[0].get_attr("IFLA_ADDRESS"))


def is_ready(status: dict[str, Any]) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ())


@contextmanager
def down(cluster: Cluster, kubectl: Kubectl, node: str) -> Iterator[None]:
    """The node is off both networks for as long as it lasts, and Ready again after it."""

    def wires(state: str) -> None:
        for wire in (f"{node}-eth0", f"{node}-eth1"):
            subprocess.run(["ip", "-n", cluster.namespace("fabric"), "link", "set", wire, state], check=True)

    wires("down")
    try:
        yield
    finally:
        wires("up")
        wait_for(f"{node} is back", lambda: is_ready(kubectl.json("get", "node", node)["status"]), BACK_SECONDS)


@pytest.fixture
def source(green: Project, outside: Outside) -> Iterator[str]:
    green.create_service(SERVICE, {"destination_ip": outside.destination})
    green.wait_ready(SERVICE)
    yield green.source_ip(SERVICE)
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE)
    wait_for("its pod is gone", lambda: not green.egress_pods(SERVICE), BACK_SECONDS)


def test_its_pod_is_replaced_elsewhere_and_nobody_else_answers_for_the_address(
    green: Project, source: str, cluster: Cluster, kubectl: Kubectl
) -> None:
    (pod,) = green.egress_pods(SERVICE)
    lost = pod["spec"]["nodeName"]
    (other,) = set(NODES) - {lost}
    virtual = green.cluster_ip(SERVICE)

    def successor() -> dict[str, Any] | None:
        found = [item for item in green.egress_pods(SERVICE) if item["metadata"]["uid"] != pod["metadata"]["uid"]]
        return next((item for item in found if is_ready(item["status"])), None)

    with Holders(cluster, source) as holders:
        wait_for("the address is answered for", holders.turns)
        with down(cluster, kubectl, lost):
            taken_over = wait_for("another pod serves", successor, DOWN_SECONDS)
            assert taken_over["spec"]["nodeName"] == other
            wait_for(
                "the virtual IP leads to it, and the remote sees the same address",
                lambda: green.fetch(virtual, node=other).seen == source,
            )
        wait_for("the former pod is ended on its host", lambda: len(green.egress_pods(SERVICE)) == 1, BACK_SECONDS)
        green.wait_ready(SERVICE)
        for node in NODES:
            # The host that is back still has to hear from the API server where the virtual IP leads to now.
            wait_for(f"{node} is led to it", lambda node=node: green.fetch(virtual, node=node).seen == source)
    assert [item["metadata"]["uid"] for item in green.egress_pods(SERVICE)] == [taken_over["metadata"]["uid"]]
    assert holders.turns() == [mac_of(cluster, lost), mac_of(cluster, other)]
