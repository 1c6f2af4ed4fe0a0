# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How long new connections fail when an egress pod or its node is lost: ``python -m tests.benchmarks.failover``.

For one service with ``ha`` and one without. A client on the node that stays connects every 50 ms, on a connection of
its own each; the outage is the time from the loss to the last failed connection. On the local cluster of
EGRESS_CLUSTER_NAME, with the product installed and its default timings.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.table import Table

from images.build import build_all
from tests.cluster import Cluster
from tests.support.client import client_pod
from tests.support.kubectl import Kubectl

INTERVAL_SECONDS = 0.05
TIMEOUT_SECONDS = 0.5
QUIET_SECONDS = 8.0
"""An outage is over when no connection has failed for so long."""
LIMIT_SECONDS = 150.0

WISHES: dict[str, Mapping[str, object]] = {
    "ha": {"ha": True},
    "single": {"nodeSelector": {"kubernetes.io/hostname": "node2"}},
}

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
    time.sleep(2)
    assert client.attempts, "the client gives no answers"
    assert all(ok for _moment, ok in client.attempts[-20:]), "the service does not serve before the loss"
    begin = time.time()
    print(f"{what}: {time.strftime('%H:%M:%S', time.gmtime(begin))} UTC", file=sys.stderr, flush=True)
    lose()
    while True:
        failed = [moment for moment, ok in client.attempts if not ok and moment >= begin]
        quiet_since = max(failed, default=begin)
        if time.time() - quiet_since > QUIET_SECONDS or time.time() - begin > LIMIT_SECONDS:
            break
        time.sleep(0.2)
    after = [item for item in client.attempts if item[0] >= begin]
    outage = max((moment - begin for moment in failed), default=0.0)
    return Result(what, len(failed), len(after), outage)


class Scene:
    """A project with a client on node1 and a service whose pod to be lost is on node2."""

    def __init__(self, cluster: Cluster, image: str) -> None:
        self.cluster, self.kubectl = cluster, Kubectl(cluster.kubeconfig)
        self.name = f"failover-{uuid.uuid4().hex[:6]}"
        labels = {"egress.avi.dev/project": "included"}
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}},
            client_pod(self.name, image, "node1"),
        )
        self.kubectl.wait(self.name, "condition=Ready", "pod/client")

    def service(self, name: str, wish: Mapping[str, object]) -> Client:
        annotation = json.dumps({"destination_ip": "10.10.10.200", **wish})
        metadata = {"name": name, "namespace": self.name, "annotations": {"egress_pod": annotation}}
        spec = {"ports": [{"port": 80}]}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        self.kubectl.run(
            *("-n", self.name, "wait", "--timeout=90s", f"service/{name}"),
            """--for=jsonpath={.status.conditions[?(@.type=="EgressReady")].reason}=EgressReady""",
        )
        ip = self.kubectl.json("-n", self.name, "get", "service", name)["spec"]["clusterIP"]
        return Client(self.kubectl, self.name, "client", ip)

    def pod_on(self, service: str, node: str) -> str:
        selector = f"name={service}-avi-egress-pod"
        pods = self.kubectl.json("-n", self.name, "get", "pods", "-l", selector)["items"]
        return next(str(pod["metadata"]["name"]) for pod in pods if pod["spec"]["nodeName"] == node)

    def kill(self, pod: str) -> None:
        self.kubectl.run("-n", self.name, "delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    def cut_off(self, node: str, state: str = "down") -> None:
        """Both of a node's legs, at the bridges: the node itself notices nothing but silence."""
        for port in (f"{node}-eth0", f"{node}-eth1"):
            subprocess.run(["ip", "-n", self.cluster.namespace("fabric"), "link", "set", port, state], check=True)

    def close(self) -> None:
        self.cut_off("node2", "up")
        self.kubectl.run("delete", "namespace", self.name, "--wait=false")


def run() -> list[Result]:
    cluster = Cluster()
    scene = Scene(cluster, build_all()["avi-egress-router"].name)
    results = []
    try:
        for name, wish in WISHES.items():
            client = scene.service(name, wish)
            pod = scene.pod_on(name, "node2")
            results.append(measure(f"{name}: egress pod killed", client, partial(scene.kill, pod)))
            client.close()
        client = scene.service("ha", {"ha": True})
        results.append(measure("ha: node cut off", client, lambda: scene.cut_off("node2")))
        client.close()
    finally:
        scene.close()
    return results


def main() -> int:
    table = Table(title="New connections after a loss", title_justify="left")
    for heading in ("what", "failed", "attempts", "outage, seconds"):
        table.add_column(heading)
    for result in run():
        table.add_row(result.what, str(result.failed), str(result.attempts), f"{result.outage:.2f}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
