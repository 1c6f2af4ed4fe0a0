# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Builds the controller's and the router's image: ``python -m images.build``.

An image's tag is a hash of all that goes into it. An unchanged source is therefore never built twice, and a changed
one gets a new name, which rolls out by itself wherever a manifest names it.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Iterator

from .engine import BASE_IMAGE, BuildError, Engine, ensure_base, find_engine

REPOSITORY = Path(__file__).resolve().parent.parent
"""The checkout that this file belongs to."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "avi-egress"
KEPT_ARCHIVES = 4
"""The archives used last are kept for each image, so that switching branches costs no build."""


@dataclass(frozen=True)
class Recipe:
    """What one image is made of; all paths are relative to the repository."""

    name: str
    containerfile: str
    context: str
    """The folder that the Containerfile copies from."""


RECIPES = (
    Recipe(
        "avi-egress-router",
        "images/egress_router/Containerfile",
        "images/egress_router",
    ),
    Recipe(
        "avi-egress-controller",
        "images/egress_controller/Containerfile",
        ".",
    ),
)


@dataclass(frozen=True)
class Image:
    """A built image: its full name and the docker archive that holds it."""

    name: str
    archive: Path


@dataclass(frozen=True)
class BuildSettings:
    """Where images are made and kept, of what, and by which engine (None: the one that is there)."""

    cache: Path = CACHE
    repository: Path = REPOSITORY
    """May be another version's files."""
    base: str = BASE_IMAGE
    engine: str | None = None


def build_all(settings: BuildSettings = BuildSettings()) -> dict[str, Image]:
    """Every image by its recipe's name, built where its source has changed. Raises BuildError."""
    return {recipe.name: built(recipe, settings) for recipe in RECIPES}


def source_digest(recipe: Recipe, settings: BuildSettings = BuildSettings()) -> str:
    """12 hex digits over the base's name and each source file's path and content. Raises BuildError."""
    digest, repository = hashlib.sha256(settings.base.encode()), settings.repository
    for path in source_files(recipe, repository):
        digest.update(str(path.relative_to(repository)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def source_files(recipe: Recipe, repository: Path = REPOSITORY) -> list[Path]:
    """The Containerfile and every file that it copies into the image, in order. Raises BuildError for one not there."""
    containerfile = repository / recipe.containerfile
    found = {containerfile}
    for source in _copied(containerfile.read_text()):
        place = repository / recipe.context / source
        if not place.exists():
            raise BuildError(f"{recipe.containerfile}: COPY {source}: there is no such file in {recipe.context}")
        found |= {place} if place.is_file() else {path for path in place.rglob("*") if path.is_file()}
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _copied(containerfile: str) -> Iterator[str]:
    """What the COPY instructions take from the context."""
    for line in containerfile.replace("\\\n", " ").splitlines():
        instruction, *words = line.split() or [""]
        if instruction == "COPY" and not any(word.startswith("--from=") for word in words):
            yield from [word for word in words if not word.startswith("--")][:-1]


def built(recipe: Recipe, settings: BuildSettings) -> Image:
    """One image, built unless there is one of this source. Raises BuildError."""
    tag = source_digest(recipe, settings)
    image = Image(f"localhost/{recipe.name}:{tag}", settings.cache / "images" / f"{recipe.name}-{tag}.tar")
    if image.archive.exists():
        image.archive.touch()
        _say(f"{image.name}: already built")
        return image
    image.archive.parent.mkdir(parents=True, exist_ok=True)
    with alone(image.archive.parent):
        if not image.archive.exists():  # another build may have made it while we waited
            _make(recipe, image, settings)
    return image


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One build at a time below a folder, in whatever process."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(recipe: Recipe, image: Image, settings: BuildSettings) -> None:
    engine, base = find_engine(settings.cache / "buildah", settings.engine), settings.base
    engine.tidy()
    _step(f"{base}: fetching or making the base image", lambda: ensure_base(engine, base))
    _step(f"{image.name}: building with {engine.name}", lambda: _build(engine, recipe, image, settings))
    _forget_old(recipe, image)


def _build(engine: Engine, recipe: Recipe, image: Image, settings: BuildSettings) -> None:
    where = settings.repository
    engine.build(where / recipe.containerfile, where / recipe.context, image.name, settings.base)
    engine.save(image.name, image.archive)
    engine.forget(image.name)


def _forget_old(recipe: Recipe, image: Image) -> None:
    archives = sorted(
        image.archive.parent.glob(f"{recipe.name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for archive in archives[KEPT_ARCHIVES:]:
        archive.unlink()


def _step(title: str, work: Callable[[], None]) -> None:
    start = time.monotonic()
    _say(title)
    work()
    _say(f"{title}: done in {time.monotonic() - start:.0f} s")


def _say(line: str) -> None:
    print(f"images: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Prints ``{"avi-egress-router": {"name": ..., "archive": ...}, ...}``; 1 and a sentence when a build fails."""
    argparse.ArgumentParser(prog="python -m images.build", description=__doc__).parse_args()
    try:
        images = build_all()
    except BuildError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    print(json.dumps({name: asdict(image) for name, image in images.items()}, indent=2, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
