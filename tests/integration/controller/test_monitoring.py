# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Prometheus scrapes a controller, and each query of the dashboard and of the rules has something to look at."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_NETWORK

from tests.support.controller_process import ControllerProcess
from tests.support.monitoring import exposed, metrics_of, queries, relabelings, router_page, rules
from tests.support.prometheus import job, prometheus
from tests.support.waiting import wait_for
from tests.support.world import World

ALERTS = {rule["alert"] for rule in rules()}
PREFIX = "avi_egress_controller_"


@contextmanager
def egress_pod() -> Iterator[int]:
    """An HTTP server that answers as a router's health port, by its own page; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(router_page().encode())

        def log_message(self, format: str, *args: object) -> None:
            """Not worth a line."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def pods(port: int) -> Iterator[dict[str, Any]]:
    """One egress pod in its project and one in a gateway, as Kubernetes' discovery tells of them."""
    for namespace, labels in (
        ("green", {"name": "shop-avi-egress-pod"}),
        (
            "avi-egress",
            {
                "name": "blue-web-x-avi-egress-pod",
                "egress_avi_dev_namespace": "blue",
                "egress_avi_dev_service": "web",
            },
        ),
    ):
        told = {
            "namespace": namespace,
            "pod_ip": "127.0.0.1",
            "pod_container_name": "avi-egress-router",
            "pod_annotation_prometheus_io_port": str(port),
            **{f"pod_label_{key}": value for key, value in labels.items()},
        }
        meta = {f"__meta_kubernetes_{key}": value for key, value in told.items()}
        yield job(f"of {namespace}", "127.0.0.1", relabelings("avi-egress-router"), **meta)


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

    with egress_pod() as port, prometheus(tmp_path, [job("controller", controller.address), *pods(port)]) as server:
        network = f'network="{world.name}"'
        (capacity,) = wait_for("a scrape", lambda: server.query(f"{PREFIX}network_capacity{{{network}}}"))
        (free,) = server.query(f"{PREFIX}network_available{{{network}}}")
        assert float(capacity["value"][1]) - float(free["value"][1]) == 1
        (waiting,) = server.query(f'{PREFIX}services{{project="{world.namespace}"}}')
        assert (waiting["metric"]["ready"], waiting["metric"]["reason"]) == ("false", "WaitingForPod")
        for metric in (f"{PREFIX}api_requests", "egress_router_bytes_total"):
            wait_for("a second scrape, for the rates", lambda of=metric: server.query(f"rate({of}[1m])"))
        seen = {name: server.query(query) for name, query in asked.items()}
        assert [name for name in sorted(asked.keys() - ALERTS) if not seen[name]] == []
        silent = [item["metric"] for item in seen["EgressDestinationFails"]]
        assert [(item["project"], item["service"], item["verdict"]) for item in silent] == [
            ("blue", "web", "Silent"),
            ("green", "shop", "Silent"),
        ], "whose it is, in its project and in a gateway"
        # Those of other tests' worlds are there too.
        unready = [item["metric"] for item in seen["EgressServiceNotReady"]]
        assert [item["reason"] for item in unready if item["project"] == world.namespace] == ["WaitingForPod"]
        assert seen["EgressControllerMissing"] == [], "one leads"
        assert [item for item in seen["EgressNetworkTrouble"] if item["metric"]["network"] == world.name] == []
