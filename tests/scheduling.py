# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How tests are divided among the processes of one run: a plugin of pytest (``-p tests.scheduling -n 2``).

All that use the one cluster run one after another in one of them; in the other Molecule's scenarios, on a cluster of
their own, and then the tests that have what they need by file, such as an API server. A process more than processors
takes as long, and tests that wait for something then wait for each other.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ON_THE_CLUSTER = ("tests/e2e/", "tests/integration/test_cluster.py")
"""Where tests use the cluster of ``tests/conftest.py``."""

OF_THE_ROUTER = "tests/e2e/test_router_"
"""End to end, but in network namespaces of their own, and so in any process."""

OF_MOLECULE = "tests/molecule/"
"""On a cluster of their own."""

CLUSTER = "cluster"


class ByResource(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole files, and all that runs on the cluster as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return CLUSTER if _is_on_the_cluster(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByResource:
    config.option.loadscopereorder = False  # The order of the collection is on purpose.
    return ByResource(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first: a cluster's tests, then those of an API server or of other tools, then the rest."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if _is_on_the_cluster(item.nodeid):
        return 0
    if item.nodeid.startswith(OF_MOLECULE):
        return 1
    return 2 if item.nodeid.startswith(("tests/integration/", "tests/conventions/", OF_THE_ROUTER)) else 3


def _is_on_the_cluster(name: str) -> bool:
    return name.startswith(ON_THE_CLUSTER) and not name.startswith(OF_THE_ROUTER)
