# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is refused before a registry is asked, and how an image's source names it."""

from __future__ import annotations

from typing import Any

import pytest

from images.build import RECIPES, REPOSITORY, BuildSettings, source_digest
from images.engine import BASE_IMAGE
from images.registry import RegistryError, RegistryLogin, opened


@pytest.mark.parametrize(
    "place",
    ["registry.example", "registry.example:5000/avi", "127.0.0.1:5000/a/b-c", "[fd00::1]:5000/avi", "localhost/avi"],
)
def test_a_place_is_taken(place: str) -> None:
    assert RegistryLogin(place).place == place


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"place": ""}, "egress_registry is ''; give host[:port]/path without a scheme"),
        ({"place": "https://registry.example"}, "egress_registry is 'https://registry.example'; give host"),
        ({"place": "registry.example/avi/"}, "egress_registry is 'registry.example/avi/'; give host"),
        ({"place": "registry.example/avi:latest"}, "egress_registry is 'registry.example/avi:latest'; give host"),
        ({"place": "r", "username": "me"}, "egress_registry_username is given without egress_registry_password"),
        ({"place": "r", "password": "x"}, "egress_registry_password is given without egress_registry_username"),
        ({"place": "r", "ca": "/nowhere/ca.crt"}, "egress_registry_ca is '/nowhere/ca.crt', which is no file of PEM"),
        ({"place": "r", "ca": __file__.replace(".py", "")}, "which is no file of PEM certificates on this machine"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(options: dict[str, Any], told: str) -> None:
    with pytest.raises(RegistryError, match=r"^egress_registry") as refused:
        RegistryLogin(**options)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_credentials_are_the_owners_alone_and_gone_afterwards() -> None:
    with opened(RegistryLogin("registry.example/avi", username="me", password="secret")) as registry:
        auth = registry.folder / "auth.json"
        assert auth.stat().st_mode & 0o077 == 0
        assert registry.folder.stat().st_mode & 0o077 == 0
        assert '"registry.example"' in auth.read_text()
    assert not registry.folder.exists()


def test_another_base_makes_another_image() -> None:
    for recipe in RECIPES:
        mirrored = BuildSettings(base="mirror.example/debian:trixie-slim")
        assert source_digest(recipe) == source_digest(recipe, BuildSettings(base=BASE_IMAGE))
        assert source_digest(recipe) != source_digest(recipe, mirrored)


def test_the_containerfiles_are_built_on_the_base_that_is_asked_for() -> None:
    for recipe in RECIPES:
        lines = (REPOSITORY / recipe.containerfile).read_text().splitlines()
        assert f"ARG BASE={BASE_IMAGE}" in lines
        assert {line.split()[1] for line in lines if line.startswith("FROM ")} == {"${BASE}"}
