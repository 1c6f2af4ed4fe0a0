# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is said of a kubeconfig that can't be read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection, ConnectionFailed

NOBODY = 65534
KUBECONFIG = {
    "clusters": [{"name": "it", "cluster": {"server": "https://it"}}],
    "users": [{"name": "it", "user": {}}],
    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    "current-context": "it",
}


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_kubeconfig_that_may_not_be_read_is_told_as_that(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("apiVersion: v1\n")
    path.chmod(0)

    with without_privileges(), pytest.raises(ConnectionFailed) as told:
        Connection(kubeconfig=str(path)).api_client()

    assert str(told.value) == f"kubeconfig is '{path}'; it cannot be read: Permission denied"


def test_of_several_kubeconfigs_one_may_be_missing(tmp_path: Path) -> None:
    there = tmp_path / "kubeconfig"
    there.write_text(json.dumps(KUBECONFIG))

    assert Connection(kubeconfig=f"/no/such/file:{there}").api_client().configuration.host == "https://it"
