# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nodes, scheduler and kubelets beside a real API server: kwok plays the nodes and says that pods are ready.

Real are the ReplicationController's controller, which makes the pods, and the scheduler. No container runs, so what
the controller hears at the pods' health ports is played by ``played_routers``: the pods' addresses are of loopback.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NODE, KubeObject

from tests.cluster.tools import KUBERNETES, KWOK
from tests.support.api_server import ApiServer

STAGES = sorted(Path(__file__).with_name("kwok_stages").iterdir())
PODS_ON_A_NODE = 50
CREATORS = 8
NODE_ADDRESS = "192.0.2.1"
"""Of all nodes; nobody goes there."""
API_SERVER = ("--disable-admission-plugins=TaintNodesByCondition", "--feature-gates=WatchList=false")
"""A new node is kept clear until the controller that watches over nodes has seen it, which is left out here. And kwok
asks for lists by a watch, which an API server can't give over Debian's etcd: its watches would end again and again."""
PODS_CONTROLLER = "replicationcontroller-controller"
CONTROLLER_MANAGER = ("--concurrent-rc-syncs=20", "--kube-api-qps=2000", "--kube-api-burst=4000")
"""Without the usual brake of 20 requests a second, which would hide all else."""


def start_nodes(server: ApiServer, folder: Path, pods: int) -> int:
    """Nodes enough for so many pods, which end with the API server; gives their number."""
    cluster, count = server.cluster(), max(4, -(-pods // PODS_ON_A_NODE))
    with ThreadPoolExecutor(CREATORS) as threads:
        list(threads.map(lambda number: cluster.create(NODE, _node(number)), range(count)))
    options = {
        "cidr": "127.63.0.0/16",
        "manageAllNodes": True,
        "nodeIP": NODE_ADDRESS,
        "nodeLeaseParallelism": 4,
        "nodePlayStageParallelism": 4,
        "podPlayStageParallelism": 16,
        "podsOnNodeSyncParallelism": 4,
    }
    kwok = {"kind": "KwokConfiguration", "apiVersion": "config.kwok.x-k8s.io/v1alpha1", "options": options}
    stages = (f"--config={stage}" for stage in STAGES)
    _run(server, folder, KWOK.folder / "kwok", kwok, *stages, f"--kubeconfig={server.kubeconfig}")
    scheduler = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(server.kubeconfig), "qps": 2000, "burst": 4000},
        "leaderElection": {"leaderElect": False},
    }
    _run(server, folder, KUBERNETES.folder / "kube-scheduler", scheduler, "--secure-port=0")
    return count


def _run(server: ApiServer, folder: Path, program: Path, configuration: KubeObject, *flags: str) -> None:
    path = folder / f"{program.name}.yaml"
    path.write_text(yaml.safe_dump(configuration))
    server.start_beside(str(program), f"--config={path}", *flags)


def _node(number: int) -> KubeObject:
    name, pods = f"node-{number:03}", f"127.{64 + number // 256}.{number % 256}.0/24"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
    }
