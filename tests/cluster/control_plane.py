# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""etcd and the Kubernetes servers, all in the control namespace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.cluster import pki, tools
from tests.cluster.layout import Layout
from tests.cluster.processes import Component, python

_ETCD = "http://127.0.0.1:2379"

_POD_SECURITY = "restricted"
"""Namespaces without a label are as strict as on the platforms that have the strictest default."""


def prepare(layout: Layout) -> None:
    """Write the configuration of admission, and the kubeconfigs of the servers and of the administrator."""
    _admission(layout).write_text(yaml.safe_dump(admission_configuration(_POD_SECURITY)))
    for identity in ("kube-controller-manager", "kube-scheduler"):
        pki.write_kubeconfig(layout, identity, layout.api_server, layout.state / f"{identity}.kubeconfig")
    pki.write_kubeconfig(layout, "admin", f"https://127.0.0.1:{layout.api_port}", layout.kubeconfig)


def _admission(layout: Layout) -> Path:
    return layout.state / "admission.yaml"


def admission_configuration(level: str) -> dict[str, Any]:
    """What has an API server enforce that level of Pod Security in namespaces without a label for it."""
    pod_security = {"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration"}
    defaults = {"defaults": {"enforce": level, "enforce-version": "latest"}}
    plugin = {"name": "PodSecurity", "configuration": {**pod_security, **defaults}}
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]}


def storage(layout: Layout) -> Component:
    argv = (
        "etcd",
        f"--name={layout.name}",
        f"--data-dir={layout.state / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={layout.name}=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        # The cluster's state is thrown away with it; waiting for the disk would be most of the API server's time.
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    return Component("etcd", argv, role="control")


def api_server(layout: Layout) -> Component:
    certificates = layout.pki
    argv = (
        str(tools.program("kube-apiserver")),
        f"--etcd-servers={_ETCD}",
        f"--advertise-address={layout.control.ip}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--client-ca-file={certificates / 'ca.crt'}",
        f"--tls-cert-file={certificates / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={certificates / 'kube-apiserver.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--admission-control-config-file={_admission(layout)}",
        "--allow-privileged=true",
        f"--kubelet-certificate-authority={certificates / 'ca.crt'}",
        f"--kubelet-client-certificate={certificates / 'kube-apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={certificates / 'kube-apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.domain}",
        f"--service-account-key-file={certificates / 'service-accounts.key'}",
        f"--service-account-signing-key-file={certificates / 'service-accounts.key'}",
        f"--service-cluster-ip-range={layout.all_services}",
        # There is no kube-proxy in this namespace: webhooks are called at their pods' addresses.
        "--enable-aggregator-routing=true",
        "--profiling=false",
    )
    return Component("kube-apiserver", argv, role="control")


def controllers(layout: Layout) -> list[Component]:
    manager_config = layout.state / "kube-controller-manager.kubeconfig"
    manager = (
        str(tools.program("kube-controller-manager")),
        f"--kubeconfig={manager_config}",
        f"--authentication-kubeconfig={manager_config}",
        f"--authorization-kubeconfig={manager_config}",
        "--authentication-skip-lookup=true",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={layout.pki / 'service-accounts.key'}",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={layout.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={layout.pki / 'ca.key'}",
        # The nodes' pod subnets are fixed by the layout.
        "--allocate-node-cidrs=false",
        f"--service-cluster-ip-range={layout.all_services}",
        "--profiling=false",
    )
    scheduler_config = layout.state / "kube-scheduler.kubeconfig"
    scheduler = (
        str(tools.program("kube-scheduler")),
        f"--kubeconfig={scheduler_config}",
        f"--authentication-kubeconfig={scheduler_config}",
        f"--authorization-kubeconfig={scheduler_config}",
        "--authentication-skip-lookup=true",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    )
    return [
        Component("kube-controller-manager", manager, role="control"),
        Component("kube-scheduler", scheduler, role="control"),
    ]


def forwarder(layout: Layout) -> Component:
    """The one thing in the machine's own namespace: a listener on loopback."""
    argv = python(
        "forward", str(layout.api_port), str(layout.namespace_path("control")), str(layout.control.ip), "6443"
    )
    return Component("forward", argv, role=None)
