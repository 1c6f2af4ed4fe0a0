# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the conventions' tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conventions.checkout import copy_collection
from tests.conventions.trixie import Trixie, ensure_trixie
from tests.support.api_server import ApiServer, api_server


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as plain files, to look at; what is written there is nobody else's."""
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with nothing in it."""
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture(scope="session")
def trixie() -> Trixie:
    if os.geteuid() != 0:
        pytest.fail("this test enters another root file system: run it as root", pytrace=False)
    return ensure_trixie()
