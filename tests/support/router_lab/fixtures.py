# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Fixtures of the router's tests, as a plugin of pytest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import sweep
from tests.support.router_lab.net import V4, Net
from tests.support.router_lab.node import Node
from tests.support.router_lab.pod import Pod


@pytest.fixture(scope="session")
def machine() -> None:
    """Root, ip and network namespaces: said once and plainly when missing."""
    if os.geteuid() != 0:
        pytest.fail("these tests make network namespaces: run them as root", pytrace=False)
    if shutil.which("ip") is None:
        pytest.fail("these tests need the ip command: install the package iproute2", pytrace=False)
    sweep()


@pytest.fixture
def net() -> Net:
    return V4


@pytest.fixture
def lab(machine: None, request: pytest.FixtureRequest, net: Net) -> Iterator[Lab]:
    made = Lab(str(abs(hash(request.node.name)) % 10000), net)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def node(lab: Lab) -> Node:
    return lab.node()


@pytest.fixture
def pod(lab: Lab, node: Node) -> Pod:
    return lab.pod(node)
