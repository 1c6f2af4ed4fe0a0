# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The documents lead nowhere that is not there, and the architecture that they draw is the one that is held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import files
from tests.support.imports import REPOSITORY
from tests.support.layers import ROOMS, WINGS

PAGES = files("docs/**/*.md", "*.md", "roles/*/*.md")
FOLDERS = ("plugins", "images", "roles", "playbooks", "tests", "extensions", "docs")
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in files(f"{folder}/**/*")
    if path.suffix in (".py", ".yml", ".yaml", ".j2", ".md", ".sh") and path != Path(__file__)
)
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
ELSEWHERE = re.compile(r"design §|design\.md|avi-facts|\bseed/")
"""Notes from before the repository, which its readers do not have."""
ROW = re.compile(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", re.M)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists():
            yield f"{target}: there is no such file"
        elif anchor and file.suffix == ".md" and anchor[1:] not in anchors(file):
            yield f"{target}{anchor}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_nothing_refers_to_a_document_that_is_not_in_the_repository() -> None:
    assert len(SOURCES) > 300
    assert [str(path.relative_to(REPOSITORY)) for path in SOURCES if ELSEWHERE.search(path.read_text())] == []


def test_the_architecture_page_tells_which_folder_may_import_which() -> None:
    rows = ROW.findall((REPOSITORY / "docs/architecture.md").read_text())
    told = [(name, set(re.findall(r"`(\w+)`", allowed))) for name, allowed in rows]

    assert told == [*WINGS.items(), *ROOMS.items()]


def test_the_drawing_shows_each_wing() -> None:
    drawing = (REPOSITORY / "docs/architecture.md").read_text().split("```")[1]

    assert set(re.findall(r"[a-z]+", drawing)) == set(WINGS)
