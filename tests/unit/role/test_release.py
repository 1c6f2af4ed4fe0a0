# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The role says the collection's version, and the documentation names no other one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.support.checkout import files

COLLECTION = Path(__file__).parents[3]
IMAGE = re.compile(r"registry\.example/avi-egress-\w+:([\w.]+)")


def version() -> str:
    return str(yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"])


def test_the_role_brings_the_collections_version() -> None:
    assert yaml.safe_load((COLLECTION / "roles/egress/vars/main.yml").read_text())["egress_version"] == version()


def test_the_documentation_names_images_of_this_version() -> None:
    pages = [path.read_text() for path in files("docs/**/*.md")]

    assert {tag for page in pages for tag in IMAGE.findall(page)} == {version()}
