# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Each playbook has its page, which names its variables and statistics, all of them and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import files

COLLECTION = Path(__file__).parents[3]
ROLE = COLLECTION / "roles/egress"
PAGES = COLLECTION / "docs/playbooks"
PLAYBOOKS = sorted(path.stem for path in files("playbooks/*.yml"))
VARIABLE = re.compile(r"(?<!\.)\begress_[a-z0-9_]+\b")
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.M)
ANNOTATION = "egress_pod"


@cache
def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def walk(content: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep."""
    if isinstance(content, dict):
        yield from content.items()
    for item in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from walk(item)


@cache
def specs() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = parsed(ROLE / "meta/argument_specs.yml")["argument_specs"]
    return found


def plays(playbook: str) -> list[dict[str, Any]]:
    """The plays of a playbook and of those that it imports."""
    found: list[dict[str, Any]] = []
    for play in parsed(COLLECTION / f"playbooks/{playbook}.yml"):
        imported = play.get("ansible.builtin.import_playbook")
        found += plays(Path(imported).stem) if imported else [play]
    return found


def entry_points(playbook: str) -> set[str]:
    """Of the role, where the playbook runs it."""
    actions = ("ansible.builtin.import_role", "ansible.builtin.include_role")
    return {role.get("tasks_from", "main") for key, role in walk(plays(playbook)) if key in actions}


def made_by(content: Any) -> set[str]:
    """Names that tasks give to what they find out, or to what they pass on."""
    names: set[str] = set()
    for key, value in walk(content):
        if key in ("register", "index_var", "loop_var"):
            names.add(value)
        elif key == "ansible.builtin.set_fact":
            names |= set(value)
    return names


def of_plays(playbook: str) -> set[str]:
    """Variables that a playbook sets for itself."""
    return {name for key, value in walk(plays(playbook)) if key == "vars" for name in value}


@cache
def of_role() -> set[str]:
    """What the role makes for itself."""
    names = set(parsed(ROLE / "vars/main.yml"))
    for path in files("tasks/*.yml", below=ROLE):
        names |= made_by(parsed(path)) | {name for key, value in walk(parsed(path)) if key == "vars" for name in value}
    return names


def stats(playbook: str) -> set[str]:
    return {
        name for key, value in walk(plays(playbook)) if key == "ansible.builtin.set_stats" for name in value["data"]
    }


def inputs(playbook: str) -> dict[str, Any]:
    """The variables that somebody may set for a playbook, with their defaults as far as the role knows them."""
    own = set(VARIABLE.findall(yaml.safe_dump(plays(playbook))))
    made = made_by(plays(playbook)) | of_plays(playbook) | of_role() | stats(playbook)
    found: dict[str, Any] = dict.fromkeys(own - made)
    for entry_point in entry_points(playbook):
        found |= {name: option.get("default") for name, option in specs()[entry_point]["options"].items()}
    return found


def page(playbook: str) -> str:
    return (PAGES / f"{playbook}.md").read_text()


def section(playbook: str, title: str) -> str:
    _before, _title, rest = page(playbook).partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def test_every_playbook_has_a_page_and_every_page_a_playbook() -> None:
    assert sorted(path.stem for path in files("*.md", below=PAGES)) == PLAYBOOKS


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_page_lists_the_variables_with_their_defaults(playbook: str) -> None:
    listed, known = dict(ROW.findall(section(playbook, "Variables"))), inputs(playbook)

    assert set(known) <= set(listed)
    assert set(listed) - set(known) <= of_plays(playbook)
    for name, default in known.items():
        if default is not None:
            assert yaml.safe_load(listed[name].strip("`")) == default, name


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_page_lists_the_statistics(playbook: str) -> None:
    assert set(dict(ROW.findall(section(playbook, "Stats")))) == stats(playbook)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_page_names_nothing_that_is_not_there(playbook: str) -> None:
    everywhere = {name for other in PLAYBOOKS for name in (*inputs(other), *of_plays(other), *stats(other))}

    assert set(VARIABLE.findall(page(playbook))) <= everywhere | set(PLAYBOOKS) | {ANNOTATION}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_statistic_is_a_variable_that_a_later_job_would_take_it_for(playbook: str) -> None:
    """A workflow hands statistics on as extra variables, which win over what tasks register."""
    for other in PLAYBOOKS:
        assert not stats(playbook) & (made_by(plays(other)) | of_plays(other) | of_role()), other


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_playbook_asks_anybody(playbook: str) -> None:
    assert not {"vars_prompt", "ansible.builtin.pause"} & {key for key, _value in walk(plays(playbook))}
