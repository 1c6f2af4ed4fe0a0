# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A real API server alone, on loopback: all that Ansible runs need, without nodes and without root.

The tests that need pods and packets use the cluster of ``tests.cluster``; here everything may be installed and removed
as a test likes, and no egress controller interferes with those that play its part.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster import tools
from tests.cluster.control_plane import admission_configuration
from tests.cluster.processes import GOGC
from tests.support import client_certificate
from tests.support.kinds import CLUSTER_ROLE_BINDING

ADMIN_TOKEN = "admin-token"
TENANT_TOKEN = "tenant-token"
TENANT = "tenant"
SERIES = tools.chosen_series()
"""Of Kubernetes, such as 1.36; ``make versions`` runs the tests with others."""
SERVERS = tools.kubernetes_servers(SERIES)
START_SECONDS = 60
CONTROLLERS = ",".join(
    [
        "namespace-controller",
        "garbage-collector-controller",
        "serviceaccount-controller",
        "clusterrole-aggregation-controller",
    ]
)


@dataclass(frozen=True)
class MoreFlags:
    """What somebody wants of the programs beside what every test does."""

    etcd: tuple[str, ...] = ()
    api_server: tuple[str, ...] = ()
    controller_manager: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlPlane:
    """Which servers there are, and which controllers run."""

    servers: tools.Tool = SERVERS
    controllers: str = CONTROLLERS
    own_accounts: bool = False
    """Whether each controller asks by its own account, with its rights and no more, as in a cluster; else as root."""
    more: MoreFlags = MoreFlags()


KUBERNETES = ControlPlane()


@contextmanager
def api_server(
    folder: Path, pod_security: str = "privileged", control_plane: ControlPlane = KUBERNETES
) -> Iterator[ApiServer]:
    """A running API server with nothing in it; its programs are built where they are not there yet."""
    tools.ensure(control_plane.servers, print)
    server = ApiServer(folder, pod_security, control_plane)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class ApiServer:
    """etcd, kube-apiserver and the controllers of what is deleted with something, and of the ClusterRoles for users."""

    def __init__(
        self, folder: Path, pod_security: str = "privileged", control_plane: ControlPlane = KUBERNETES
    ) -> None:
        """``pod_security`` is the level that is enforced in namespaces without a label for it."""
        self._folder = folder
        self._control_plane = control_plane
        self._pod_security = pod_security
        self._log: IO[bytes] = (folder / "servers.log").open("wb")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._etcd, self._peer, self.port, self._manager = free_ports(4)
        self.host = f"https://127.0.0.1:{self.port}"
        self.client_cert, self.client_key = folder / "client.crt", folder / "client.key"
        """Of an administrator."""
        self.ca_cert = folder / "certificates/apiserver.crt"
        """By which the server is known, once it has started."""
        self.accounts_key = folder / "accounts.key"
        """Signs the tokens of ServiceAccounts."""
        self.kubeconfig = self._write_kubeconfig()

    def cluster(self, token: str = ADMIN_TOKEN) -> KubeClient:
        """Direct access, to play parts that Ansible doesn't."""
        return KubeClient(Connection(host=self.host, api_key=token, validate_certs=False))

    def start(self) -> None:
        self._start_servers()
        self._wait()
        self.start_beside(
            self._program("kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._manager}",
            f"--cert-dir={self._folder / 'manager'}",
            f"--controllers={self._control_plane.controllers}",
            f"--use-service-account-credentials={self._control_plane.own_accounts}",
            "--leader-elect=false",
            *self._control_plane.more.controller_manager,
        )

    def start_beside(self, *argv: str) -> None:
        """A program that ends with the API server."""
        # It ends with this process, however that ends: a test run that is killed leaves no server behind.
        tied = ("setpriv", "--pdeathsig", "KILL", *argv)
        environment = {**os.environ, "GOGC": GOGC}
        self._processes.append(
            subprocess.Popen(tied, stdout=self._log, stderr=self._log, cwd=self._folder, env=environment)
        )

    def stop(self) -> None:
        """Without a word: asked to end, it would wait a minute for watches to end, and nothing of it is kept."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._log.close()

    def _start_servers(self) -> None:
        key, tokens = self.accounts_key, self._folder / "tokens.csv"
        key.write_bytes(_private_key())
        client_certificate.write(self._folder, "admin", "system:masters")
        tokens.write_text(f"{ADMIN_TOKEN},admin,admin,system:masters\n{TENANT_TOKEN},{TENANT},{TENANT}\n")
        admission = self._folder / "admission.yaml"
        admission.write_text(yaml.safe_dump(admission_configuration(self._pod_security)))
        storage, peers = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        self.start_beside(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={storage}",
            f"--advertise-client-urls={storage}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
            *self._control_plane.more.etcd,
        )
        self.start_beside(
            self._program("kube-apiserver"),
            f"--etcd-servers={storage}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.ca_cert.parent}",
            f"--token-auth-file={tokens}",
            f"--client-ca-file={self.client_cert}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            f"--admission-control-config-file={admission}",
            "--service-cluster-ip-range=10.97.0.0/16,fd00:97::/112",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            *self._control_plane.more.api_server,
        )

    def _program(self, name: str) -> str:
        return str(self._control_plane.servers.folder / name)

    def _wait(self) -> None:
        """Until the API server has made the namespaces and the rights that every cluster has."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(EgressError):
                cluster = self.cluster()
                if cluster.get(NAMESPACE, "kube-system") and cluster.get(CLUSTER_ROLE_BINDING, "system:basic-user"):
                    return
            time.sleep(0.2)
        raise TimeoutError(f"the API server did not start; see {self._folder / 'servers.log'}")

    def _write_kubeconfig(self) -> Path:
        server = {"server": self.host, "certificate-authority": str(self.ca_cert)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "admin"}}],
            "current-context": "it",
        }
        path = self._folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _port in range(count)]
    ports = [int(item.getsockname()[1]) for item in sockets]
    for item in sockets:
        item.close()
    return ports


def _private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
