# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which libraries the modules need, and what is said of one that is too old."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from ansible_collections.avi.egress.plugins.doc_fragments import attributes
from ansible_collections.avi.egress.plugins.module_utils.module.runner import LIBRARIES

COLLECTION = Path(__file__).parents[3]


def test_what_is_documented_is_what_is_required_and_told() -> None:
    documented = yaml.safe_load(attributes.ModuleDocFragment.DOCUMENTATION)["requirements"]
    required = (COLLECTION / "requirements.txt").read_text().splitlines()

    for library in LIBRARIES:
        assert library.missing is None
        assert library.name in documented
        assert library.name.replace(" ", "") in required


def test_a_client_library_that_is_too_old_counts_as_missing(tmp_path: Path) -> None:
    package = tmp_path / "kubernetes/__init__.py"
    package.parent.mkdir()
    package.write_text('__version__ = "24.2.0"\n')
    name = "ansible_collections.avi.egress.plugins.module_utils.client.connection"
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])

    done = subprocess.run(
        [sys.executable, "-c", f"from {name} import MISSING_KUBERNETES; print(MISSING_KUBERNETES)"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "kubernetes 24.2.0 is there, which is too old\n"
