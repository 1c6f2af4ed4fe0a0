# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A data path that somebody breaks is put back."""

from __future__ import annotations

import time

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run
from tests.support.router_lab.net import V4, V6, Net, both_families
from tests.support.router_lab.node import Node, veths
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.wait import wait_until


@both_families
def test_rule_set_is_put_back_when_somebody_removes_it(net: Net, lab: Lab, pod: Pod) -> None:
    router = pod.start().wait_ready()
    run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
    router.wait_log("data path repaired: rule set")
    assert pod.ask().split()[0] == net.source
    lab.assert_no_other_source()


REPAIRS = [
    ("pod", "-{version} rule del pref 100", "rule for marked packets"),
    ("pod", "-{version} route flush table 16726", "routes of the egress table"),
    ("pod", "address del {source}/{bits} dev egress0", "pod's address"),
    ("pod", "link set egress0 down", "egress0 up"),
    ("pod", "link set egress0 address 02:00:00:00:00:77", "MAC address"),
    ("pod", "link set egress0 mtu 1400", "MTU 1500 of egress0"),
    ("node", "link set {link} down", "{link} up"),
    # As udev may do to each new interface.
    ("node", "link set {link} address 02:00:00:00:00:77", None),
    ("node", "link set up0 down", None),
]


@pytest.mark.parametrize(
    ("net", "where", "command", "logged"),
    [
        *((net, *repair) for net in (V4, V6) for repair in REPAIRS),
    ],
    ids=str,
)
def test_broken_data_path_is_repaired(
    net: Net, lab: Lab, pod: Pod, node: Node, where: str, command: str, logged: str | None
) -> None:
    router = pod.start().wait_ready()
    (link,) = veths(node)
    texts = dict(vars(net), link=link)
    run("ip", "-n", node.name if where == "node" else pod.name, *command.format(**texts).split())
    if "up0 down" in command:
        wait_until(lambda: not pod.is_healthy(), 60.0, "health port closed", router)
        run("ip", "-n", node.name, "link", "set", "up0", "up")
        if net.version == 6:
            # The kernel forgot it, unlike an IPv4 one.
            lab.give(node.name, f"{net.node}1/{net.lan}", "up0")
    if logged is not None:
        router.wait_log(logged.format(**texts))
    else:
        time.sleep(0.2)
    wait_until(pod.is_healthy, 60.0, "ready again", router)
    assert pod.ask().split()[0] == net.source
    lab.assert_no_other_source()
