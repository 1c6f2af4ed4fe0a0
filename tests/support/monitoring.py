# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The role's alerting rules and dashboard, and what they ask of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import jinja2
import yaml
from egress_router import metrics
from egress_router.config import Destination, Protocol, ServedPort
from egress_router.conntrack import Remote, Statistics
from egress_router.nat import Counters
from egress_router.verdicts import Finding, Verdict

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


def relabelings(monitor: str) -> list[dict[str, Any]]:
    """How a PodMonitor of the role's makes labels of what is known of a pod."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"from_yaml": yaml.safe_load, "to_json": json.dumps}
    template = environment.from_string((FILES.parents[1] / "templates/monitoring.yaml.j2").read_text())
    text = template.render(
        lookup=lambda _plugin, path, **_options: (FILES.parent / path).read_text(),
        egress_monitoring_served=["PodMonitor"],
        egress_monitoring_labels={},
        egress_namespace="avi-egress",
    )
    (found,) = (item for item in yaml.safe_load_all(text) if item and item["metadata"]["name"] == monitor)
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    return list(endpoint.get("relabelings") or ())


def router_page() -> str:
    """What a router with one destination that is silent tells."""
    port, remote = ServedPort(80, Protocol.TCP), Remote(Protocol.TCP, ip_address("10.10.10.200"), 80)
    status = metrics.Status(
        problem="a destination is silent",
        counters=Counters({}, {}, {}),
        lookup_failures={},
        connections=Statistics(1, 2, {}),
        source_ports={remote: 1},
        findings={port: Finding(Verdict.SILENT)},
        claims=1,
        conflicts=0,
        repairs=0,
    )
    return metrics.render({port: Destination("10.10.10.200", 80)}, status)
