# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A Python environment with another ansible-core, made once and kept in the cache; its packages are pinned."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from images.build import CACHE, alone
from tests.support.ansible_run import collections
from tests.support.checkout import CHECKOUT, files

UNIT_TESTS = ("tests/unit/core", "tests/unit/modules", "tests/unit/role")
"""Those of what users install; the images have a Python of their own."""

OTHERS = Path(sysconfig.get_path("purelib"))
"""The folder with ``kubernetes.core`` and the others of the `ansible` bundle that is in this environment."""


@dataclass(frozen=True)
class Core:
    """The environment of one version, such as 2.16."""

    version: str
    environment: Path

    def program(self, name: str) -> str:
        return str(self.environment / "bin" / name)

    def tests_command(self, *arguments: str) -> tuple[str, ...]:
        """pytest with some arguments, as the Makefile would run it."""
        paths = [CHECKOUT, CHECKOUT / ".collections", *files("images/egress_*")]
        python_path = ":".join(map(str, paths))
        # Not the configuration's own cache, which is that of the environment of this process.
        options = ("-q", "-o", "cache_dir=/tmp/avi-egress-versions")
        return ("env", f"PYTHONPATH={python_path}", self.program("python"), "-m", "pytest", *options, *arguments)

    def playbook_program(self, folder: Path) -> tuple[str, ...]:
        """ansible-playbook, with this checkout's collection and those of the bundle, from a folder for collections."""
        return ("env", f"ANSIBLE_COLLECTIONS_PATH={collections(folder)}:{OTHERS}", self.program("ansible-playbook"))


def ensure_core(version: str) -> Core:
    """The environment, made if the cache has none of these packages."""
    requirements = Path(__file__).with_name(f"requirements-{version}.txt")
    digest = hashlib.sha256(requirements.read_bytes() + os.fsencode(sys.executable)).hexdigest()[:12]
    place = CACHE / "cores" / f"{version}-{digest}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with alone(place.parent):
        if not (place / ".complete").exists():
            shutil.rmtree(place, ignore_errors=True)  # What an interruption has left.
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            subprocess.run([place / "bin/pip", "install", "--quiet", "-r", requirements], check=True)
            (place / ".complete").touch()
    return Core(version, place)
