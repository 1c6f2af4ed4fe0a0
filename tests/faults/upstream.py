# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The real API server, and who we are there, from a kubeconfig."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config


@dataclass(frozen=True)
class Upstream:
    """``tls`` presents the kubeconfig's client certificate, if it has one; ``anonymous_tls`` never does."""

    host: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext
    anonymous_tls: ssl.SSLContext

    @classmethod
    def of(cls, kubeconfig: Path) -> Upstream:
        configuration = Configuration()
        load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)
        headers: dict[str, str] = {}
        ApiClient(configuration).update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        tls = _context(configuration)
        if configuration.cert_file:
            tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        return cls(configuration.host, headers, tls, _context(configuration))


def kubeconfig_for(server: str, path: Path) -> Path:
    """A kubeconfig without credentials, written to ``path``: the proxy has them."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "faults", "cluster": {"server": server}}],
        "users": [{"name": "faults", "user": {}}],
        "contexts": [{"name": "faults", "context": {"cluster": "faults", "user": "faults"}}],
        "current-context": "faults",
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
