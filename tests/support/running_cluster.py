# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A local cluster of the tests, and what the product is installed there with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from images.build import Image, build_all
from tests.cluster import Cluster
from tests.support import playbook
from tests.support.provider import outside_of, outside_v6_of

QUARANTINE_SECONDS = 600


@contextmanager
def running(name: str | None, api_port: int | None) -> Iterator[Cluster]:
    """The cluster of that name, up; taken down at the end only if it was not up before."""
    if os.geteuid() != 0:
        pytest.fail("this test makes network namespaces and containers: run it as root", pytrace=False)
    found = Cluster(name, api_port, report=lambda line: print(f"cluster: {line}", file=sys.__stderr__, flush=True))
    was_up = not found.problems()
    found.up()
    try:
        yield found
    finally:
        if not was_up:
            found.down()


def load_images(cluster: Cluster) -> dict[str, Image]:
    """Both images by name, which the nodes have then."""
    built = build_all()
    cluster.load_images([image.archive for image in built.values()])
    return built


def site_of(cluster: Cluster, images: Mapping[str, Image]) -> dict[str, Any]:
    """The variables of ``avi.egress.site`` for that cluster and its outside, with no project."""
    outside, outside_v6 = outside_of(cluster.layout), outside_v6_of(cluster.layout)
    names = {name: image.name for name, image in images.items()}
    # The quarantine is short, so that the runs of a day on one cluster don't use up its addresses.
    # Tests end many services in a minute, which is no accident here.
    times = {"quarantineSeconds": QUARANTINE_SECONDS, "releaseBrakePercent": 100}
    network = {**outside.network(outside_v6), **times}
    return {**playbook.site_variables(outside, names), "egress_networks": [network], "egress_projects": []}
