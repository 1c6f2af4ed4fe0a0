# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A worker node: its own namespaces, containerd, kubelet, kube-proxy and the NetworkPolicy enforcer."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.cluster import cgroups, node_init, pki, processes, syscalls, tools
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout, Node
from tests.cluster.namespaces import inside
from tests.cluster.node_init import NodeInit
from tests.cluster.processes import CHECKOUT, Component, python
from tests.cluster.requirements import CNI_PLUGINS, SEARCH_PATH

_BOOT_SECONDS = 10
_CONTAINERD_SECONDS = 20
_HEALTH_SECONDS = 1
# kube-proxy and kube-router, by their defaults.
_HEALTH_PORTS = (10256, 20244)
SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/avi-egress-pause:1"
_SHIMS = Path(__file__).parent / "shims"
_CNI_CONFIG = Path("/var/lib/cni/net.d")


def boot(layout: Layout, node: Node) -> None:
    """Make the node's namespaces and its first process, and wait for its view of the machine."""
    state = layout.node_state(node)
    node_init.booted(state).unlink(missing_ok=True)
    for folder in ("cni/net.d", "config"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    _write_configuration(layout, node)
    cgroups.create(layout.cgroup(node))
    keep = [str(layout.state), str(tools.cache()), str(CHECKOUT)]
    spec = NodeInit(hostname=node.name, state=str(state), keep=keep)
    processes.start(
        layout,
        Component(
            node.name,
            python("node_init", spec.dump()),
            role=node.name,
            unshare=syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC,
        ),
    )
    deadline = time.monotonic() + _BOOT_SECONDS
    while not node_init.booted(state).exists():
        if processes.identity(layout, node.name) is None or time.monotonic() > deadline:
            raise ClusterError(f"{node.name} did not start: {processes.last_words(layout, node.name)}.")
        time.sleep(0.01)


def root(layout: Layout, node: Node) -> Path:
    """The node's file system as seen from the machine."""
    init = processes.identity(layout, node.name)
    if init is None:
        raise ClusterError(f"{node.name} of the cluster {layout.name} is not running: run `up`.")
    return Path(f"/proc/{init.pid}/root")


def containerd(layout: Layout, node: Node) -> Component:
    argv = ("containerd", "--config", str(_configuration(layout, node, "containerd.toml")))
    return Component(f"{node.name}-containerd", argv, role=node.name, node=node.name)


def wait_for_containerd(layout: Layout, node: Node) -> None:
    address = f"{root(layout, node)}{SOCKET}"
    name = f"{node.name}-containerd"
    deadline = time.monotonic() + _CONTAINERD_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
            try:
                attempt.connect(address)
                return
            except OSError:
                if processes.identity(layout, name) is None or time.monotonic() > deadline:
                    raise ClusterError(f"{name} did not start: {processes.last_words(layout, name)}.") from None
        time.sleep(0.02)


def kubelet(layout: Layout, node: Node) -> Component:
    labels = ",".join(f"{key}={value}" for key, value in layout.node_labels)
    return _agent(
        node,
        "kubelet",
        f"--config={_configuration(layout, node, 'kubelet.yaml')}",
        f"--kubeconfig={_configuration(layout, node, 'kubelet.kubeconfig')}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.underlay.ip},{node.underlay_v6.ip}",
        f"--node-labels={labels}",
    )


def network_agents(layout: Layout, node: Node) -> list[Component]:
    """kube-proxy, and kube-router as enforcer of NetworkPolicy only."""
    return [
        _agent(node, "kube-proxy", f"--config={_configuration(layout, node, 'kube-proxy.yaml')}"),
        _agent(
            node,
            "kube-router",
            f"--kubeconfig={_configuration(layout, node, 'kube-router.kubeconfig')}",
            f"--hostname-override={node.name}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            "--enable-cni=false",
            f"--service-cluster-ip-range={layout.all_services}",
            "--enable-ipv6=true",
            environment={"PATH": f"{_SHIMS}:{SEARCH_PATH}"},
        ),
    ]


def trust(layout: Layout, node: Node, registry: str, authority: Path) -> None:
    """Let containerd pull from a registry, ``host:port``, whose certificate an authority's file vouches for.

    It reads this at every pull. The port is part of the folder's name: a registry elsewhere on the host is not meant.
    """
    folder = _configuration(layout, node, "registries") / registry
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    server = f"https://{registry}"
    (folder / "hosts.toml").write_text(f'server = "{server}"\n[host."{server}"]\n  ca = "{folder / "ca.crt"}"\n')


def serves(layout: Layout, node: Node) -> bool:
    """Whether kube-proxy and the policy enforcer have written their rules and keep them fresh."""

    def ask() -> bool:
        for port in _HEALTH_PORTS:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH_SECONDS)
            try:
                connection.request("GET", "/healthz")
                if connection.getresponse().status != 200:
                    return False
            finally:
                connection.close()
        return True

    try:
        return inside(layout.namespace_path(node.name), ask)
    except (OSError, http.client.HTTPException):
        return False


