# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The role's alerting rules and dashboard, and what they ask of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.checkout import CHECKOUT

FILES = CHECKOUT / "roles/egress/files/monitoring"
RULES = FILES / "rules.yaml"
DASHBOARD = FILES / "dashboard.json"
_METRIC = re.compile(r"\b(?:avi_egress_controller|egress_router)_\w+")
_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    for row in json.loads(DASHBOARD.read_text())["rows"]:
        yield from row["panels"]


def queries() -> dict[str, str]:
    """Each query by the title of its panel, or the name of its alert."""
    asked = {panel["title"]: target["expr"] for panel in panels() for target in panel["targets"]}
    return {**asked, **{rule["alert"]: rule["expr"] for rule in rules()}}


def metrics_of(query: str) -> set[str]:
    """The families that a query is about."""
    return {_HISTOGRAM.sub("", name) for name in _METRIC.findall(query)}


def exposed(text: str) -> set[str]:
    """The families that a page of metrics tells of, counters with their ``_total``."""
    found = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M)
    return {name for name, _kind in found}
