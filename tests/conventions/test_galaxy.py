# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What Galaxy would get: the artifact, its changelog, and what Galaxy's own importer says."""

from __future__ import annotations

import re
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.conventions.checkout import copy_collection
from tests.conventions.programs import printed_by

NEXT_VERSION = "9999.0.0"
"""Later than any that has been released, so that what waits in the fragments can be rendered at any time."""

UNLISTED = ("release_summary", "trivial")
"""Sections that are no list of entries, or that readers are spared."""

CARRIED = {
    ".ansible-lint",
    "CHANGELOG.md",
    "FILES.json",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "bindep.txt",
    "changelogs",
    "docs",
    "execution-environment.yml",
    "extensions",
    "images",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
    "tests/config.yml",
}
IMPORTER = """\
[galaxy-importer]
RUN_ANSIBLE_DOC = True
RUN_ANSIBLE_LINT = False
RUN_ANSIBLE_TEST = False
RUN_FLAKE8 = False
CHECK_CHANGELOG = True
"""
"""ansible-test and ansible-lint have tests of their own; the importer would run the one in a container."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it would be released now: its fragments have become a changelog."""
    collection = copy_collection(tmp_path_factory.mktemp("released"))
    if any((collection / "changelogs/fragments").glob("*.y*ml")):
        printed_by(["antsibull-changelog", "release", "--version", NEXT_VERSION], collection)
    return collection


@pytest.fixture(scope="module")
def artifact(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    printed_by(["ansible-galaxy", "collection", "build", "--output-path", str(folder)], released)
    (found,) = folder.glob("avi-egress-*.tar.gz")
    return found


def test_changelog_fragments_are_well_formed(collection: Path) -> None:
    printed_by(["antsibull-changelog", "lint"], collection)


def test_the_changelog_says_all_that_the_fragments_say(collection: Path, released: Path) -> None:
    text = (released / "CHANGELOG.md").read_text()

    assert "# avi\\.egress Release Notes" in text
    assert not re.search(r"\b[CMOVEUIB]\\\(", text), "the changelog is Markdown: ``code``, not C(code)"
    fragments = [yaml.safe_load(path.read_text()) for path in (collection / "changelogs/fragments").glob("*.y*ml")]
    told = [
        item
        for fragment in fragments
        for section, items in fragment.items()
        if section not in UNLISTED
        for item in items
    ]
    assert len(re.findall(r"^\* ", text, re.MULTILINE)) >= len(told)


def test_the_changelog_that_is_kept_is_the_one_that_its_releases_make(collection: Path, tmp_path: Path) -> None:
    kept = collection / "CHANGELOG.md"
    if not kept.exists():
        assert not (collection / "changelogs/changelog.yaml").exists(), "releases without CHANGELOG.md"
        return
    copy = tmp_path / "collection"
    shutil.copytree(collection, copy)
    printed_by(["antsibull-changelog", "generate"], copy)
    assert (copy / "CHANGELOG.md").read_text() == kept.read_text()


def test_the_artifact_carries_what_users_need_and_nothing_of_the_checkout(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        files = [Path(item.name) for item in archive.getmembers() if item.isfile()]
    tops = {str(path) if path.parts[0] == "tests" else path.parts[0] for path in files}

    assert tops == CARRIED


def test_galaxys_importer_takes_the_artifact_without_a_warning(artifact: Path, tmp_path: Path) -> None:
    settings = tmp_path / "importer.cfg"
    settings.write_text(IMPORTER)
    command = [sys.executable, "-m", "galaxy_importer.main", str(artifact)]

    text = printed_by(command, tmp_path, {"GALAXY_IMPORTER_CONFIG": str(settings)})

    assert "Importer processing completed successfully" in text, text
    assert not re.search("WARNING|ERROR", text), text
