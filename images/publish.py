# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Has both images in a registry: ``python -m images.publish`` with a request on its standard input, as JSON.

This is the hand of the role's ``images`` tasks. The registry is asked first, by the tag that an image's source gives:
what is there is neither built nor pushed. Each image is named by its digest, so that nobody can put another in its
place.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Mapping

from .build import RECIPES, BuildSettings, Recipe, built, source_digest
from .engine import BuildError
from .registry import Registry, RegistryError, RegistryLogin, opened


@dataclass(frozen=True)
class Published:
    """One image as pods name it."""

    image: str
    """``registry/name@digest``; with its tag for what check mode did not push, as its digest is not known yet."""
    pushed: bool


def publish(
    login: RegistryLogin, settings: BuildSettings, seen_as: str = "", check: bool = False
) -> dict[str, Published]:
    """Every image by its recipe's name, built and pushed where the registry lacks it; with ``check`` only foreseen.

    ``seen_as`` is the nodes' name of the same place, where they have another. Raises BuildError and RegistryError.
    """
    with opened(login) as registry:
        return {
            recipe.name: _published(registry, recipe, settings, seen_as or login.place, check) for recipe in RECIPES
        }


def _published(registry: Registry, recipe: Recipe, settings: BuildSettings, place: str, check: bool) -> Published:
    tagged = f"{recipe.name}:{source_digest(recipe, settings)}"
    digest = registry.digest(tagged)
    if digest:
        return Published(f"{place}/{recipe.name}@{digest}", pushed=False)
    if check:
        return Published(f"{place}/{tagged}", pushed=True)
    digest = registry.push(built(recipe, settings).archive, tagged)
    return Published(f"{place}/{recipe.name}@{digest}", pushed=True)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    login = RegistryLogin(
        request["registry"],
        username=request.get("username", ""),
        password=request.get("password", ""),
        ca=request.get("ca", ""),
        verify=request.get("tls_verify", True),
    )
    settings = BuildSettings(base=request["base"], engine=request.get("builder"))
    images = publish(login, settings, request.get("seen_as", ""), request.get("check", False))
    return {
        "changed": any(one.pushed for one in images.values()),
        "images": {name: one.image for name, one in images.items()},
    }


def main() -> int:
    """Prints ``{"changed": ..., "images": {"avi-egress-router": ..., ...}}``, or ``{"failure": ...}`` and gives 1."""
    try:
        print(json.dumps(_answer(json.load(sys.stdin))))
    except (BuildError, RegistryError) as error:
        print(json.dumps({"failure": str(error)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
