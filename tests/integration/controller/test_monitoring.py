# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Prometheus scrapes a controller, and each query of the dashboard and of the rules has something to look at."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_NETWORK

from tests.support.controller_process import ControllerProcess
from tests.support.monitoring import exposed, metrics_of, queries, rules
from tests.support.prometheus import prometheus
from tests.support.waiting import wait_for
from tests.support.world import World

ALERTS = {rule["alert"] for rule in rules()}
PREFIX = "avi_egress_controller_"


def test_prometheus_gets_what_dashboard_and_rules_ask_of_the_controller(
    world: World, controller: ControllerProcess, tmp_path: Path
) -> None:
    world.set_up(prefix=28)
    world.serve("shop")
    world.wait_served("shop")
    wait_for("its figures", lambda: (world.cluster.get(EGRESS_NETWORK, world.name) or {})["status"].get("bound") == 1)
    asked = queries()
    with urllib.request.urlopen(f"http://{controller.address}/metrics", timeout=5) as answer:
        there = exposed(answer.read().decode())
    assert {name for query in asked.values() for name in metrics_of(query) if name.startswith(PREFIX)} <= there

    with prometheus(tmp_path, {"controller": controller.address}) as server:
        network = f'network="{world.name}"'
        (capacity,) = wait_for("a scrape", lambda: server.query(f"{PREFIX}network_capacity{{{network}}}"))
        (free,) = server.query(f"{PREFIX}network_available{{{network}}}")
        assert float(capacity["value"][1]) - float(free["value"][1]) == 1
        (waiting,) = server.query(f'{PREFIX}services{{project="{world.namespace}"}}')
        assert (waiting["metric"]["ready"], waiting["metric"]["reason"]) == ("false", "WaitingForPod")
        wait_for("a second scrape, for the rates", lambda: server.query(f"rate({PREFIX}api_requests[1m])"))
        seen = {name: server.query(query) for name, query in asked.items()}
        of_controller = {name for name, query in asked.items() if PREFIX in query and name not in ALERTS}
        assert [name for name in sorted(of_controller) if not seen[name]] == []
        assert seen["EgressServiceNotReady"][0]["metric"]["reason"] == "WaitingForPod"
        assert seen["EgressControllerMissing"] == [], "one leads"
        assert [item for item in seen["EgressNetworkTrouble"] if item["metric"]["network"] == world.name] == []
