# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who may import whom: the folders of the core, the controller and the router are the architecture."""

from __future__ import annotations

import pytest

from tests.support.imports import BASE, REPOSITORY, Import, closure, imports_of, modules_of
from tests.support.layers import ROOMS, WINGS

CORE = "plugins/module_utils"
CONTROLLER = "images/egress_controller/egress_controller"
ROUTER = "images/egress_router/egress_router"

PURE = ("api", "annotations", "ipam", "workload")
"""Wings that decide and reach nothing: no API server, no threads, no files, no Ansible."""
REACHES_OUT = {
    "ansible", "asyncio", "concurrent", "http", "kubernetes", "multiprocessing", "openshift", "queue", "requests",
    "selectors", "shutil", "socketserver", "ssl", "subprocess", "tempfile", "threading", "urllib3",
}  # fmt: skip
"""Top-level packages by which a module reaches a client, threads, files or Ansible."""
OF_EGRESS = ("annotations", "ipam", "workload")
"""Wings that know what egress is: the controller's runtime imports none of them."""


def wing(module: str) -> str:
    """The folder of the core that a module of it is in."""
    return module.removeprefix(f"{BASE}.").partition(".")[0]


def told(found: list[Import], remedy: str) -> str:
    """One line for each import that breaks a layer, and what to do."""
    return "".join(f"\n{item.where} imports {item.module}: {remedy}" for item in found)


@pytest.mark.parametrize("name", WINGS)
def test_a_wing_of_the_core_imports_the_wings_below_it_alone(name: str) -> None:
    found = [item for path in modules_of(f"{CORE}/{name}") for item in imports_of(path) if item.module.startswith(BASE)]
    above = [item for item in found if wing(item.module) not in {name} | WINGS[name]]
    assert found or name == "api", f"nothing in {CORE}/{name} imports anything of the core: has it moved?"
    assert not above, told(above, f"{name} may import {sorted(WINGS[name])}; move what both need down")


def test_every_module_of_the_core_is_in_a_wing() -> None:
    loose = [str(path.relative_to(REPOSITORY)) for path in modules_of(CORE) if path.parent == REPOSITORY / CORE]
    folders = {path.name for path in (REPOSITORY / CORE).iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert loose == [], "put them in a wing"
    assert folders == set(WINGS), "say in WINGS what the new folder may import"


@pytest.mark.parametrize("name", PURE)
def test_what_decides_reaches_no_client_thread_file_or_ansible(name: str) -> None:
    found = [item for path in modules_of(f"{CORE}/{name}") for item in imports_of(path)]
    out = [item for item in found if item.module.partition(".")[0] in REACHES_OUT]
    assert found, f"nothing in {CORE}/{name} imports anything: has it moved?"
    assert not out, told(out, "hand the result in; client and module are the shells")


def test_the_client_knows_no_ansible() -> None:
    found = [item for path in modules_of(f"{CORE}/client") for item in imports_of(path)]
    out = [item for item in found if item.module.partition(".")[0] == "ansible"]
    assert not out, told(out, "the controller's image has no Ansible")


@pytest.mark.parametrize("name", ROOMS)
def test_a_folder_of_the_controller_imports_the_folders_below_it_alone(name: str) -> None:
    found = [item for path in modules_of(f"{CONTROLLER}/{name}") for item in imports_of(path)]
    own = [item for item in found if item.module.startswith("egress_controller.")]
    above = [item for item in own if item.module.split(".")[1] not in {name} | ROOMS[name]]
    assert found, f"nothing in {CONTROLLER}/{name} imports anything: has it moved?"
    assert not above, told(above, f"{name} may import {sorted(ROOMS[name])}; move what both need down")


def test_the_controllers_runtime_knows_nothing_of_egress() -> None:
    found = [item for path in modules_of(f"{CONTROLLER}/runtime") for item in imports_of(path)]
    core = [item for item in found if item.module.startswith(BASE) and wing(item.module) in OF_EGRESS]
    assert not core, told(core, "runtime may import api and client; a reconciler knows egress")


def test_the_controller_imports_no_module_of_ansibles() -> None:
    found = [item for path in modules_of(CONTROLLER) for item in imports_of(path)]
    of_modules = [item for item in found if item.module.startswith(BASE) and wing(item.module) == "module"]
    assert any(item.module.startswith(BASE) for item in found)
    assert not of_modules, told(of_modules, "the controller's image does not carry module; move what both need down")


def test_the_controllers_image_carries_what_it_imports_and_no_more() -> None:
    carried = {path for name in WINGS if name != "module" for path in modules_of(f"{CORE}/{name}")}
    assert {str(path.relative_to(REPOSITORY)) for path in carried ^ closure(modules_of(CONTROLLER))} == set()


def test_the_router_imports_nothing_of_the_rest() -> None:
    found = [item for path in modules_of(ROUTER) for item in imports_of(path)]
    rest = [item for item in found if item.module.partition(".")[0] in ("ansible_collections", "egress_controller")]
    assert any(item.module.startswith("egress_router") for item in found)
    assert not rest, told(rest, "the router knows the rest by its environment variables alone")


def test_the_collection_imports_nothing_of_its_images() -> None:
    found = [item for path in modules_of("plugins") for item in imports_of(path)]
    images = [
        item for item in found if item.module.partition(".")[0] in ("egress_controller", "egress_router", "images")
    ]
    assert not images, told(images, "users have the collection alone")
