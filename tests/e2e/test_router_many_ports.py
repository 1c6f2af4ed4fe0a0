# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A router of a thousand ports; how fast the last one is, tests.benchmarks.datapath measures."""

from __future__ import annotations

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.pod import Pod

FIRST, LAST = 1000, 1999


def ports_to_remote(net: Net) -> str:
    return ",".join(f"{port}/tcp={net.at(net.remote, 8080)}" for port in range(FIRST, LAST + 1))


@both_families
def test_each_of_a_thousand_ports_is_served_and_counted(net: Net, lab: Lab, pod: Pod) -> None:
    pod.start(EGRESS_PORTS=ports_to_remote(net)).wait_ready()
    for port in (FIRST, LAST):
        assert pod.ask(port) == f"{net.source} {net.remote}"
        for direction in ("request", "reply"):
            labels = f'destination="{net.at(net.remote, 8080)}",direction="{direction}",port="{port}/tcp"'
            assert pod.metric(f"egress_router_packets_total{{{labels}}}") >= 3
    lab.assert_no_other_source()


def test_a_packet_meets_as_many_rules_with_a_thousand_ports_as_with_one(net: Net, lab: Lab, pod: Pod) -> None:
    pod.start().wait_ready()
    few = rules(pod)
    pod.routers[0].end()
    pod.start(EGRESS_PORTS=ports_to_remote(net)).wait_ready()
    assert rules(pod) == few


def test_a_router_takes_no_more_memory_than_it_may(net: Net, pod: Pod) -> None:
    router = pod.start().wait_ready()
    assert router.megabytes() < 25
    router.end()
    assert pod.start(EGRESS_PORTS=ports_to_remote(net)).wait_ready().megabytes() < 40


def rules(pod: Pod) -> int:
    listed = run("ip", "netns", "exec", pod.name, "nft", "--json", "list", "table", "inet", "egress")
    return listed.count('{"rule": ')
