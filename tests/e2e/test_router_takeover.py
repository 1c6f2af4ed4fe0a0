# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One holder of an address at a time, and how another takes it over."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support.router_lab.hammer import Hammer
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import mac_of, run, tables
from tests.support.router_lab.neighbour_talk import answer, claim, neighbour
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.pod import Pod, forward_policy
from tests.support.router_lab.router import Router
from tests.support.router_lab.wait import wait_until


@both_families
def test_waits_while_another_station_holds_the_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    router = pod.start()
    router.wait_log(f"address {net.source} is held by")
    time.sleep(1.0)
    assert not pod.is_healthy()
    assert veths(node) == set()
    assert forward_policy(pod) == "drop", "the rule set comes before everything else"
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask().split()[0] == net.source


@pytest.mark.parametrize("how", ["SIGTERM", "namespace removed"])
@both_families
def test_second_node_takes_over(net: Net, lab: Lab, how: str) -> None:
    """Two routers for one address on two nodes: one serves, the other waits, and follows."""
    first, second = lab.pod(lab.node(1), 1), lab.pod(lab.node(2), 2)
    first.start().wait_ready()
    follower = second.start()
    follower.wait_log(f"address {net.source} is held by {first.node.mac}")
    # So that the remote application's machine knows the address by the first node's MAC.
    assert first.ask().split()[0] == net.source
    time.sleep(1.5)
    assert (first.is_healthy(), second.is_healthy()) == (True, False)
    assert answer(lab.remote, net, net.remote) == first.node.mac
    with Hammer(second) as hammer:
        if how == "SIGTERM":
            first.routers[0].end()
        else:
            first.routers[0].end(signal.SIGKILL)
            time.sleep(1.0)
            claimed = [line for line in follower.log if "address claimed" in line]
            assert not claimed, "the first pod's kernel still serves the address"
            lab.delete(first.name)
        wait_until(second.is_healthy, 60.0, "second ready", follower)
        hammer.wait_more(1)
    assert neighbour(lab.remote, net) == second.node.mac, "announced"
    assert answer(lab.remote, net, net.remote) == second.node.mac
    assert set(hammer.answers) == {net.source}
    lab.assert_no_other_source()


@both_families
def test_the_announcement_replaces_what_a_neighbour_knew(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Without being asked, and even while the neighbour is sure: for IPv6 that takes the override flag."""
    known = ("lladdr", "02:00:00:00:00:99", "dev", "up0", "nud", "reachable")
    run("ip", "-n", lab.remote, "neigh", "replace", net.source, *known)
    router = pod.start().wait_ready()
    wait_until(lambda: neighbour(lab.remote, net) == node.mac, 60.0, "the neighbour knows the node", router)


@both_families
def test_two_that_start_together_never_both_hold_it(net: Net, lab: Lab) -> None:
    pods = [lab.pod(lab.node(number), number) for number in (1, 2)]
    for pod in pods:
        pod.start()
    wait_until(lambda: any(pod.is_healthy() for pod in pods), 60.0, "one is ready", pods[0].routers[0])
    for _look in range(20):
        assert [bool(tables(pod.node.name)) for pod in pods].count(True) <= 1
        time.sleep(0.05)
    assert [pod.is_healthy() for pod in pods].count(True) == 1


@both_families
def test_second_pod_on_the_same_node_waits_for_the_first_to_go(net: Net, lab: Lab, node: Node) -> None:
    first, second = lab.pod(node, 1), lab.pod(node, 2)
    first.start().wait_ready()
    follower = second.start()
    follower.wait_log("another pod on this node holds")
    first.routers[0].end(signal.SIGKILL)
    time.sleep(0.3)
    assert not second.is_healthy(), "the killed router's pod still has its namespace and so the address"
    lab.delete(first.name)
    wait_until(second.is_healthy, 60.0, "second ready", follower)
    assert second.ask().split()[0] == net.source


@both_families
def test_another_station_that_insists_gets_the_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """RFC 5227 §2.4 b: defend once, then yield, so that two never answer for long."""
    router = pod.start().wait_ready()
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    for _claim in range(2):
        claim(lab.remote, net)
        time.sleep(0.5)
    router.wait_log("gave it up")
    assert (pod.is_healthy(), veths(node)) == (False, set())
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    wait_until(pod.is_healthy, 60.0, "ready again", router)


@both_families
def test_a_station_that_keeps_the_address_is_told_once_and_then_waited_for(
    net: Net, lab: Lab, pod: Pod, tmp_path: Path
) -> None:
    """As under a kubelet: it makes the termination log, and starts the router anew whenever that ends."""
    told = tmp_path / "termination-log"
    told.touch()
    options = ("--termination-log", str(told), "--patience", "0.5")
    mac = mac_of(lab.remote)

    def is_told_by(router: Router) -> bool:
        assert router.process.wait(60) == 75, router.log
        return told.read_text() == f"conflict address={net.source} held-by={mac}"

    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    assert is_told_by(pod.start(*options))
    patient = pod.start(*options)
    patient.wait_log("is held by")
    time.sleep(1.5)
    assert patient.process.poll() is None, "it is not told again"
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    wait_until(pod.is_healthy, 60.0, "ready", patient)
    # That was the end of this conflict: the next one is told.
    told.write_text("")
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    for _claim in range(2):
        claim(lab.remote, net)
        time.sleep(0.5)
    assert is_told_by(patient)
    assert veths(pod.node) == set(), "it had given the address up before it ended"
