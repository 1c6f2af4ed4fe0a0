# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whether a cluster is as it should be. Looks only."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cluster import addons, inventory, network, node, processes
from tests.cluster.api import Api
from tests.cluster.layout import Layout


@dataclass(frozen=True)
class ComponentState:
    """One process that the cluster should have; `pid` is None when it does not run."""

    name: str
    pid: int | None

    @property
    def state(self) -> str:
        return "running" if self.pid is not None else "not running"


def states(layout: Layout) -> list[ComponentState]:
    found = []
    for name in inventory.names(layout):
        known = processes.identity(layout, name)
        found.append(ComponentState(name, known.pid if known is not None else None))
    return found


def problems(layout: Layout) -> list[str]:
    """What is wrong, one sentence each; empty when the cluster is healthy."""
    if not layout.state.exists() and not network.partly_exists(layout):
        return [f"The cluster {layout.name} does not exist: run `up`."]
    if not layout.complete.exists():
        return [f"The cluster {layout.name} is half made: run `up`, which makes it anew."]
    found = [f"{one.name} is not running." for one in states(layout) if one.pid is None]
    api = Api(layout)
    if not api.ready():
        return [*found, f"The API server does not answer on 127.0.0.1:{layout.api_port}."]
    ready = api.ready_nodes()
    found += [f"{one.name} is not Ready." for one in layout.nodes if one.name not in ready]
    found += [
        f"{one.name} does not serve Services and policies." for one in layout.nodes if not node.serves(layout, one)
    ]
    if not addons.dns_answers(layout):
        found.append("The cluster's DNS does not answer.")
    return found
