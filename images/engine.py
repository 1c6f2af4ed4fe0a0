# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The program that builds images: the one asked for, else Docker or Podman where an engine answers, else buildah."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

BASE_IMAGE = "docker.io/library/debian:trixie-slim"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CONFIGURATION = Path("/etc/pip.conf")


class BuildError(Exception):
    """An image could not be built; the text says which step failed and what it printed last."""


@dataclass(frozen=True)
class Engine:
    """One way to build a Containerfile and to save the result as a docker archive."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    def has(self, image: str) -> bool:
        verb = ("inspect", "--type", "image") if self.name == "buildah" else ("image", "inspect")
        return self._call([*self.command, *verb, image], check=False).returncode == 0

    def pulls(self, image: str) -> bool:
        return self._call([*self.command, "pull", "--quiet", image], check=False).returncode == 0

    def build(self, containerfile: Path, context: Path, image: str, base: str) -> None:
        lent = [] if self.name == "docker" else [f"--volume={volume}" for volume in _lent_settings()]
        flags = ["--pull=never"] if self.name != "docker" and self.has(base) else []
        build = ("build", f"--build-arg=BASE={base}", *flags, *lent)
        self._call([*self.command, *build, "-t", image, "-f", str(containerfile), str(context)])

    def save(self, image: str, archive: Path) -> None:
        """Write a docker archive that names the image; whole or not at all."""
        partial = archive.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        if self.name == "buildah":
            self._call([*self.command, "push", "--quiet", image, f"docker-archive:{partial}:{image}"])
        else:
            self._call([*self.command, "save", "-o", str(partial), image])
        partial.rename(archive)

    def tidy(self) -> None:
        """Remove what interrupted builds left in our own store; an engine's store is the user's."""
        if self.name == "buildah":
            self._call([*self.command, "rm", "--all"])
            self._call([*self.command, "rmi", "--prune"])

    def forget(self, image: str) -> None:
        """Drop an image that has been saved: our own store caches no layers, so it would only take room."""
        if self.name == "buildah":
            self._call([*self.command, "rmi", "--force", image])

    def import_root(self, root: Path, image: str) -> None:
        """Make a folder that holds a whole root file system into an image (buildah only)."""
        container = self._call([*self.command, "from", "scratch"]).stdout.strip()
        try:
            self._call([*self.command, "add", "--quiet", container, str(root), "/"])
            self._call([*self.command, "config", "--cmd", "/bin/bash", container])
            self._call([*self.command, "commit", "--quiet", container, image])
        finally:
            self._call([*self.command, "rm", container], check=False)

    def _call(self, command: Sequence[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, env={**os.environ, **dict(self.environment)}, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise BuildError(f"{self.name} {command[len(self.command)]} failed:\n{last}")
        return done


def find_engine(storage: Path, wanted: str | None = None) -> Engine:
    """The engine of this machine, or the one that is wanted of it; BuildError where it does not answer.

    buildah keeps its layers under ``storage``, apart from the user's own.
    """
    for name in ("docker", "podman"):
        if wanted in (None, name) and shutil.which(name) and _answers(name):
            return Engine(name, (name,))
    if wanted in (None, "buildah") and shutil.which("buildah"):
        # A mount namespace of its own for each command: what buildah mounts goes with it, however it ends. Who is not
        # root gets one by buildah itself.
        apart = ("unshare", "--mount") if os.geteuid() == 0 else ()
        # chroot needs no user namespaces, which small machines and CI often lack.
        settings = (("BUILDAH_ISOLATION", "chroot"),)
        return Engine("buildah", (*apart, "buildah", f"--root={storage}", f"--runroot={storage}-run"), settings)
    if wanted:
        raise BuildError(f"{wanted} does not answer here: install or start it, or leave the choice open")
    raise BuildError("no image builder answers: start Docker or Podman, or install buildah")


def ensure_base(engine: Engine, base: str) -> None:
    """Have the base image at hand: the registry's, or where none is reached Debian's own packages put together.

    What debootstrap makes is tagged with the same name, so that the Containerfiles are the same everywhere; it
    stands in for BASE_IMAGE alone.
    """
    if engine.has(base):
        return
    if engine.name != "buildah" or engine.pulls(base):
        return  # docker and podman pull it themselves while they build
    if base != BASE_IMAGE:
        raise BuildError(f"the base image {base} cannot be pulled; give one that can, such as {BASE_IMAGE}")
    if not shutil.which("debootstrap"):
        raise BuildError(f"{BASE_IMAGE} cannot be pulled; install debootstrap to have it made from Debian's packages")
    with tempfile.TemporaryDirectory(prefix="avi-egress-base-") as folder:
        root = Path(folder) / "root"
        suite = BASE_IMAGE.rsplit(":", 1)[-1].removesuffix("-slim")
        make_root(suite, root, ["ca-certificates"])
        _slim(root)
        engine.import_root(root, BASE_IMAGE)


def make_root(suite: str, root: Path, packages: Sequence[str]) -> None:
    """Put a root file system together from Debian's own packages. Raises BuildError."""
    # In a mount namespace of its own, so that what debootstrap mounts goes with it, however it ends.
    made = subprocess.run(
        ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise BuildError("debootstrap failed:\n" + "\n".join(made.stdout.splitlines()[-10:]))


def _slim(root: Path) -> None:
    """Leave out what the published slim image leaves out too: documentation, translations, package lists."""
    for folder in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
        for entry in (root / folder).glob("*"):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _lent_settings() -> list[str]:
    """Volumes that lend the build this machine's certificate bundle and pip settings; no layer keeps them."""
    return [f"{path}:{path}:ro" for path in (CA_BUNDLE, PIP_CONFIGURATION) if path.exists()]


def _answers(name: str) -> bool:
    return subprocess.run([name, "info"], capture_output=True, check=False, timeout=20).returncode == 0
