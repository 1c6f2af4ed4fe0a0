# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Fixtures of the router's tests, as a plugin of pytest.

Those whose names begin with ``shared`` are for files whose tests share one lab of each family, because a node's system
services take long to start.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.namespaces import sweep
from tests.support.router_lab.net import V4, V6, Net
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


@pytest.fixture(scope="module", params=[V4, V6], ids=str)
def shared_net(request: pytest.FixtureRequest) -> Net:
    net: Net = request.param
    return net


@pytest.fixture(scope="module")
def shared_lab(machine: None, request: pytest.FixtureRequest, shared_net: Net) -> Iterator[Lab]:
    """With its gateway."""
    with closing(Lab(f"{abs(hash(request.node.name)) % 10000}-{shared_net.version}", shared_net)) as lab:
        lab.add_gateway()
        yield lab


@pytest.fixture(scope="module")
def shared_node(shared_lab: Lab) -> Node:
    """Files that need more of it have a fixture of the same name."""
    return shared_lab.node()


_numbers = count(1)


@pytest.fixture
def own_pod(shared_lab: Lab, shared_node: Node) -> Iterator[Pod]:
    """A pod of this test alone; its routers end with it, and so the next has the address."""
    pod = shared_lab.pod(shared_node, next(_numbers))
    yield pod
    for router in pod.routers:
        router.end()