def _agent(node: Node, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Component:
    argv = (str(tools.program(name)), *arguments)
    return Component(f"{node.name}-{name}", argv, role=node.name, node=node.name, environment=environment or {})


def _configuration(layout: Layout, node: Node, name: str) -> Path:
    return layout.node_state(node) / "config" / name


def _write_configuration(layout: Layout, node: Node) -> None:
    def write(name: str, text: str) -> None:
        _configuration(layout, node, name).write_text(text)

    write("resolv.conf", f"nameserver {layout.control.ip}\n")
    write("containerd.toml", _CONTAINERD.format(registries=_configuration(layout, node, "registries")))
    write("kubelet.yaml", yaml.safe_dump(_kubelet(layout, node), sort_keys=False))
    write("kube-proxy.yaml", yaml.safe_dump(_kube_proxy(layout, node), sort_keys=False))
    (layout.node_state(node) / "cni" / "net.d" / "10-pods.conflist").write_text(json.dumps(_pod_network(layout, node)))
    for name, identity in (
        ("kubelet", f"{node.name}-kubelet"),
        ("kube-proxy", "kube-proxy"),
        ("kube-router", "kube-router"),
    ):
        pki.write_kubeconfig(layout, identity, layout.api_server, _configuration(layout, node, f"{name}.kubeconfig"))


# restrict_oom_score_adj: a machine may lack CAP_SYS_RESOURCE, and runc then fails to lower a sandbox's score.
_CONTAINERD = f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{{registries}}"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{_CNI_CONFIG}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def _kubelet(layout: Layout, node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / f"{node.name}-kubelet-server.crt"),
        "tlsPrivateKeyFile": str(layout.pki / f"{node.name}-kubelet-server.key"),
        "rotateCertificates": False,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [str(layout.dns)],
        "clusterDomain": layout.domain,
        "resolvConf": str(_configuration(layout, node, "resolv.conf")),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup(node)}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        # The disk is the machine's: a nearly full one is no reason to evict, and images cannot be pulled again.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        # kubelet asks for credentials again when a pod uses an image that was pulled with some. What was imported stays
        # usable without, also when the same image has been pulled from a registry, under another name.
        "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
        "preloadedImagesVerificationAllowlist": ["localhost/*"],
    }


def _kube_proxy(layout: Layout, node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(_configuration(layout, node, "kube-proxy.kubeconfig"))},
        "mode": "nftables",
        "clusterCIDR": layout.all_pods,
        # The default gathers changes for a second, which a test would spend waiting after every new endpoint.
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        "hostnameOverride": node.name,
        # Zero leaves the machine's connection tracking table at its size.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "oomScoreAdj": 0,
    }


def _pod_network(layout: Layout, node: Node) -> dict[str, object]:
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isDefaultGateway": True,
                "hairpinMode": True,
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/var/lib/cni/networks",
                    "ranges": [
                        [{"subnet": str(node.pods), "gateway": str(node.pod_gateway)}],
                        [{"subnet": str(node.pods_v6), "gateway": str(node.pod_gateway_v6)}],
                    ],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
