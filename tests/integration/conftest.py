# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An API server for each file of tests, and Ansible to run against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import FaultProxy
from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer, api_server


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with nothing in it."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture(scope="module")
def ansible(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    folder: Path = tmp_path_factory.mktemp("ansible")
    return Ansible(folder, api.kubeconfig)


@pytest.fixture
def faults(api: ApiServer, tmp_path: Path) -> Iterator[FaultProxy]:
    """A way to the API server on which a test can put faults; none of them yet."""
    with FaultProxy(api.kubeconfig, tmp_path) as proxy:
        yield proxy
