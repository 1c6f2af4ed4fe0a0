# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The network outside the cluster: where leased addresses come from and where the remote application is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml


class DemoError(Exception):
    """The demonstration cannot go on; the text names the thing and the remedy."""


@dataclass(frozen=True)
class Outside:
    """What the demonstration has to know of the outside LAN; strings as the playbook takes them.

    All its addresses are of one family; a LAN with both has two of these.
    """

    subnet: str
    gateway: str
    begin: str
    """The first and the last address that may be leased."""
    end: str
    destination: str
    """The remote application: HTTP on port 80, answers ``/json`` with the ``peer`` address that it saw."""
    bridge_subnet: str = "172.18.0.1/16"
    uplink: str | None = None

    def network(self, *others: Outside) -> dict[str, Any]:
        """The EgressNetwork ``outside``, as the role's variable has it, with others' subnets beside its own."""
        subnets = [
            {"cidr": one.subnet, "gateway": one.gateway, "ranges": [{"begin": one.begin, "end": one.end}]}
            for one in (self, *others)
        ]
        return {"name": "outside", "subnets": subnets, **({"uplink": self.uplink} if self.uplink else {})}


def read(path: Path) -> tuple[Outside, dict[str, str]]:
    """An Outside and the images' names from a YAML file; for a cluster that is not the demonstration's own.

    Keys are the fields of Outside, and ``router_image`` and ``controller_image``, which the cluster must be able
    to pull. Raises DemoError.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DemoError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise DemoError(f"{path}: give a mapping with subnet, gateway, begin, end, destination and the two images")
    images = {key: str(content.pop(key)) for key in ("router_image", "controller_image") if key in content}
    known = {item.name for item in fields(Outside)}
    unknown, missing = set(content) - known, {"subnet", "gateway", "begin", "end", "destination"} - set(content)
    if unknown or missing or len(images) != 2:
        missing |= {"router_image", "controller_image"} - set(images)
        raise DemoError(f"{path}: not known: {_listed(unknown)}; missing: {_listed(missing)}")
    return Outside(**content), images


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"
