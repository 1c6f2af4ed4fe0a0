# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A Debian trixie with the other ansible-core: a root file system that is made once, kept in the cache, and entered.

Its Python is 3.13; ``requirements-trixie.txt`` says the rest. What it takes to run in it is mounted in a mount
namespace of the process that runs, in a process namespace whose first process ends with whoever started it. So nothing
is left mounted or running, however a test ends.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images.build import CACHE, alone
from images.engine import CA_BUNDLE, PIP_CONFIGURATION, make_root

SUITE = "trixie"
PACKAGES = ("ca-certificates", "etcd-server", "git", "python3", "python3-venv", "shellcheck")
REQUIREMENTS = Path(__file__).with_name("requirements-trixie.txt")
ENVIRONMENT = "/opt/ansible"
PYTHON = "3.13"
KEPT = 2
"""Roots of other ingredients stay for the branches that want them, up to so many in all."""

_LENT_FILES = (CA_BUNDLE, PIP_CONFIGURATION, Path("/etc/resolv.conf"), Path("/etc/hosts"))

_ENTER = """
set -eu
root=$1 folder=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  mode=$1 path=$2; shift 2
  if [ -d "$path" ]; then mkdir -p "$root$path"; else mkdir -p "$root${path%/*}"; : >> "$root$path"; fi
  mount --bind "$path" "$root$path"
  [ "$mode" = rw ] || mount -o remount,bind,ro "$root$path"
done
shift
exec chroot "$root" env --chdir="$folder" -u PYTHONPATH -u VIRTUAL_ENV HOME=/root \
  PATH=/opt/ansible/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


@dataclass(frozen=True)
class Trixie:
    """The root."""

    path: Path

    @property
    def home(self) -> Path:
        return self.path / "root"

    def command(
        self, *argv: str, folder: Path = Path("/"), readable: Sequence[Path] = (), writable: Sequence[Path] = ()
    ) -> tuple[str, ...]:
        """What runs ``argv`` in a folder of the root, with some at the same paths as outside."""
        lent = [("ro", path) for path in (*_LENT_FILES, *readable) if path.exists()]
        lent += [("rw", path) for path in writable]
        apart = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
        mounts = [word for mode, path in lent for word in (mode, str(path))]
        return (*apart, "sh", "-c", _ENTER, "enter", str(self.path), str(folder), *mounts, "--", *argv)


def ensure_trixie() -> Trixie:
    """The root, made if the cache has none of these ingredients. Raises BuildError."""
    folder = CACHE / "trixie"
    root = Trixie(folder / _fingerprint())
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if not root.path.is_dir():
            _make(root, folder)
        os.utime(root.path)
        _forget_old(folder)
    return root


def _fingerprint() -> str:
    digest = hashlib.sha256("\0".join((SUITE, ENVIRONMENT, *PACKAGES)).encode())
    digest.update(REQUIREMENTS.read_bytes())
    return digest.hexdigest()[:12]


def _make(root: Trixie, folder: Path) -> None:
    partial = Trixie(folder / ".partial")
    shutil.rmtree(partial.path, ignore_errors=True)  # What an interruption has left.
    print("conventions: making a Debian trixie with the other ansible-core", file=sys.__stderr__, flush=True)
    make_root(SUITE, partial.path, PACKAGES)
    requirements = partial.path / "root/requirements.txt"
    shutil.copy(REQUIREMENTS, requirements)
    for command in (
        ("python3", "-m", "venv", ENVIRONMENT),
        (f"{ENVIRONMENT}/bin/pip", "install", "--quiet", "--no-cache-dir", "-r", "/root/requirements.txt"),
    ):
        subprocess.run(partial.command(*command), check=True)
    partial.path.rename(root.path)


def _forget_old(folder: Path) -> None:
    roots = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in roots[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
