# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A former version of the collection, from the repository's history, and its own images."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from images.build import CACHE, REPOSITORY, BuildSettings, build_all
from tests.support.outside import DemoError
from tests.support.provider import Provider


def prepare(commit: str, cluster: Provider) -> dict[str, str]:
    """Where Ansible finds that version (``collections``), and its images, which the nodes have got."""
    collections = _extracted(commit)
    built = build_all(BuildSettings(repository=collections / "ansible_collections/avi/egress"))
    cluster.load(built.values())
    return {
        "collections": str(collections),
        "router_image": built["avi-egress-router"].name,
        "controller_image": built["avi-egress-controller"].name,
    }


def _extracted(commit: str) -> Path:
    """A commit's files, kept for the next run."""
    place = CACHE / "former" / commit
    if place.exists():
        return place
    archive = _archive(commit)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        whole = Path(scratch) / "whole"
        with tarfile.open(fileobj=io.BytesIO(archive)) as content:
            content.extractall(whole / "ansible_collections/avi/egress", filter="data")
        try:
            whole.rename(place)
        except OSError:
            if not place.exists():  # another run may have been first
                raise
    return place


def _archive(commit: str) -> bytes:
    # Under sudo the checkout is somebody else's, which git wants to be told.
    git = ["git", "-C", str(REPOSITORY), "-c", f"safe.directory={REPOSITORY}"]
    found = subprocess.run([*git, "archive", commit], capture_output=True, check=False)
    if found.returncode:
        raise DemoError(
            f"the history of {REPOSITORY} has no commit {commit}, the version to upgrade from "
            f"({found.stderr.decode().strip()}); fetch it, in a shallow clone by: git fetch --unshallow"
        )
    return found.stdout
