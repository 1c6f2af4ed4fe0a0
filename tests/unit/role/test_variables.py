# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The role's variables take all that the objects do, and switches may be text, as surveys give it."""

from __future__ import annotations

import re
from typing import Any, Iterator

import yaml

from tests.support.checkout import CHECKOUT, files

ROLE = CHECKOUT / "roles/egress"


def paths(options: dict[str, Any], inner: str, above: str = "") -> Iterator[str]:
    """Every option with its place, those of lists of dicts too."""
    for name, option in options.items():
        yield f"{above}{name}"
        item = option.get("items", option) if inner == "properties" else option
        if option.get("elements") == "dict" or (inner == "properties" and option["type"] == "array"):
            yield from paths(item.get(inner, {}), inner, f"{above}{name}.")


def test_a_network_takes_each_field_of_an_egress_network() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    network = specs["main"]["options"]["egress_networks"]["options"]
    definition = yaml.safe_load((ROLE / "files/crds/egressnetworks.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert set(paths(network, "options")) - {"name"} == set(paths(schema, "properties"))


def test_switches_are_read_as_truth_values_wherever_they_decide() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    switches = {name for spec in specs.values() for name, option in spec["options"].items() if option["type"] == "bool"}
    sources = [path for folder in ("tasks", "handlers", "templates", "vars") for path in (ROLE / folder).iterdir()]
    bare = re.compile(rf"\b({'|'.join(sorted(switches))})\b(?! \| bool)(?!:)(?! to (?:true|false))")
    told = [
        f"{path.name}: {line.strip()}"
        for path in sources
        for line in path.read_text().splitlines()
        if bare.search(line) and not line.lstrip().startswith("#") and "egress_services_switch" not in line
    ]
    assert told == []


def test_a_variable_is_of_one_type_whatever_it_is_given_for() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    types: dict[str, set[tuple[str, str]]] = {}
    for spec in specs.values():
        for name, option in spec["options"].items():
            types.setdefault(name, set()).add((option["type"], str(option.get("default"))))
    assert [name for name, found in types.items() if len(found) > 1] == []


def test_playbooks_leave_mistakes_to_the_role_which_tells_them_in_one_sentence() -> None:
    """Ansible's own validation, which it puts before the role's first task, tells no value, and takes several lines."""
    names = ("ansible.builtin.import_role", "ansible.builtin.include_role")
    found = [
        task[name]
        for path in files("playbooks/*.yml")
        for play in yaml.safe_load(path.read_text())
        for task in play.get("tasks", ())
        for name in names
        if name in task
    ]
    assert len(found) > 10
    assert [role for role in found if role.get("rolespec_validate") is not False] == []
