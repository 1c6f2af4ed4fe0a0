# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Routed addresses: on no link, served by a route to the node, which offers that route exactly while it serves."""

from __future__ import annotations

import json
import signal

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, settings
from tests.support.router_lab.neighbour_talk import answer, overheard
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.node_firewalls import FIREWALLS, load, nft
from tests.support.router_lab.pod import Pod, talk
from tests.support.router_lab.wait import wait_until

PROTOCOL = "167"
AT_THE_UPLINK = "table netdev site {{ chain out {{ type filter hook egress device up0 priority 0; {rule}; }}; }}"


def ip(net: Net, namespace: str, *command: str) -> str:
    """The output of ip in the test's family."""
    return run("ip", f"-{net.version}", "-n", namespace, *command)


def offered(net: Net, node: Node) -> list[str]:
    """Where the node's main table leads to by our protocol."""
    shown = json.loads(ip(net, node.name, "-j", "-N", "route", "show", "table", "254", "proto", PROTOCOL))
    assert all(route["dev"] in veths(node) for route in shown)
    return [route["dst"] for route in shown]


def route_by(net: Net, gateway: str, node: str) -> None:
    """What a routing daemon would do on the gateway."""
    ip(net, gateway, "route", "replace", net.routed, "via", f"{net.node}{node}")


