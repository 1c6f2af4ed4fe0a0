# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How tests are divided among the processes of one run: a plugin of pytest (``-p tests.scheduling -n 4``).

Most tests wait most of the time: for pods, for what a router hears, for a lease to end. So there are four processes
for two processors, which three leave idle for a seventh of the time. One has the cluster and all that uses it, which
takes longest of all and therefore goes before the others where they want the same processor; another begins with
Molecule's scenarios, on a cluster of their own. What remains goes to whichever process is free: files that share an API
server together, and between files that keep a processor busy some of the router's, which wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ON_THE_CLUSTER = ("tests/e2e/", "tests/integration/test_cluster.py")
"""Where tests use the cluster of ``tests/conftest.py``."""

OF_THE_ROUTER = "tests/e2e/test_router_"
"""End to end, but in network namespaces of their own, and so in any process."""

OF_MOLECULE = "tests/molecule/"
"""On a cluster of their own."""

OF_ONE_API_SERVER = ("tests/integration/controller/", "tests/integration/modules/")
"""Folders whose files share an API server."""

OF_A_FILE = ("tests/conventions/", "tests/integration/")
"""Where each file has an API server or other programs of its own."""

LONGEST = (
    "tests/conventions/test_ansible_cores.py",
    "tests/integration/test_awx_setup.py",
    "tests/integration/test_images.py",
    "tests/integration/test_variables_are_the_state.py",
    "tests/integration/test_playbooks.py",
    "tests/integration/test_awx_jobs.py",
    "tests/integration/test_in_process.py",
)
"""Those of them that come before the others, so that none is left when the other processes have ended."""

CLUSTER = "cluster"
GIVES_WAY = 5
"""How much nicer the processes are that begin without a cluster."""

_BEGUN = pytest.StashKey[bool]()


class ByResource(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole files, and all that share a cluster or an API server as one."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByResource:
    config.option.loadscopereorder = False  # The order of the collection is on purpose.
    return ByResource(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(in_turn(scope(item.nodeid) for item in items))}
    items.sort(key=lambda item: place[scope(item.nodeid)])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a process begins with decides how nice it is for good: only root may become less nice again."""
    if _BEGUN not in item.session.stash:
        item.session.stash[_BEGUN] = True
        if scope(item.nodeid) != CLUSTER and not item.nodeid.startswith(OF_MOLECULE):
            os.nice(GIVES_WAY)


def scope(nodeid: str) -> str:
    """What is handed to one process as a whole: the cluster's tests, a folder with its slash, or a file."""
    file = nodeid.partition("::")[0]
    if file.startswith(ON_THE_CLUSTER) and not file.startswith(OF_THE_ROUTER):
        return CLUSTER
    return next((folder for folder in OF_ONE_API_SERVER if file.startswith(folder)), file)


def in_turn(scopes: Iterable[str]) -> list[str]:
    """Each scope once: what takes longest first, then files of the router and others, mixed, and unit tests last."""
    found = list(dict.fromkeys(scopes))
    waiting = [name for name in found if name.startswith(OF_THE_ROUTER)]
    busy = [name for start in OF_A_FILE for name in found if name.startswith(start) and name not in OF_ONE_API_SERVER]
    busy.sort(key=_length)
    mixed = sorted((*_spread(waiting), *_spread(busy)))
    molecule = [name for name in found if name.startswith(OF_MOLECULE)]
    first = [name for name in (CLUSTER, *molecule, *OF_ONE_API_SERVER) if name in found]
    turns = [*first, *(name for _part, name in mixed)]
    return [*turns, *(name for name in found if name not in turns)]


def _length(file: str) -> int:
    """Its place by its length; all that are not of the longest have the last, in which they stay as they were."""
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


def _spread(names: list[str]) -> list[tuple[float, str]]:
    """Each with its part of the way through them, by which lists of different lengths are mixed."""
    return [(number / len(names), name) for number, name in enumerate(names)]
