# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The names of this collection's variables, and what somebody who misspelt one of them has meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Iterable, Mapping

from ansible.module_utils.common.yaml import yaml_load

COLLECTION = Path(__file__).parents[2]
PREFIX = "egress_"
ALIKE = 0.85
"""How much of a name must be the same (difflib's ratio), so that ``projets`` is a mistake and ``password`` is not."""

_NAME = re.compile(rf"\b{PREFIX}\w+")
_OPTIONAL = re.compile(rf"\b({PREFIX}\w+) *\| *default\(|^    ({PREFIX}awx_\w+):", re.MULTILINE)
"""A variable of a playbook: it may be left out."""


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Of variables that begin as ours do, those that are none of ours but look like one, each with that one."""
    meant = {name.removeprefix(PREFIX): name for name in variables()}
    strange = sorted(set(names) - _known())
    alike = {name: get_close_matches(name.removeprefix(PREFIX), meant, 1, ALIKE) for name in strange}
    return {name: meant[found[0]] for name, found in alike.items() if found}


@cache
def variables() -> frozenset[str]:
    """What somebody may set."""
    of_playbooks = [name for text in _texts("playbooks/*.yml") for found in _OPTIONAL.findall(text) for name in found]
    return frozenset([*options(), *filter(None, of_playbooks)])


@cache
def options() -> Mapping[str, Mapping[str, Any]]:
    """What the argument specs say of each variable of the role."""
    specs = yaml_load((COLLECTION / "roles/egress/meta/argument_specs.yml").read_text())["argument_specs"]
    return {name: option for spec in specs.values() for name, option in spec.get("options", {}).items()}


@cache
def _known() -> frozenset[str]:
    """All names that role and playbooks have for anything, as tasks that have been run leave some of them behind."""
    texts = [*_texts("playbooks/**/*.yml"), *_texts("roles/egress/**/*.yml"), *_texts("roles/egress/**/*.j2")]
    return frozenset(name for text in texts for name in _NAME.findall(text))


def _texts(pattern: str) -> list[str]:
    return [path.read_text() for path in COLLECTION.glob(pattern)]
