# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What becomes of the clients' connections when a router is asked to end."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.neighbour_talk import claim
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.node_firewalls import nft
from tests.support.router_lab.pod import Pod, talk
from tests.support.router_lab.router import Router
from tests.support.router_lab.wait import wait_until


@contextmanager
def draining(pod: Pod, **env: str) -> Iterator[tuple[Router, socket.socket]]:
    """A router that was asked to end while a client is connected, and the client's connection."""
    router = pod.start(**{"EGRESS_DRAIN": "600", **env}).wait_ready()
    with pod.connect() as connection:
        assert talk(connection).split()[0] == pod.net.source
        router.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not pod.is_healthy(), 5.0, "new clients are sent elsewhere", router)
        yield router, connection


@both_families
def test_clients_that_wait_for_an_answer_are_reset(net: Net, lab: Lab, pod: Pod) -> None:
    """They send nothing, so nothing but a reset would ever tell them."""
    router = pod.start().wait_ready()
    connections = [pod.connect() for _number in range(3)]
    for connection in connections:
        assert talk(connection).split()[0] == net.source
        connection.settimeout(2)
    assert router.end() == 0
    for connection in connections:
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert "connections ended count=3" in "\n".join(router.log)
    lab.assert_no_other_source()


@both_families
def test_connections_may_drain_before_they_are_reset(net: Net, lab: Lab, pod: Pod) -> None:
    with draining(pod, EGRESS_DRAIN="4") as (router, connection):
        time.sleep(1.5)
        assert talk(connection).split()[0] == net.source
        connection.settimeout(10)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert router.end() == 0
    lab.assert_no_other_source()


@both_families
def test_clients_of_an_address_that_was_given_up_are_reset_at_the_end(net: Net, pod: Pod, node: Node) -> None:
    """As of a node that is drained because its LAN is dead."""
    router = pod.start(EGRESS_DRAIN="600").wait_ready()
    with pod.connect() as connection:
        assert talk(connection).split()[0] == net.source
        run("ip", "-n", node.name, "link", "set", "up0", "down")
        wait_until(lambda: not veths(node), 60.0, "given up", router)
        router.process.send_signal(signal.SIGTERM)
        connection.settimeout(5)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert router.process.wait(20) == 0


@both_families
def test_the_data_path_is_put_right_while_it_drains(net: Net, lab: Lab, pod: Pod) -> None:
    with draining(pod) as (router, connection):
        run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
        router.wait_log("data path repaired: rule set")
        assert talk(connection).split()[0] == net.source
    assert router.process.wait(20) == 0
    lab.assert_no_other_source()


def test_another_source_while_it_drains_has_the_address_withdrawn(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """At the next look, as long as it drains, and the clients are told."""
    lab.add_gateway()
    with draining(pod, **net.to_far()) as (router, connection):
        rewrite = f"ip daddr {net.far} ip saddr set {net.node}1"
        nft(node, f"table netdev site {{ chain out {{ type filter hook egress device up0 priority 0; {rewrite}; }}; }}")
        connection.settimeout(20)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert router.process.wait(20) == 0
    assert veths(node) == set()


def test_a_second_request_to_end_ends_it_at_once(pod: Pod) -> None:
    with draining(pod) as (router, connection):
        assert router.end() == 0
        connection.settimeout(2)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@both_families
def test_draining_ends_with_the_last_connection(net: Net, pod: Pod) -> None:
    with draining(pod) as (router, connection):
        assert router.process.poll() is None
        connection.shutdown(socket.SHUT_RDWR)
    assert router.process.wait(60) == 0
    assert "connections ended count=0" in "\n".join(router.log)


@both_families
def test_a_conflict_while_it_drains_ends_with_a_reset_too(net: Net, lab: Lab, pod: Pod) -> None:
    """Another host has the address, so nobody is waited for any longer; and nothing else would tell the client."""
    with draining(pod) as (router, connection):
        for _claim in range(2):
            claim(lab.remote, net)
            time.sleep(0.5)
        connection.settimeout(20)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert router.process.wait(20) == 0
