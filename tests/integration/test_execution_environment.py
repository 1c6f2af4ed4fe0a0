# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The execution environment's definition, as far as it goes without an engine and a registry: to the image's build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.checkout import CHECKOUT

PROGRAMS = Path(sys.executable).parent


def run(program: str, *arguments: str, cwd: Path, collections: Path | None = None) -> str:
    # Without the checkout, which the tests' own path has as a collection.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**kept, "ANSIBLE_COLLECTIONS_PATH": str(collections or cwd)}
    done = subprocess.run(
        [str(PROGRAMS / program), *arguments],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The definition beside the collection's archive, and the build context that ansible-builder makes of them."""
    place = tmp_path_factory.mktemp("ee")
    shutil.copy(CHECKOUT / "execution-environment.yml", place)
    run("ansible-galaxy", "collection", "build", "--output-path", str(place / "build"), str(CHECKOUT), cwd=place)
    run("ansible-builder", "create", "--output-filename", "Containerfile", cwd=place)
    return place


def test_ansible_builder_makes_a_context_with_this_collection_in_it(folder: Path) -> None:
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]
    containerfile = (folder / "context/Containerfile").read_text()

    assert 'ARG EE_BASE_IMAGE="quay.io/centos/centos:stream9"' in containerfile
    assert 'ARG ANSIBLE_INSTALL_REFS="ansible-core>=2.19,<2.20 ansible-runner>=2.4"' in containerfile
    assert [path.name for path in (folder / "context/_build/collections").iterdir()] == [f"avi-egress-{version}.tar.gz"]


def test_what_the_image_installs_brings_the_libraries_of_the_modules(folder: Path) -> None:
    """The context's own requirements file, installed as the build does it; kubernetes.core is there already."""
    installed = folder / "installed"
    run(
        *("ansible-galaxy", "collection", "install", "-r", "requirements.yml"),
        *("--offline", "--collections-path", str(installed)),
        cwd=folder / "context/_build",
        collections=installed,
    )

    found = yaml.safe_load(run("ansible-builder", "introspect", str(installed), cwd=folder))
    requirements = [
        line for line in (CHECKOUT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")
    ]

    assert (installed / "ansible_collections/avi/egress/playbooks/egress_service.yml").is_file()
    assert [line.partition("  #")[0] for line in found["python"]] == [
        line for line in requirements if not line.startswith("ansible-core")
    ]
    assert found["system"] == []
