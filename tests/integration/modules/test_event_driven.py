# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The event source leases, the rulebook firewall and the playbook that it runs: ``ansible-rulebook``, and packets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_LEASE, SERVICE, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object
from ansible_collections.avi.egress.plugins.plugin_utils import event_source

from tests.faults import FaultProxy
from tests.faults.rules import Gone, Rule
from tests.support.ansible_run import HOST, Ansible, Run
from tests.support.api_server import TENANT_TOKEN, ApiServer
from tests.support.capture import inside
from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import run, sweep, tables
from tests.support.router_lab.net import V4
from tests.support.waiting import wait_for

INVENTORY, SAID = "inventory.yml", "said"
RULEBOOK = str(Path(sys.executable).with_name("ansible-rulebook"))
FAR_PORT = 8080
HOSTILE = "no address {{ 6 * 7 }}"
RULES = """
table inet filter {
  set egress-PROJECT-v4 { type ipv4_addr; }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ip saddr @egress-PROJECT-v4 accept
  }
}
"""


def bind(cluster: KubeClient, slot: Slot, address: str) -> KubeObject:
    """A lease as the controller would have written it."""
    cluster.create(EGRESS_LEASE, lease_object(slot, CONTROLLER))
    status = {"phase": "Bound", "address": address, "boundAt": "2026-11-01T00:00:00Z"}
    return cluster.patch(EGRESS_LEASE, slot.lease, {"status": status}, subresource="status")


def release(cluster: KubeClient, slot: Slot) -> None:
    status = {"phase": "Released", "releasedAt": "2026-11-02T00:00:00Z", "reason": "ServiceDeleted"}
    cluster.patch(EGRESS_LEASE, slot.lease, {"status": status}, subresource="status")


