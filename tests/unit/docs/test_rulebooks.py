# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The collection's rulebooks, and those that its pages show, are such as ansible-rulebook takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.module.events.history import TOLD_BY
from ansible_rulebook.validators import Validate

from tests.support.checkout import CHECKOUT, files

PAGE = (CHECKOUT / "docs/how-to/firewall.md").read_text(encoding="utf-8")
SHOWN = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
ON_PAGE = [item for item in SHOWN if isinstance(item, list) and "sources" in item[0]]
RULEBOOKS = [*(yaml.safe_load(path.read_text()) for path in files("extensions/eda/rulebooks/*.yml")), *ON_PAGE]
KIND = re.compile(r'event\.kind == "(\w+)"')


@pytest.mark.parametrize("rulebook", RULEBOOKS, ids=lambda rulebook: str(rulebook[0]["name"]))
def test_a_rulebook_is_valid_and_names_what_is_there(rulebook: list[dict[str, Any]]) -> None:
    Validate.rulebook(rulebook)

    for ruleset in rulebook:
        for rule in ruleset["rules"]:
            assert set(KIND.findall(rule["condition"])) <= set(TOLD_BY)
            if playbook := rule["action"].get("run_playbook"):
                assert (CHECKOUT / f"playbooks/{playbook['name'].removeprefix('avi.egress.')}.yml").is_file()


def test_the_page_shows_one_and_tells_of_each_kind_of_event() -> None:
    assert len(ON_PAGE) == 1
    assert re.findall(r"^\| `(\w+)` \|", PAGE.partition("| `event.kind` |")[2], re.M) == list(TOLD_BY)
