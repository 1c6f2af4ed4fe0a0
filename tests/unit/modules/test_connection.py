# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a connection needs of the machine that it is made on."""

from __future__ import annotations

from pathlib import Path

import kubernetes.config
import pytest
from ansible_collections.avi.egress.plugins.module_utils.client import connection


def test_a_pod_that_can_write_nowhere_connects_by_its_own_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nowhere(**_options: str) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.mkdtemp", nowhere)
    connection.remove_keys()

    def account(configuration: kubernetes.client.Configuration) -> None:
        configuration.host = "https://10.96.0.1:443"

    monkeypatch.setattr(kubernetes.config, "load_incluster_config", account)
    assert connection.Connection().api_client().configuration.host == "https://10.96.0.1:443"
