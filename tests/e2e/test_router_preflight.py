# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The router's image tells what of a node is in the way of an egress pod, before there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import compiled
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import links, run, settings, tables
from tests.support.router_lab.neighbour_talk import answer, answer_for_all
from tests.support.router_lab.net import Net, both_families
from tests.support.router_lab.node import Node
from tests.support.router_lab.node_firewalls import nft
from tests.support.router_lab.pod import Pod
from tests.support.router_lab.router import ROUTER

ALL_LOOKS = ["uplink", "route", "proxy", "address", "kernel", "gateway", "departure"]


@pytest.fixture
def preflight(lab: Lab, net: Net, node: Node, pod: Pod, tmp_path: Path) -> Iterator[Any]:
    """What the command tells; nothing of it stays, and nothing but the address was ever sent as somebody else."""

    def look(**env: str) -> dict[str, Any]:
        log = tmp_path / "termination-log"
        log.write_text("", encoding="ascii")
        before = settings(node.name), links(node.name), tables(node.name), links(pod.name)
        contract = {"EGRESS_SOURCE": net.source, "EGRESS_SUBNET": net.subnet, "EGRESS_GATEWAY": net.gateway} | env
        command = ["ip", "netns", "exec", pod.name, sys.executable, "-m", "egress_router", "preflight"]
        command += ["--host-ns", f"/run/netns/{node.name}", "--termination-log", str(log)]
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROUTER), **compiled()}
        given = {name: value for name, value in contract.items() if value}
        done = subprocess.run(command, env=own | given, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip() == log.read_text(encoding="ascii")
        assert (settings(node.name), links(node.name), tables(node.name), links(pod.name)) == before
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    yield look
    lab.capture.settled()


@both_families
def test_a_good_node_is_told_with_all_looks_made(net: Net, lab: Lab, preflight: Any) -> None:
    """Nobody ever answers for the address."""
    lab.add_gateway()
    with ThreadPoolExecutor(1) as aside:
        looked = aside.submit(preflight)
        while not looked.done():
            assert answer(lab.remote, net, net.remote, seconds=0.05) is None
    assert looked.result() == {"looks": ALL_LOOKS, "reason": None, "what": None, "remedy": None}
    lab.assert_no_other_source()


@both_families
def test_without_an_address_nothing_is_sent_as_another(net: Net, lab: Lab, preflight: Any) -> None:
    """And the looks that need one are not claimed to have been made."""
    lab.add_gateway()
    assert preflight(EGRESS_SOURCE="")["looks"] == ["uplink", "route", "proxy", "kernel", "gateway"]
    assert net.source not in lab.capture.settled()


@both_families
def test_what_is_at_the_nodes_interfaces_is_told(net: Net, lab: Lab, node: Node, preflight: Any) -> None:
    """A filter, a change of source, a filter for addresses that are not the node's, one after the other."""
    lab.add_gateway()
    ip, arp = {4: ("ip", "arp saddr ip"), 6: ("ip6", "ip6 saddr")}[net.version]
    for rule, reason in (
        (f"meta l4proto tcp {ip} saddr {net.source} drop", "NodeFirewall"),
        (f"meta l4proto tcp {ip} saddr {net.source} {ip} saddr set {net.node}1", "NodeMasquerades"),
        (f"{arp} {net.source} drop", "GatewaySilent"),
    ):
        chain = f'chain out {{ type filter hook egress device "up0" priority 0; {rule}; }}'
        nft(node, f"table netdev local {{ {chain}; }}")
        told = preflight()
        assert told["reason"] == reason, told
        assert net.source in told["what"]
        nft(node, "delete table netdev local")
    assert "port security" in told["remedy"]


@both_families
def test_a_silent_gateway_is_told(net: Net, preflight: Any) -> None:
    told = preflight()
    assert told["reason"] == "GatewaySilent"
    assert f"the gateway {net.gateway} does not answer the node" in told["what"]
    assert told["looks"][-1] == "gateway"


@both_families
def test_a_wrong_route_without_a_gateway_is_told(net: Net, lab: Lab, node: Node, preflight: Any) -> None:
    management = lab.new_lan("mgmt")
    lab.join(node.name, f"{net.elsewhere}6", "mgmt0", management)
    run("ip", "-n", node.name, "route", "add", "default", "via", f"{net.elsewhere}1")
    told = preflight(EGRESS_GATEWAY="")
    assert told["reason"] == "WrongRoute"
    assert "mgmt0" in told["what"]
    lab.assert_quiet(management)


@both_families
def test_an_uplink_that_will_not_do_is_told(net: Net, lab: Lab, node: Node, preflight: Any) -> None:
    """One that lacks the subnet, one that is not there, one without a carrier."""
    lab.join(node.name, f"{net.elsewhere}6", "other0", lab.new_lan("other"))
    for uplink in ("other0", "absent0"):
        told = preflight(EGRESS_UPLINK=uplink)
        assert (told["reason"], told["looks"]) == ("UplinkUnusable", [])
        assert uplink in told["what"]
    run("ip", "-n", lab.lan, "link", "set", "port2", "down")
    told = preflight()
    assert (told["reason"], told["looks"]) == ("NoCarrier", ["uplink"])


@both_families
def test_who_answers_for_the_address_is_told(net: Net, lab: Lab, preflight: Any) -> None:
    lab.add_gateway()
    stranger = lab.namespace("stranger")
    mac = lab.join(stranger, net.source)
    told = preflight()
    assert told["reason"] == "AddressInUse"
    assert mac in told["what"]
    with answer_for_all(stranger, net):
        assert preflight()["reason"] == "LanProxy"


def test_two_nodes_look_side_by_side_with_one_address(net: Net, lab: Lab, preflight: Any) -> None:
    """Another node's question as the address is nobody's answer for it."""
    lab.add_gateway()
    other = lab.node(2)
    with subprocess.Popen(
        ["ip", "netns", "exec", other.name, sys.executable, "-c", _ASK.format(net=net)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROUTER}"},
    ) as asking:
        assert asking.stdout is not None
        asking.stdout.readline()
        assert preflight()["reason"] is None
        asking.kill()


_ASK = """
import time
from ipaddress import ip_address
from socket import if_nametoindex
from pathlib import Path
from egress_router.arp import Arp
mac = bytes.fromhex(Path("/sys/class/net/up0/address").read_text().strip().replace(":", ""))
gateway = Arp("up0", if_nametoindex("up0"), mac, ip_address("{net.gateway}"))
while True:
    gateway.ask(ip_address("{net.source}"))
    print("asked", flush=True)
    time.sleep(0.02)
"""


@pytest.mark.parametrize(
    ("env", "what"),
    [
        ({"EGRESS_SOURCE": "10.70.112.300"}, "EGRESS_SOURCE"),
        ({"EGRESS_SOURCE": "", "EGRESS_SUBNET": ""}, "give one of them"),
        ({"EGRESS_GATEWAY": "10.9.9.9"}, "EGRESS_GATEWAY"),
    ],
)
def test_wrong_variables_are_told_like_an_obstacle(preflight: Any, env: dict[str, str], what: str) -> None:
    told = preflight(**env)
    assert told["reason"] == "Failed"
    assert what in told["what"]
