# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How long new connections fail when an egress pod or its node is lost: ``python -m tests.benchmarks.failover``.

For a service under ``ha`` and one without. A client on the node that stays connects every 50 ms, on a connection of its
own each; the outage is the time from the loss to the last failed connection. On the local cluster of
EGRESS_CLUSTER_NAME, with the product installed by its playbook and its default timings; needs root.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.cluster import Cluster
from tests.support import playbook
from tests.support.client import client_pod
from tests.support.kubectl import Kubectl
from tests.support.project import ADMITS_EGRESS_PODS
from tests.support.provider import outside_of
from tests.support.running_cluster import load_images, running, site_of
from tests.support.waiting import wait_for

INTERVAL_SECONDS = 0.05
TIMEOUT_SECONDS = 0.5
QUIET_SECONDS = 5.0
"""An outage is over when no connection has failed for so long."""
LIMIT_SECONDS = 150.0
RECOVERY_SECONDS = 120.0
LOST = "node2"

HA: Mapping[str, object] = {"ha": True}
SINGLE: Mapping[str, object] = {"nodeSelector": {"kubernetes.io/hostname": LOST}}
BOTH_WIRES, OUTSIDE_WIRE = ("eth0", "eth1"), ("eth1",)

_CLIENT = f"""
import socket, sys, threading, time
def attempt(start):
    try:
        with socket.create_connection((sys.argv[1], 80), timeout={TIMEOUT_SECONDS}) as s:
            s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            ok = b"200" in s.recv(64)
    except OSError:
        ok = False
    sys.stdout.write(f"{{start:.3f}} {{int(ok)}}\\n")  # one write a line: threads must not mix theirs
    sys.stdout.flush()
while True:
    threading.Thread(target=attempt, args=(time.time(),), daemon=True).start()
    time.sleep({INTERVAL_SECONDS})
"""


@dataclass(frozen=True)
class Result:
    what: str
    failed: int
    attempts: int
    outage: float
    """Seconds from the loss to the last failed connection; 0 if none failed."""