@contextmanager
def rulebook(ansible: Ansible, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The collection's rulebook as it runs, with an inventory of that folder; it ends with this process.

    In a PID namespace, so that a playbook that it is running, which has a session of its own, ends with it, too.
    """
    command = [RULEBOOK, "--rulebook", "avi.egress.firewall", "--inventory", str(folder / INVENTORY)]
    with (folder / SAID).open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child", *command],
            env={**os.environ, **ansible.environment(), **environment},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def said(folder: Path) -> str:
    return (folder / SAID).read_text()


@pytest.fixture(autouse=True)
def nobody_elses_leases(cluster: KubeClient) -> None:
    """What other files have left is gone: the rulebook would run a playbook for each project of it."""
    for lease in cluster.list(EGRESS_LEASE):
        cluster.delete_named(EGRESS_LEASE, lease["metadata"]["name"])


@pytest.fixture
def lab() -> Iterator[Lab]:
    sweep()
    with closing(Lab("firewall", V4)) as made:
        yield made


def passes(client: str) -> bool:
    """Whether a connection from the leased address gets through the firewall to the application behind it."""
    with inside(client), closing(socket.socket()) as connection:
        connection.settimeout(0.3)
        try:
            connection.connect((V4.far, FAR_PORT))
        except OSError:
            return False
        return True


def inventory(folder: Path, host: str, firewall: str) -> Path:
    """One host, whose playbooks run in a firewall's network namespace."""
    python, path = folder / "python", folder / INVENTORY
    python.write_text(f'#!/bin/sh\nexec ip netns exec {firewall} {sys.executable} "$@"\n')
    python.chmod(0o755)
    variables = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    path.write_text(json.dumps({"all": {"hosts": {host: variables}}}))
    return path


def guard(gateway: str, project: str) -> None:
    rules = RULES.replace("PROJECT", project)
    subprocess.run(["ip", "netns", "exec", gateway, "nft", "-f", "-"], input=rules, text=True, check=True)


def refuse(cluster: KubeClient, project: str) -> None:
    """A service that is not ready, for a reason that is hostile text."""
    metadata = {"name": "web", "namespace": project, "annotations": {"egress_pod": "{}"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    cluster.create(SERVICE, service)
    condition = {"type": "EgressReady", "status": "False", "reason": "PodRefused", "message": HOSTILE}
    conditions = [{**condition, "lastTransitionTime": "2026-11-01T00:00:00Z"}]
    cluster.patch(SERVICE, "web", {"status": {"conditions": conditions}}, project, subresource="status")


def test_a_packet_passes_a_firewall_once_its_address_is_leased(
    cluster: KubeClient, ansible: Ansible, lab: Lab, project: str, tmp_path: Path
) -> None:
    gateway, client, slot = lab.add_gateway(), lab.namespace("client"), Slot("dmz-eda", project, "web", 0)
    lab.join(client, V4.source)
    run("ip", "-n", client, "route", "add", "default", "via", V4.gateway)
    guard(gateway, project)
    inventory(tmp_path, "firewall", gateway)
    assert not passes(client)

    def shown() -> str:
        return said(tmp_path)

    with rulebook(ansible, tmp_path):
        bind(cluster, slot, V4.source)
        wait_for("a packet to pass", lambda: passes(client), shown=shown)
        refuse(cluster, project)
        wait_for("trouble to be told", lambda: f"not_ready: {HOSTILE}" in said(tmp_path), shown=shown)
        release(cluster, slot)
        wait_for("no packet to pass", lambda: not passes(client), shown=shown)


def test_the_playbook_changes_a_set_only_where_it_has_to(
    cluster: KubeClient, ansible: Ansible, lab: Lab, project: str, tmp_path: Path
) -> None:
    firewall = lab.namespace("firewall")
    listed = inventory(tmp_path, HOST, firewall)
    bind(cluster, Slot("dmz-eda", project, "web", 0), V4.source)
    bind(cluster, Slot("dmz-eda", project, "web", 1), "fd70:112::9b")

    def filled(*arguments: str, of: str = project) -> Run:
        variables = f"egress_firewall_hosts={HOST} egress_firewall_project={of}"
        return ansible.playbook("avi.egress.firewall", "-i", str(listed), "-e", variables, *arguments)

    foreseen = filled("--check")
    assert (foreseen.failure, foreseen.result("Fill them")["changed"], tables(firewall)) == ("", True, set())
    assert filled().result("Fill them")["changed"]
    assert not filled().result("Fill them")["changed"]
    assert "there is no such project" in filled(of="gren").failure
    sets = run("ip", "netns", "exec", firewall, "nft", "list", "table", "inet", "filter")
    assert re.findall("elements = { (.*) }", sets) == [V4.source, "fd70:112::9b"]


def test_a_rulebook_without_rights_ends_with_one_sentence(ansible: Ansible, api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / INVENTORY).write_text("{}")
    token = {"K8S_AUTH_HOST": api.host, "K8S_AUTH_API_KEY": TENANT_TOKEN, "K8S_AUTH_VERIFY_SSL": "false"}

    with rulebook(ansible, tmp_path, **token) as process:
        code = process.wait(timeout=60)

    assert code != 0
    told = re.findall("Source error: (.*)", said(tmp_path))
    assert len(told) == 1
    assert re.fullmatch(r"Forbidden: Source plugin .*permission is missing: .* is forbidden: User .*", told[0])


def test_events_are_told_once_over_a_410_and_broken_watches(
    cluster: KubeClient, faults: FaultProxy, project: str
) -> None:
    """Each watch ends with 410 in its middle; then, twice, all are cut while leases come and go."""
    slots = {name: Slot("dmz-eda", project, name, 0) for name in ("first", "second", "third", "fourth")}
    told: list[str] = []

    class Queue:
        async def put(self, event: dict[str, Any]) -> None:
            if event["project"] == project:
                told.append(f"{event['kind']} {event['service']}")

    async def follow() -> None:
        args = {"kubeconfig": str(faults.kubeconfig), "kinds": ["bound", "released"]}
        source = asyncio.create_task(event_source.tell(Queue(), args))
        steps = asyncio.create_task(asyncio.to_thread(change))
        done, _running = await asyncio.wait({source, steps}, return_when=asyncio.FIRST_COMPLETED)
        source.cancel()
        await asyncio.gather(*done)

    def change() -> None:
        wait_for("the present state", lambda: told == ["bound first"], shown=lambda: told)
        bind(cluster, slots["second"], "10.70.112.8")
        wait_for("410 to be over", lambda: told == ["bound first", "bound second"], shown=lambda: told)
        faults.use()
        faults.cut_watches()
        cluster.delete_named(EGRESS_LEASE, slots["first"].lease)
        release(cluster, slots["second"])
        bind(cluster, slots["third"], "10.70.112.9")
        wait_for("the rest", lambda: len(told) >= 5, shown=lambda: told)
        faults.cut_watches()
        bind(cluster, slots["fourth"], "10.70.112.10")
        wait_for("the last", lambda: told[-1] == "bound fourth", shown=lambda: told)

    bind(cluster, slots["first"], "10.70.112.7")
    faults.use(Rule(Gone(events=1), path="egressleases"))
    asyncio.run(follow())

    assert told[:2] == ["bound first", "bound second"]
    assert sorted(told[2:-1]) == ["bound third", "released first", "released second"]
    assert told[-1] == "bound fourth"
