# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's metrics say what the statuses of networks and services say, and no more."""

from __future__ import annotations

from typing import Any

from egress_controller.cache import status_metrics
from egress_controller.runtime.metrics import Metrics


def network(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


def service(namespace: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": namespace}, "status": {"conditions": list(conditions)}}


def told(networks: list[dict[str, Any]], services: list[dict[str, Any]]) -> list[str]:
    """The samples, without those of reconciliations."""
    metrics = Metrics("x")
    status_metrics.register(metrics, lambda: networks, lambda: services)
    lines = metrics.text().decode().splitlines()
    return [line for line in lines if not line.startswith(("#", "x_reconcile"))]


def test_a_network_tells_its_figures_and_each_condition_by_its_reason() -> None:
    low = {"type": "AddressesAvailable", "status": "True", "reason": "PoolAlmostExhausted", "message": "m"}
    assert told([network("lan", capacity=50, available=2, conditions=[low])], []) == [
        'x_network_capacity{network="lan"} 50.0',
        'x_network_available{network="lan"} 2.0',
        'x_network_conditions{network="lan",reason="PoolAlmostExhausted",type="AddressesAvailable"} 1.0',
    ]


def test_a_network_without_figures_tells_none() -> None:
    assert told([network("new"), {"metadata": {"name": "bare"}}], []) == []


def test_services_are_counted_by_project_and_what_their_condition_says() -> None:
    ready = {"type": "EgressReady", "status": "True", "reason": "EgressReady"}
    refused = {"type": "EgressReady", "status": "False", "reason": "PodRefused"}
    services = [service("green", ready), service("green", ready), service("blue", refused), service("blue")]
    assert told([], services) == [
        'x_services{project="blue",ready="false",reason="NotSeen"} 1.0',
        'x_services{project="blue",ready="false",reason="PodRefused"} 1.0',
        'x_services{project="green",ready="true",reason="EgressReady"} 2.0',
    ]
