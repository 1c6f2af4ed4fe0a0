# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The alerting rules fire where they should, and rules and dashboard ask for metrics that the router has."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.monitoring import DASHBOARD, RULES, exposed, metrics_of, panels, queries, router_page, rules

CASES = Path(__file__).with_name("rules.test.yaml")


def promtool(*arguments: str, folder: Path) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_well_formed_and_fire_where_they_should(tmp_path: Path) -> None:
    for source in (RULES, CASES):
        shutil.copy(source, tmp_path)
    promtool("check", "rules", RULES.name, folder=tmp_path)
    promtool("test", "rules", CASES.name, folder=tmp_path)


def test_each_rule_is_tested_with_its_contrary() -> None:
    well, ill = yaml.safe_load(CASES.read_text())["tests"]
    names = sorted(rule["alert"] for rule in rules())
    for case, fires in ((well, False), (ill, True)):
        tested = case["alert_rule_test"]
        assert sorted(item["alertname"] for item in tested) == names
        assert {bool(item["exp_alerts"]) for item in tested} == {fires}


def test_the_router_has_each_metric_that_is_asked_of_it() -> None:
    there = exposed(router_page())
    asked = {name for query in queries().values() for name in metrics_of(query) if name.startswith("egress_router_")}
    assert asked - there == set()
    assert asked


def test_every_panel_has_its_own_number_and_title() -> None:
    found = list(panels())
    for key in ("id", "title"):
        assert [value for value, times in Counter(panel[key] for panel in found).items() if times > 1] == []
    assert json.loads(DASHBOARD.read_text())["uid"] == "avi-egress"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_what_its_query_keeps(rule: dict[str, Any]) -> None:
    """A label that the query drops would leave a hole in the sentence."""
    words = " ".join(rule["annotations"].values())
    for label in ("project", "service", "pod", "network", "kind", "destination", "address"):
        assert ("$labels." + label not in words) or label in rule["expr"], label
