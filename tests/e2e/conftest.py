# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Projects with clients in a cluster that has the product installed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from images.build import Image
from tests.support.client import client_pod
from tests.support.kubectl import Kubectl
from tests.support.project import ADMITS_EGRESS_PODS, NODES, Project


@pytest.fixture(scope="session")
def new_project(product: Path, kubectl: Kubectl, images: dict[str, Image]) -> Iterator[Any]:
    """Makes projects, which admit egress pods or not; they are gone after the session, whatever became of the tests."""
    made: list[str] = []

    def make(
        title: str, *, included: bool = True, admits: bool = True, labels: dict[str, str] | None = None
    ) -> Project:
        name = f"{title}-{uuid.uuid4().hex[:6]}"
        made.append(name)
        marks = {"egress.avi.dev/project": "included"} if included else {}
        marks |= {**(ADMITS_EGRESS_PODS if admits else {}), **(labels or {})}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": marks}})
        image = images["avi-egress-controller"].name
        kubectl.apply(*(client_pod(name, image, node, f"client-{node}") for node in NODES))
        kubectl.wait(name, "condition=Ready", *(f"pod/client-{node}" for node in NODES))
        return Project(kubectl, name)

    yield make
    if made:
        kubectl.run("delete", "namespace", *made, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def green(new_project: Any) -> Project:
    project: Project = new_project("green")
    return project


@pytest.fixture(scope="session")
def blue(new_project: Any) -> Project:
    """Its own pods may be privileged, as they might before it was onboarded."""
    project: Project = new_project("blue", labels={"egress.avi.dev/pod-security": "privileged"})
    return project