@both_families
def test_routed_address_is_served_and_never_spoken_of_on_the_lan(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """On a node that forwards nothing, and whose firewall would drop it."""
    gateway = lab.add_gateway()
    route_by(net, gateway, "1")
    lab.forward(node.name, "0")
    load(node, net, FIREWALLS["OVN-Kubernetes"])
    before = settings(node.name)
    with overheard(lab.lan, net.routed) as talk:
        pod.start(**net.by_route()).wait_ready()
        assert pod.ask() == f"{net.routed} {net.far}"
        assert pod.udp().decode().split() == [net.routed, net.far]
    assert not talk
    assert answer(lab.remote, net, net.remote, net.routed) is None
    assert settings(node.name) == before
    lab.assert_no_other_source(net.routed)
    assert set(lab.far_application.peers) == {net.routed}


@both_families
def test_the_route_is_there_exactly_while_the_router_is_ready(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    gateway = lab.add_gateway()
    family = {4: "ip", 6: "ip6"}[net.version]
    nft(node, AT_THE_UPLINK.format(rule=f"{family} saddr {net.routed} drop"))
    router = pod.start(**net.by_route())
    router.wait_log("not ready: NodeFirewall")
    assert (pod.is_healthy(), offered(net, node)) == (False, [])
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "netdev", "site")
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert offered(net, node) == [net.routed]
    run("ip", "-n", gateway, "link", "set", "up0", "down")
    wait_until(lambda: not (pod.is_healthy() or offered(net, node)), 60.0, "not ready and withdrawn", router)
    router.wait_log(f"GatewaySilent: the gateway {net.gateway} has not answered {net.node}1 by the node's uplink up0")
    run("ip", "-n", gateway, "link", "set", "up0", "up")
    if net.version == 6:
        lab.give(gateway, f"{net.gateway}/{net.lan}", "up0")
    wait_until(pod.is_healthy, 60.0, "ready again", router)
    assert offered(net, node) == [net.routed]
    router.end()
    assert (offered(net, node), veths(node)) == ([], set())


@both_families
def test_the_route_outlives_the_router_and_goes_with_its_pod(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """The kernel serves while the router restarts, so the route stays; nothing has to run for it to go."""
    route_by(net, lab.add_gateway(), "1")
    pod.start(**net.by_route()).wait_ready().end(signal.SIGKILL)
    assert pod.is_served()
    assert offered(net, node) == [net.routed]
    restarted = pod.start(**net.by_route()).wait_ready()
    assert not any("route offered" in line for line in restarted.log), restarted.log
    restarted.end(signal.SIGKILL)
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 60.0, "the pod's end")
    assert offered(net, node) == []


@both_families
def test_the_route_stays_until_the_last_connection_has_drained(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    route_by(net, lab.add_gateway(), "1")
    router = pod.start(**net.by_route(EGRESS_DRAIN="60")).wait_ready()
    with pod.connect() as connection:
        assert talk(connection).split()[0] == net.routed
        router.process.terminate()
        wait_until(lambda: not pod.is_healthy(), 60.0, "no more clients", router)
        assert talk(connection).split()[0] == net.routed
        assert offered(net, node) == [net.routed]
    assert router.process.wait(60) == 0
    assert (offered(net, node), veths(node)) == ([], set())


@both_families
def test_a_route_that_somebody_deletes_is_put_back(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    lab.add_gateway()
    router = pod.start(**net.by_route()).wait_ready()
    ip(net, node.name, "route", "del", net.routed)
    wait_until(lambda: offered(net, node) == [net.routed], 60.0, "put back", router)
    router.wait_log(f"data path repaired: route to {net.routed}")


@both_families
def test_waits_while_the_node_knows_of_another_that_has_the_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """As a routing daemon learns it from the node that serves it."""
    lab.add_gateway()
    ip(net, node.name, "route", "add", net.routed, "via", net.gateway, "proto", "bgp", "metric", "20")
    router = pod.start(**net.by_route())
    router.wait_log(f"another has {net.routed}: the node has a route to it via {net.gateway}, protocol 186; waiting")
    assert (pod.is_healthy(), veths(node)) == (False, set())
    ip(net, node.name, "route", "del", net.routed)
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert offered(net, node) == [net.routed]


@both_families
def test_without_a_gateway_the_nodes_default_route_leads_out(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Also when it comes late. A gateway may answer its neighbours alone, so it is asked as the one that is its."""
    gateway = lab.add_gateway()
    route_by(net, gateway, "1")
    ip(net, node.name, "address", "flush", "dev", "up0", "scope", "global")
    for address in (f"{net.elsewhere}6", f"{net.node}1"):
        lab.give(node.name, f"{address}/{net.lan}", "up0")
    run("ip", "netns", "exec", gateway, "sysctl", "-q", "net.ipv4.conf.all.rp_filter=1")
    router = pod.start(**net.by_route(EGRESS_GATEWAY=""))
    router.wait_log("not ready: WrongRoute: the node has no default route by a gateway; give the subnet of the EgressN")
    ip(net, node.name, "route", "add", "default", "via", net.gateway)
    wait_until(pod.is_healthy, 60.0, "ready", router)
    assert pod.ask() == f"{net.routed} {net.far}"
    lab.assert_no_other_source(net.routed)


@both_families
def test_of_two_default_routes_one_is_taken_and_answers_come_by_both(net: Net, lab: Lab, pod: Pod) -> None:
    """A node with two uplinks, as to two switches; when the link of the first is lost, the other is taken."""
    node, gateway = pod.node, lab.add_gateway()
    second = lab.join(node.name, f"{net.node}9", "up1")
    # The node's kernel would answer for either address by either interface.
    ip(net, gateway, "neigh", "replace", f"{net.node}9", "lladdr", second, "dev", "up0", "nud", "permanent")
    hops = [("via", net.gateway, "dev", name) for name in ("up0", "up1")]
    ip(net, node.name, "route", "replace", "default", *(word for hop in hops for word in ("nexthop", *hop)))
    route_by(net, gateway, "1")
    router = pod.start(**net.by_route(EGRESS_GATEWAY="")).wait_ready()
    assert pod.ask() == f"{net.routed} {net.far}"
    route_by(net, gateway, "9")
    assert pod.ask() == f"{net.routed} {net.far}"
    run("ip", "-n", node.name, "link", "set", "up0", "down")
    wait_until(pod.is_served, 60.0, "served by the other", router)
    # The way is there before it is proved, and told when it is.
    wait_until(lambda: any("uplink=up1" in line or "uplink up1" in line for line in router.log), 60.0, "told", router)
    assert offered(net, node) == [net.routed]
    lab.assert_no_other_source(net.routed)


@both_families
def test_an_address_on_a_link_of_the_node_is_not_routed(net: Net, lab: Lab, pod: Pod) -> None:
    router = pod.start(**net.by_route(EGRESS_SOURCE=net.source))
    assert router.process.wait(60) == 78
    router.end()
    assert router.log[-1] == (
        f"EGRESS_SOURCE='{net.source}' is not usable: its EgressNetwork is routed, but {net.subnet} is on this node's"
        " link up0, so give it the mode lan, or subnets that are on no link."
    )
