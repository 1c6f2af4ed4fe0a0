# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How to reach and to be known to the API server: options and environment as kubernetes.core names them."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from typing import Any, Mapping

try:
    import kubernetes

    MISSING_KUBERNETES: str | None = None
except ImportError:
    import traceback

    MISSING_KUBERNETES = traceback.format_exc()

from .errors import EgressError
from .fan_out import AT_A_TIME


class ConnectionFailed(EgressError):
    """The API server cannot be reached, or there is no telling which one is meant."""

    reason = "ConnectionFailed"


@dataclass(frozen=True)
class Connection:
    """Where the API server is and who we are there; None leaves a setting to the kubeconfig."""

    kubeconfig: str | None = None
    context: str | None = None
    host: str | None = None
    api_key: str | None = None
    username: str | None = None
    password: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    ca_cert: str | None = None
    validate_certs: bool | None = None
    proxy: str | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Connection:
        """From a module's options; others than ours are passed over."""
        return cls(**{name: options.get(name) for name in cls.__dataclass_fields__})

    def api_client(self) -> kubernetes.client.ApiClient:
        """A client of the API server; ConnectionFailed if no configuration says which, or a given file is not there."""
        configuration = kubernetes.client.Configuration()
        if not (self.host and (self.api_key or self.client_cert or self.username)):
            self._load(configuration)
        for ours, theirs in _SETTINGS.items():
            value = getattr(self, ours)
            if value is not None:
                setattr(configuration, theirs, value)
        if self.api_key:
            configuration.api_key = {"authorization": f"Bearer {self.api_key}"}
        configuration.retries = False
        configuration.connection_pool_maxsize = max(configuration.connection_pool_maxsize, AT_A_TIME)
        return kubernetes.client.ApiClient(configuration)

    def _load(self, configuration: kubernetes.client.Configuration) -> None:
        """The kubeconfig where one is given or found, else the pod's own account (in-cluster)."""
        path = self.kubeconfig or os.environ.get("KUBECONFIG")
        if path and not any(pathlib.Path(part).expanduser().exists() for part in path.split(os.pathsep) if part):
            raise ConnectionFailed(f"kubeconfig is {path!r}; there is no such file")
        try:
            if path or pathlib.Path("~/.kube/config").expanduser().exists():
                kubernetes.config.load_kube_config(
                    path, self.context, configuration, persist_config=False, temp_file_path=_folder(os.getpid())
                )
            elif self.host:
                configuration.host = self.host
            else:
                kubernetes.config.load_incluster_config(configuration)
        except kubernetes.config.ConfigException as error:
            raise ConnectionFailed(
                f"no usable Kubernetes configuration ({error}); give kubeconfig, or host with api_key, "
                "or set K8S_AUTH_KUBECONFIG"
            ) from error


def remove_keys() -> bool:
    """Remove the files that clients of this process need to connect, and tell whether there were any.

    The kubernetes client leaves it to atexit, which Ansible's workers, killed as soon as their result is there, do
    without.
    """
    if not _folder.cache_info().currsize:
        return False
    folder = pathlib.Path(_folder(os.getpid()))
    needed = any(folder.iterdir())
    shutil.rmtree(folder, ignore_errors=True)
    _folder.cache_clear()
    return needed


@cache
def _folder(_process: int) -> str:
    """Where clients of this process keep the keys that a kubeconfig holds in itself."""
    folder = tempfile.mkdtemp(prefix="avi-egress-")
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)
    return folder


_SETTINGS = {
    "host": "host",
    "username": "username",
    "password": "password",
    "client_cert": "cert_file",
    "client_key": "key_file",
    "ca_cert": "ssl_ca_cert",
    "validate_certs": "verify_ssl",
    "proxy": "proxy",
}
