# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Every name, address and path of the cluster. Nothing here touches the machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import ClassVar

from tests.cluster.errors import ClusterError

DEFAULT_NAME = "egress"
DEFAULT_API_PORT = 16443
DEFAULT_STATE_ROOT = Path("/var/lib/avi-egress")
ROLES = ("fabric", "control", "node1", "node2", "remote")

# The name becomes part of namespace, cgroup and folder names.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True)
class Node:
    """One worker: its two legs and its share of the pod network, in both families."""

    name: str
    underlay: IPv4Interface
    underlay_v6: IPv6Interface
    lan: IPv4Interface
    lan_v6: IPv6Interface
    pods: IPv4Network
    pods_v6: IPv6Network

    @property
    def pod_gateway(self) -> IPv4Address:
        """The address of the pod bridge: the subnet's first."""
        return self.pods.network_address + 1

    @property
    def pod_gateway_v6(self) -> IPv6Address:
        """Likewise."""
        return self.pods_v6.network_address + 1


@dataclass(frozen=True)
class Layout:
    """One cluster. Two with different names and API ports run side by side: namespaces isolate the rest."""

    name: str = DEFAULT_NAME
    api_port: int = DEFAULT_API_PORT
    state_root: Path = DEFAULT_STATE_ROOT

    underlay: ClassVar[IPv4Network] = IPv4Network("10.89.0.0/24")
    underlay_v6: ClassVar[IPv6Network] = IPv6Network("fd00:89::/64")
    control: ClassVar[IPv4Interface] = IPv4Interface("10.89.0.10/24")
    control_v6: ClassVar[IPv6Interface] = IPv6Interface("fd00:89::10/64")
    lan: ClassVar[IPv4Network] = IPv4Network("10.70.112.0/24")
    lan_v6: ClassVar[IPv6Network] = IPv6Network("fd70:112::/64")
    remote: ClassVar[IPv4Interface] = IPv4Interface("10.70.112.1/24")
    remote_v6: ClassVar[IPv6Interface] = IPv6Interface("fd70:112::1/64")
    remote_loopbacks: ClassVar[tuple[IPv4Address, ...]] = (
        IPv4Address("10.10.10.200"),
        IPv4Address("10.10.24.85"),
        IPv4Address("10.10.20.20"),
    )
    remote_loopbacks_v6: ClassVar[tuple[IPv6Address, ...]] = (
        IPv6Address("fd10:10:10::200"),
        IPv6Address("fd10:10:24::85"),
        IPv6Address("fd10:10:20::20"),
    )
    remote_name: ClassVar[str] = "remote.outside.test"
    remote_ports: ClassVar[tuple[int, ...]] = (80, 443, 8080)
    pods: ClassVar[IPv4Network] = IPv4Network("10.244.0.0/16")
    pods_v6: ClassVar[IPv6Network] = IPv6Network("fd00:244::/32")
    services: ClassVar[IPv4Network] = IPv4Network("10.96.0.0/16")
    services_v6: ClassVar[IPv6Network] = IPv6Network("fd00:96::/112")
    dns: ClassVar[IPv4Address] = IPv4Address("10.96.0.10")
    domain: ClassVar[str] = "cluster.local"
    node_labels: ClassVar[tuple[tuple[str, str], ...]] = (("external-accessible-node", "true"),)
    nodes: ClassVar[tuple[Node, ...]] = (
        Node(
            "node1",
            IPv4Interface("10.89.0.11/24"),
            IPv6Interface("fd00:89::11/64"),
            IPv4Interface("10.70.112.61/24"),
            IPv6Interface("fd70:112::61/64"),
            IPv4Network("10.244.1.0/24"),
            IPv6Network("fd00:244:1::/64"),
        ),
        Node(
            "node2",
            IPv4Interface("10.89.0.12/24"),
            IPv6Interface("fd00:89::12/64"),
            IPv4Interface("10.70.112.62/24"),
            IPv6Interface("fd70:112::62/64"),
            IPv4Network("10.244.2.0/24"),
            IPv6Network("fd00:244:2::/64"),
        ),
    )

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ClusterError(
                f"The cluster name {self.name!r} is not usable: "
                "take 1 to 20 lower-case letters, digits and inner hyphens."
            )
        if not 1 <= self.api_port <= 65535:
            raise ClusterError(f"The API port {self.api_port} is not a TCP port: take one from 1 to 65535.")

    @classmethod
    def from_environment(
        cls, name: str | None = None, api_port: int | None = None, state_root: Path | None = None
    ) -> Layout:
        """Arguments win over EGRESS_CLUSTER_NAME, EGRESS_CLUSTER_API_PORT and EGRESS_CLUSTER_STATE."""
        port = os.environ.get("EGRESS_CLUSTER_API_PORT") or str(DEFAULT_API_PORT)
        if api_port is None and not port.isdecimal():
            raise ClusterError(f"EGRESS_CLUSTER_API_PORT is {port!r}: set it to a number from 1 to 65535.")
        return cls(
            name=name or os.environ.get("EGRESS_CLUSTER_NAME") or DEFAULT_NAME,
            api_port=int(port) if api_port is None else api_port,
            state_root=(state_root or Path(os.environ.get("EGRESS_CLUSTER_STATE") or DEFAULT_STATE_ROOT)).resolve(),
        )

    def namespace(self, role: str) -> str:
        """The network namespace's name for one of ROLES."""
        if role not in ROLES:
            raise ClusterError(f"There is no namespace for {role!r}: take one of {', '.join(ROLES)}.")
        return f"avi-{self.name}-{role}"

    def namespace_path(self, role: str) -> Path:
        return Path("/run/netns") / self.namespace(role)

    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise ClusterError(f"There is no node {name!r}: take one of {', '.join(node.name for node in self.nodes)}.")

    def cgroup(self, node: Node) -> str:
        """The node's cgroup, from the root of every controller."""
        return f"avi-{self.name}-{node.name}"

    @property
    def api_server(self) -> str:
        """The API server's address for programs inside the cluster's namespaces."""
        return f"https://{self.control.ip}:6443"

    @property
    def api_service(self) -> IPv4Address:
        """The cluster IP of `kubernetes.default`: the range's first address, by Kubernetes' own rule."""
        return self.services.network_address + 1

    @property
    def all_pods(self) -> str:
        """The pod networks of both families, as Kubernetes' programs take them: the first is the cluster's primary."""
        return f"{self.pods},{self.pods_v6}"

    @property
    def all_services(self) -> str:
        """Likewise."""
        return f"{self.services},{self.services_v6}"

    @property
    def state(self) -> Path:
        return self.state_root / self.name

    @property
    def marker(self) -> Path:
        """What makes the state folder a cluster's: nothing is ever deleted from a folder without it."""
        return self.state / "cluster.json"

    @property
    def complete(self) -> Path:
        """Exists once `up` has ended well."""
        return self.state / "complete"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pids(self) -> Path:
        return self.state / "pids"

    @property
    def corefile(self) -> Path:
        return self.state / "dns" / "Corefile"

    def node_state(self, node: Node) -> Path:
        """What the node keeps: it appears inside the node as /var/lib/{kubelet,containerd,cni} and /var/log."""
        return self.state / "nodes" / node.name
