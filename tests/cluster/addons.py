# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What runs on top: cluster DNS, the rights of what runs as processes, SCCs."""

from __future__ import annotations

import secrets
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import pki, tools
from tests.cluster.api import Api
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.namespaces import inside
from tests.cluster.processes import Component, python
from tests.cluster.standard_sccs import standard_sccs

_MANIFESTS = Path(__file__).parent / "manifests"
_DNS_TIMEOUT_SECONDS = 0.5
_SCC_DEFINITION = "securitycontextconstraints.security.openshift.io"
_PAYLOAD = "payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints-Default.crd.yaml"


def _corefile(layout: Layout) -> str:
    """The first Corefile; later ones come from the ConfigMap."""
    return f"""\
.:53 {{
    errors
    health 127.0.0.1:8080
    ready 127.0.0.1:8181
    kubernetes {layout.domain} in-addr.arpa ip6.arpa {{
        kubeconfig {{$COREDNS_KUBECONFIG}}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    file {{$COREDNS_OUTSIDE}} .
    cache 30
    loadbalance
    reload 2s 1s
}}
"""


def _outside_zone(layout: Layout) -> str:
    """All names outside the cluster: the remote application has one, and no other exists.

    Without a zone the server would answer SERVFAIL, and clients would ask again until they give up.
    """
    return (
        ". 3600 IN SOA nowhere. nobody.nowhere. 1 3600 600 86400 5\n"
        ". 3600 IN NS nowhere.\n"
        f"{layout.remote_name}. 5 IN A {layout.remote_loopbacks[0]}\n"
        f"{layout.remote_name}. 5 IN AAAA {layout.remote_loopbacks_v6[0]}\n"
    )


def prepare_dns(layout: Layout) -> None:
    pki.write_kubeconfig(layout, "coredns", layout.api_server, _dns_kubeconfig(layout))
    layout.corefile.parent.mkdir(exist_ok=True)
    layout.corefile.write_text(_corefile(layout))
    _outside_file(layout).write_text(_outside_zone(layout))


def dns(layout: Layout) -> list[Component]:
    """The server, and the follower that writes the ConfigMap's Corefile where the server reads it."""
    server = (str(tools.program("coredns")), "-conf", str(layout.corefile))
    environment = {
        "COREDNS_KUBECONFIG": str(_dns_kubeconfig(layout)),
        "COREDNS_OUTSIDE": str(_outside_file(layout)),
    }
    follower = python("corefile", str(layout.control.ip), "6443", str(layout.pki), str(layout.corefile))
    return [
        Component("coredns", server, role="control", environment=environment),
        Component("corefile", follower, role="control"),
    ]


def remote(layout: Layout) -> Component:
    return Component("remote", python("remote", *map(str, layout.remote_ports)), role="remote")


def allocator(layout: Layout) -> list[Component]:
    """What plays OpenShift's part where pods are admitted by SCCs; nothing elsewhere."""
    if not tools.admits_by_sccs():
        return []
    files = (str(layout.pki / name) for name in ("ca.crt", "allocator.crt", "allocator.key"))
    return [Component("allocator", python("allocator", str(layout.control.ip), "6443", *files), role="control")]


def install(layout: Layout, *, scc: bool) -> None:
    """Write the add-ons' objects. Raises ClusterError with the API server's reason."""
    _apply(layout, _manifest("rbac.yaml") + _dns_objects(layout))
    if tools.admits_by_sccs():
        _apply(layout, list(yaml.safe_load_all(scc_definition().read_text())))
        _kubectl(layout, "wait", "--for=condition=Established", f"crd/{_SCC_DEFINITION}", "--timeout=30s")
        _apply(layout, list(standard_sccs()))
    elif scc:
        _apply(layout, _manifest("scc-crd.yaml"))


def scc_definition() -> Path:
    """OpenShift's own; its API server is built with the module that brings it."""
    return tools.module_folder(tools.OPENSHIFT, "github.com/openshift/api") / _PAYLOAD


def _apply(layout: Layout, objects: list[dict[str, Any]]) -> None:
    options = ("--server-side", "--field-manager=local-cluster", "--filename=-")
    _kubectl(layout, "apply", *options, text=yaml.safe_dump_all(objects))


def _kubectl(layout: Layout, *arguments: str, text: str | None = None) -> None:
    command = [str(tools.program("kubectl")), f"--kubeconfig={layout.kubeconfig}", *arguments]
    done = subprocess.run(command, check=False, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"The add-ons were refused: {' | '.join(done.stderr.strip().splitlines()[-3:])}.")


def name_pod_subnets(layout: Layout, api: Api) -> None:
    """Tell the Node objects which pod subnets are theirs: the enforcer wants to know."""
    for node in layout.nodes:
        body = {"spec": {"podCIDR": str(node.pods), "podCIDRs": [str(node.pods), str(node.pods_v6)]}}
        status, text = api.request("PATCH", f"/api/v1/nodes/{node.name}", body, "application/merge-patch+json")
        if status != 200:
            raise ClusterError(
                f"{node.name} does not take its pod subnets {node.pods} and {node.pods_v6}: {text.strip()}."
            )


def dns_answers(layout: Layout) -> bool:
    """Whether the DNS server knows the API server's own Service."""
    wanted = layout.api_service.packed
    query_id = secrets.token_bytes(2)
    name = b"".join(
        bytes([len(label)]) + label.encode() for label in f"kubernetes.default.svc.{layout.domain}".split(".")
    )
    # RFC 1035, 4.1: recursion desired, one question, type A, class IN.
    query = query_id + struct.pack(">5H", 0x0100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", 1, 1)

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(_DNS_TIMEOUT_SECONDS)
            client.sendto(query, (str(layout.control.ip), 53))
            return client.recv(512)

    try:
        answer = inside(layout.namespace_path("control"), ask)
    except OSError:
        return False
    return answer[:2] == query_id and answer.endswith(wanted)


def _dns_kubeconfig(layout: Layout) -> Path:
    return layout.state / "dns" / "kubeconfig"


def _outside_file(layout: Layout) -> Path:
    return layout.state / "dns" / "outside.zone"


def _manifest(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((_MANIFESTS / name).read_text()))


def _dns_objects(layout: Layout) -> list[dict[str, Any]]:
    protocols = (("dns", "UDP"), ("dns-tcp", "TCP"))
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", "namespace": "kube-system"},
            "data": {"Corefile": _corefile(layout)},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "clusterIP": str(layout.dns),
                "ports": [{"name": name, "port": 53, "protocol": protocol} for name, protocol in protocols],
            },
        },
        # The Service has no selector: the server is no pod, it runs beside the API server.
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns",
                "namespace": "kube-system",
                "labels": {
                    "kubernetes.io/service-name": "kube-dns",
                    "endpointslice.kubernetes.io/managed-by": "local-cluster",
                },
            },
            "addressType": "IPv4",
            "ports": [{"name": name, "port": 53, "protocol": protocol} for name, protocol in protocols],
            "endpoints": [{"addresses": [str(layout.control.ip)], "conditions": {"ready": True}}],
        },
    ]
