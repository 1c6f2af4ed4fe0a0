# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection as plain files: what git tracks, or would, in a folder where Ansible's tools expect a collection."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def copy_collection(collections: Path) -> Path:
    """The copy, ``ansible_collections/avi/egress`` in the folder given."""
    place = collections / "ansible_collections/avi/egress"
    for name in _names():
        source, target = CHECKOUT / name, place / name
        if source.is_file():  # Git also names what has been deleted and not committed.
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return place


def _names() -> list[str]:
    # Tests run as root, and git trusts no other user's checkout unless it is told to.
    trust = ("-c", f"safe.directory={CHECKOUT}")
    listed = subprocess.run(
        ["git", *trust, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name]
