# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the tests share: one cluster, the images and the installed product, each made once when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from images.build import Image
from tests.cluster import Cluster
from tests.support import playbook
from tests.support.conformance import ROWS
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.provider import outside_of, outside_v6_of
from tests.support.running_cluster import load_images, running, site_of

# The router's laboratory, which needs no cluster.
pytest_plugins = ["tests.support.router_lab.fixtures"]

TEST_CLUSTER = "egress-test"
TEST_API_PORT = 16445


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The local cluster, up; taken down at the end only if it was not up before.

    EGRESS_CLUSTER_NAME and EGRESS_CLUSTER_API_PORT choose another, such as the demonstration's.
    """
    mine = os.environ.get("EGRESS_CLUSTER_NAME") is None
    with running(TEST_CLUSTER if mine else None, TEST_API_PORT if mine else None) as found:
        yield found


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    """An observer of the cluster that shares no code with the product."""
    return Kubectl(cluster.kubeconfig)


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> dict[str, Image]:
    """Both images by name, in the nodes."""
    return load_images(cluster)


@pytest.fixture(scope="session")
def outside(cluster: Cluster) -> Outside:
    return outside_of(cluster.layout)


@pytest.fixture(scope="session")
def outside_v6(cluster: Cluster) -> Outside:
    """The same LAN and remote application over IPv6."""
    return outside_v6_of(cluster.layout)


@pytest.fixture(scope="session")
def site_variables(cluster: Cluster, images: dict[str, Image]) -> dict[str, Any]:
    """The variables with which the product is installed; no project is onboarded."""
    return site_of(cluster, images)


@pytest.fixture(scope="session")
def product(cluster: Cluster, site_variables: dict[str, Any]) -> Path:
    """The kubeconfig of a cluster in which ``avi.egress.site`` has been run, with no project onboarded yet."""
    playbook.run(cluster.kubeconfig, site_variables, "site", show=False)
    return cluster.kubeconfig


_passed: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        _passed.update((report.nodeid, report.nodeid.partition("[")[0]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of whole folders in which a test that docs/conformance.md names has not passed."""
    if hasattr(session.config, "workerinput"):
        return  # One of several processes: the first of them hears of all tests.
    option, root = session.config.option, session.config.rootpath
    some = option.keyword or option.markexpr or option.deselect or getattr(option, "lf", False)  # lf is of a plugin
    if session.exitstatus or option.collectonly or some:
        return
    paths = [(session.config.invocation_params.dir / argument).resolve() for argument in session.config.args]
    folders = tuple(f"{path.relative_to(root)}/" for path in paths if path.is_dir())
    missing = sorted({test for row in ROWS for test in row.tests if test.startswith(folders)} - _passed)
    if missing:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for test in missing:
            reporter.write_line(f"docs/conformance.md names {test}, which has not passed", red=True)
