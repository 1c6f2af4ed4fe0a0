# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's page: its table of files is that of the package."""

from __future__ import annotations

import re

from tests.support.checkout import CHECKOUT, files

PACKAGE = "images/egress_controller/egress_controller"
PAGE = "docs/explanation/controller.md"
ROW = re.compile(r"^\| (`[^|]*`) \|", re.M)


def named() -> list[str]:
    """The files in the first column of the page's table."""
    return [
        name for cell in ROW.findall((CHECKOUT / PAGE).read_text()) for name in re.findall(r"`(\w[\w/]*\.py)`", cell)
    ]


def there() -> set[str]:
    found = files(f"{PACKAGE}/**/*.py")
    return {str(path.relative_to(CHECKOUT / PACKAGE)) for path in found if path.name != "__init__.py"}


def test_the_controllers_page_names_each_file_of_the_package_once() -> None:
    found = named()
    assert sorted(there() - set(found)) == [], f"say in the table of {PAGE} what they hold"
    assert sorted(name for name in set(found) if found.count(name) > 1) == []


def test_the_controllers_page_names_no_file_that_is_not_there() -> None:
    assert sorted(set(named()) - there()) == [], f"take them off the table of {PAGE}"
