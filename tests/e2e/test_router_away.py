# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node that was away, by its cable, by a switch or by its own interface, and what is true when it is back."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import mac_of, run
from tests.support.router_lab.neighbour_talk import answer, answer_for_all, neighbour, questions_to_all
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until


def insert_bridge(lab: Lab, node: Node) -> None:
    """Put a switch between a node and its LAN: what happens behind it, the node's interface doesn't notice."""
    for command in ("set up0 name nic0", "add ex0 type bridge mcast_snooping 0"):
        run("ip", "-n", node.name, "link", *command.split())
    run("ip", "-n", node.name, "link", "add", "up0", "type", "veth", "peer", "name", "sw0")
    for name in ("nic0", "sw0"):
        run("ip", "-n", node.name, "link", "set", name, "master", "ex0", "up")
    for name in ("ex0", "up0"):
        run("ip", "-n", node.name, "link", "set", name, "up")
    run("ip", "-n", node.name, "address", "flush", "dev", "nic0")
    lab.give(node.name, f"{lab.net.node}{node.name[-1]}/{lab.net.lan}", "up0")


@both_families
def test_two_that_meet_after_a_cut_are_settled_by_who_was_away(net: Net, lab: Lab) -> None:
    """The first node is cut off behind a switch, the second takes over; when the cable is back, the first yields."""
    lab.add_gateway()
    pods = [lab.pod(lab.node(number), number) for number in (1, 2)]
    first, second = pods
    insert_bridge(lab, first.node)
    away = first.start(**net.to_far()).wait_ready()
    run("ip", "-n", first.node.name, "link", "set", "nic0", "nomaster")
    away.wait_not_ready("GatewaySilent")
    stays = second.start(**net.to_far()).wait_ready()
    run("ip", "-n", first.node.name, "link", "set", "nic0", "master", "ex0")
    wait_until(lambda: not veths(first.node), 60.0, "the first gave the address up", away)
    for _look in range(20):
        assert second.is_healthy(), stays.log
        time.sleep(0.1)
    assert second.ask() == f"{net.source} {net.far}"
    assert not any("gave it up" in line for line in stays.log), stays.log
    assert not any("defended" in line for line in away.log), away.log
    lab.assert_no_other_source()


@both_families
def test_one_that_was_away_yields_after_a_restart_too(net: Net, lab: Lab) -> None:
    """Its successor in the pod doesn't know; its link is still there, and the kernel would answer for the address."""
    lab.add_gateway()
    first, second = (lab.pod(lab.node(number), number) for number in (1, 2))
    insert_bridge(lab, first.node)
    first.start(**net.to_far()).wait_ready().end(signal.SIGKILL)
    run("ip", "-n", first.node.name, "link", "set", "nic0", "nomaster")
    stays = second.start(**net.to_far()).wait_ready()
    run("ip", "-n", first.node.name, "link", "set", "nic0", "master", "ex0")
    restarted = first.start(**net.to_far())
    wait_until(lambda: not veths(first.node), 60.0, "the first gave the address up", restarted)
    assert second.is_healthy(), stays.log
    assert second.ask() == f"{net.source} {net.far}"
    assert not any("gave it up" in line for line in stays.log), stays.log


@pytest.mark.parametrize("lost", ["no carrier", "no uplink"])
@both_families
def test_a_lost_uplink_is_told_to_the_cluster(
    net: Net, lab: Lab, pod: Pod, node: Node, tmp_path: Path, lost: str
) -> None:
    told = tmp_path / "termination-log"
    told.touch()
    router = pod.start("--termination-log", str(told), "--patience", "1").wait_ready()
    if lost == "no carrier":
        run("ip", "-n", lab.lan, "link", "set", lab.port_of(node), "down")
        words = f"fault reason=NoCarrier address={net.source} message=the node's uplink up0 is down or has no carrier; "
    else:
        run("ip", "-n", node.name, "address", "del", f"{net.node}1/{net.lan}", "dev", "up0")
        words = f"fault reason=UplinkUnusable address={net.source} message=EGRESS_SOURCE='{net.source}' is not usable"
    assert router.process.wait(60) == 75
    assert told.read_text().startswith(words)


@pytest.mark.parametrize("lost", ["interface down", "address lost"])
@both_families
def test_what_was_lost_is_probed_for_when_it_is_back(net: Net, lab: Lab, pod: Pod, node: Node, lost: str) -> None:
    """Another station took the address meanwhile: it is not taken from it."""
    router = pod.start().wait_ready()
    own = f"{net.node}1/{net.lan}"
    if lost == "interface down":
        run("ip", "-n", node.name, "link", "set", "up0", "down")
    else:
        run("ip", "-n", node.name, "address", "del", own, "dev", "up0")
    wait_until(lambda: not veths(node), 60.0, "given up", router)
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    run("ip", "-n", node.name, "link", "set", "up0", "up")
    if lost == "address lost" or net.version == 6:
        lab.give(node.name, own, "up0")
    router.wait_log("is held by")
    assert (pod.is_healthy(), veths(node)) == (False, set())
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    wait_until(pod.is_healthy, 60.0, "ready", router)


@both_families
def test_a_changed_mac_address_of_the_uplink_is_announced(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    assert pod.ask().split()[0] == net.source
    new = "02:00:00:00:00:42"
    run("ip", "-n", node.name, "link", "set", "up0", "address", new)
    wait_until(lambda: neighbour(lab.remote, net) == new, 60.0, "the neighbour knows it", router)
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask().split()[0] == net.source
    assert answer(lab.remote, net, net.remote) == new


@both_families
def test_the_links_length_follows_the_uplinks(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    run("ip", "-n", node.name, "link", "set", "up0", "mtu", "1400")
    router.wait_log("MTU 1400 of egress0")
    with pod.connect() as connection:
        connection.sendall(b"?\n")
        connection.recv(1024)
    assert "mtu 1400" in run("ip", "-n", pod.name, "link", "show", "egress0")


@both_families
def test_the_question_mends_a_gateway_that_missed_the_announcement(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """A switch that drops announcements, and a gateway that would remember the old node for hours."""
    gateway = lab.add_gateway()
    pod.start(**net.to_far()).wait_ready()
    stale = ("lladdr", "02:00:00:00:00:99", "dev", "up0", "nud", "reachable")
    with questions_to_all(lab.remote, net, net.gateway) as heard:
        time.sleep(2.5)  # The last of the announcements is over.
    assert not heard, "it is a question to the gateway alone"
    run("ip", "-n", gateway, "neigh", "replace", net.source, *stale)
    wait_until(lambda: neighbour(gateway, net) == node.mac, 60.0, "the gateway knows the node")
    assert pod.ask() == f"{net.source} {net.far}"


@both_families
def test_a_station_that_answers_for_all_is_told_as_that(net: Net, lab: Lab, pod: Pod) -> None:
    with answer_for_all(lab.remote, net):
        router = pod.start()
        words = f"LanProxy: the station {mac_of(lab.remote)} answers for every address of the LAN, {net.source} among"
        router.wait_log(f"not ready: {words}")
        assert not pod.is_healthy()
    wait_until(pod.is_healthy, 60.0, "ready", router)
