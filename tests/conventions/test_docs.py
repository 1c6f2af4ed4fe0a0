# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The documentation that is generated from the collection."""

from __future__ import annotations

from pathlib import Path

from tests.conventions.programs import printed_by
from tests.support.checkout import CHECKOUT, files


def test_the_docs_of_modules_role_and_plugins_are_well_formed(collection: Path) -> None:
    command = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "."]

    printed_by(command, collection, {"ANSIBLE_COLLECTIONS_PATH": str(collection.parents[2])})


def test_the_reference_site_is_built_without_a_warning(collection: Path, tmp_path: Path) -> None:
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(collection.parents[2])}

    text = printed_by([str(CHECKOUT / "docs/docsite/build.sh"), str(tmp_path)], tmp_path, environment)

    assert "WARNING" not in text, text
    site = tmp_path / "html"
    modules = [path.stem for path in files("plugins/modules/*.py")]
    plugins = [
        f"{path.stem}_{path.parent.name}.html" for path in files("plugins/lookup/*.py", "plugins/inventory/*.py")
    ]
    pages = [*(f"{name}_module.html" for name in modules), *plugins]
    expected = [*pages, "egress_role.html", "changelog.html", "index.html"]
    assert [name for name in expected if not (site / name).is_file()] == []