class Client:
    """Connects without pause; knows when each attempt began and whether it got an answer."""

    def __init__(self, kubectl: Kubectl, namespace: str, pod: str, host: str) -> None:
        self.attempts: list[tuple[float, bool]] = []
        self._process = subprocess.Popen(
            [
                *(str(Cluster().tool("kubectl")), f"--kubeconfig={kubectl.kubeconfig}", "-n", namespace, "exec", pod),
                *("--", "python3", "-c", _CLIENT, host),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            moment, ok = line.split()
            self.attempts.append((float(moment), ok == "1"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def measure(what: str, client: Client, lose: Callable[[], None]) -> Result:
    wait_for("the service serves before the loss", lambda: serves(client))
    begin = time.time()
    print(f"{time.strftime('%H:%M:%S', time.gmtime(begin))} {what}", file=sys.stderr, flush=True)
    lose()
    while True:
        failed = [moment for moment, ok in list(client.attempts) if not ok and moment >= begin]
        quiet_since = max(failed, default=begin)
        if time.time() - quiet_since > QUIET_SECONDS or time.time() - begin > LIMIT_SECONDS:
            break
        time.sleep(0.2)
    after = [item for item in list(client.attempts) if item[0] >= begin]
    outage = max((moment - begin for moment in failed), default=0.0)
    return Result(what, len(failed), len(after), outage)


def serves(client: Client) -> bool:
    """Whether all attempts of the last two seconds have succeeded."""
    recent = [ok for moment, ok in list(client.attempts) if moment > time.time() - 2]
    return len(recent) > 20 and all(recent)


class Scene:
    """A project with a client on node1 and services of which a pod is on the node to be lost."""

    def __init__(self, cluster: Cluster, image: str) -> None:
        self.cluster, self.kubectl = cluster, Kubectl(cluster.kubeconfig)
        self.destination = outside_of(cluster.layout).destination
        self.name = f"failover-{uuid.uuid4().hex[:6]}"
        labels = {"egress.avi.dev/project": "included", **ADMITS_EGRESS_PODS}
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}},
            client_pod(self.name, image, "node1"),
        )
        self.kubectl.wait(self.name, "condition=Ready", "pod/client")

    def service(self, name: str, wish: Mapping[str, object]) -> Client:
        annotation = json.dumps({"destination_ip": self.destination, **wish})
        metadata = {"name": name, "namespace": self.name, "annotations": {"egress_pod": annotation}}
        spec = {"ports": [{"port": 80}]}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        self.wait_whole(name)
        ip = self.kubectl.json("-n", self.name, "get", "service", name)["spec"]["clusterIP"]
        return Client(self.kubectl, self.name, "client", ip)

    def wait_whole(self, name: str) -> None:
        """Until all pods of the service are there, on the nodes that they were on, and none is ending."""

        def is_whole() -> bool:
            pods = self._pods(name)
            ready = [item for pod in pods for item in pod["status"].get("conditions") or () if item["type"] == "Ready"]
            return self._reason(name) == "EgressReady" and all(item["status"] == "True" for item in ready)

        wait_for(f"all of {name} serves", is_whole, RECOVERY_SECONDS)

    def kill(self, service: str) -> None:
        pods = self._pods(service)
        pod = next(str(pod["metadata"]["name"]) for pod in pods if pod["spec"]["nodeName"] == LOST)
        self.kubectl.run("-n", self.name, "delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    def set_wires(self, wires: Sequence[str], state: str) -> None:
        """The node's legs, at the bridges: the node itself notices nothing but silence."""
        fabric = self.cluster.namespace("fabric")
        for wire in wires:
            subprocess.run(["ip", "-n", fabric, "link", "set", f"{LOST}-{wire}", state], check=True)

    def close(self) -> None:
        self.set_wires(BOTH_WIRES, "up")
        self.kubectl.run("delete", "namespace", self.name, "--wait=false")

    def _pods(self, service: str) -> list[dict[str, Any]]:
        selector = f"name={service}-avi-egress-pod"
        found: list[dict[str, Any]] = self.kubectl.json("-n", self.name, "get", "pods", "-l", selector)["items"]
        return found

    def _reason(self, service: str) -> str | None:
        status = self.kubectl.json("-n", self.name, "get", "service", service)["status"]
        reasons = {item["type"]: str(item["reason"]) for item in status.get("conditions") or ()}
        return reasons.get("EgressReady")


def run(rounds: int) -> list[list[Result]]:
    """For each kind of loss the results of all rounds."""
    with running(None, None) as cluster:
        images = load_images(cluster)
        playbook.run(cluster.kubeconfig, site_of(cluster, images), "site", show=False)
        scene = Scene(cluster, images["avi-egress-controller"].name)
        try:
            return [
                losses(scene, "ha: egress pod killed", HA, rounds, lambda: scene.kill("ha")),
                losses(scene, "single: egress pod killed", SINGLE, rounds, lambda: scene.kill("single")),
                losses(scene, "ha: node cut off", HA, rounds, partial(scene.set_wires, BOTH_WIRES, "down")),
                losses(
                    scene,
                    "ha: node cut off from the outside LAN",
                    HA,
                    rounds,
                    partial(scene.set_wires, OUTSIDE_WIRE, "down"),
                ),
            ]
        finally:
            scene.close()


def losses(scene: Scene, what: str, wish: Mapping[str, object], rounds: int, lose: Callable[[], None]) -> list[Result]:
    """The same loss again and again, each time after everything has come back."""
    name = what.partition(":")[0]
    found = []
    client = scene.service(name, wish)
    try:
        for _round in range(rounds):
            scene.wait_whole(name)
            found.append(measure(what, client, lose))
            scene.set_wires(BOTH_WIRES, "up")
    finally:
        client.close()
    return found


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each kind of loss (%(default)s)")
    table = Table(title="New connections after a loss", title_justify="left")
    for heading in ("what", "failed of attempts", "outage, s: median", "worst"):
        table.add_column(heading)
    for found in run(parser.parse_args().rounds):
        outages = [result.outage for result in found]
        failed = f"{sum(result.failed for result in found)} of {sum(result.attempts for result in found)}"
        table.add_row(found[0].what, failed, f"{statistics.median(outages):.2f}", f"{max(outages):.2f}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
