# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An image's tag follows what the image carries, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from images.build import RECIPES, REPOSITORY, BuildSettings, source_digest, source_files
from images.engine import BuildError

ROUTER, CONTROLLER = RECIPES
CORE = "plugins/module_utils"


@pytest.fixture
def copy(tmp_path: Path) -> BuildSettings:
    """A workshop with a checkout of its own, as far as images are made of it."""
    for folder in ("images", CORE):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return BuildSettings(repository=tmp_path)


def changes(copy: BuildSettings, file: str) -> list[str]:
    """The images that get another tag by a change of one file."""
    before = {recipe: source_digest(recipe, copy) for recipe in RECIPES}
    with (copy.repository / file).open("a") as content:
        content.write("# changed\n")
    return [recipe.name for recipe in RECIPES if source_digest(recipe, copy) != before[recipe]]


@pytest.mark.parametrize("file", [f"{CORE}/module/access_info.py", "images/build.py", "images/publish.py"])
def test_what_no_image_carries_changes_no_tag(copy: BuildSettings, file: str) -> None:
    assert changes(copy, file) == []


@pytest.mark.parametrize(
    ("file", "image"),
    [
        (f"{CORE}/workload/manifests.py", CONTROLLER.name),
        (f"{CORE}/__init__.py", CONTROLLER.name),
        ("images/egress_controller/egress_controller/main.py", CONTROLLER.name),
        ("images/egress_controller/requirements.txt", CONTROLLER.name),
        ("images/egress_controller/Containerfile", CONTROLLER.name),
        ("images/egress_router/egress_router/main.py", ROUTER.name),
        ("images/egress_router/Containerfile", ROUTER.name),
    ],
)
def test_what_an_image_carries_changes_its_tag_alone(copy: BuildSettings, file: str, image: str) -> None:
    assert changes(copy, file) == [image]


def test_a_source_that_is_not_there_is_named(copy: BuildSettings) -> None:
    shutil.rmtree(copy.repository / CORE / "ipam")
    with pytest.raises(BuildError, match=r"COPY plugins/module_utils/ipam/: there is no such file in \."):
        source_files(CONTROLLER, copy.repository)
