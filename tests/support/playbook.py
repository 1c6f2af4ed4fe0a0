# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Runs the collection's playbooks as a user does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .outside import DemoError, Outside

PROJECT = "green"
OTHER_PROJECT = "blue"
SERVICE = "secure-egress-service"
_RECAP = re.compile(r"^localhost\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


@dataclass(frozen=True)
class Recap:
    """What a run did, from its PLAY RECAP."""

    ok: int
    changed: int
    output: str


def site_variables(outside: Outside, images: Mapping[str, str]) -> dict[str, Any]:
    """The variables of ``avi.egress.site`` for the demonstration: one network, one project."""
    return {
        "egress_secure_mode": True,
        "egress_bridge_subnet": outside.bridge_subnet,
        "egress_router_image": images["avi-egress-router"],
        "egress_controller_image": images["avi-egress-controller"],
        "egress_networks": [outside.network()],
        "egress_placement": "project",  # the article's, also where it is not the default
        "egress_projects": [PROJECT],
    }


def service_variables(outside: Outside) -> dict[str, Any]:
    """The article's ``secure-egress-service``, as variables of ``avi.egress.egress_service``."""
    return {
        "egress_service_name": SERVICE,
        "egress_service_namespace": PROJECT,
        "egress_service_labels": {"svc": SERVICE},
        "egress_service_destination_ip": outside.destination,
        "egress_service_ports": [{"name": "foo", "port": 80}],
    }


def run(
    kubeconfig: Path, variables: Mapping[str, Any], *playbooks: str, show: bool = True, check: bool = False
) -> Recap:
    """Run playbooks of this collection by their names; DemoError with the failing task when one fails."""
    command = ["ansible-playbook", *(f"avi.egress.{name}" for name in playbooks), "-e", json.dumps(variables)]
    if check:
        command += ["--check", "--diff"]
    environment = {
        **os.environ,
        "K8S_AUTH_KUBECONFIG": str(kubeconfig),
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    }
    lines: list[str] = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if show and line.startswith(("PLAY [", "TASK [", "changed:", "fatal:", "localhost ")):
                print(f"  {line[:160].rstrip()}", file=sys.stdout, flush=True)
    output = "".join(lines)
    # One recap follows each play and counts on from the one before: the last one speaks for the run.
    recaps = _RECAP.findall(output)
    if process.returncode or not recaps:
        told = [line for line in lines if line.startswith(("fatal:", "ERROR", "[ERROR]", "failed:"))]
        raise DemoError(f"ansible-playbook {' '.join(playbooks)} failed: {(told or lines)[-1].strip()}")
    ok, changed, _unreachable, _failed = map(int, recaps[-1])
    return Recap(ok, changed, output)
