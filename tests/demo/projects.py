# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The demonstration's two projects: made, recognised and removed by a label, so that nobody else's are touched."""

from __future__ import annotations

from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError
from tests.support.playbook import OTHER_PROJECT, PROJECT

LABEL = "egress.avi.dev/demo"
PRODUCT_NAMESPACE = "avi-egress"


def make(kubectl: Kubectl) -> None:
    """Make both projects; DemoError, before anything is written, where they or the product are somebody else's."""
    ours = existing(kubectl)
    for name in (PROJECT, OTHER_PROJECT):
        if name not in ours and _exists(kubectl, name):
            raise DemoError(f"namespace {name} exists and is not the demo's; use another cluster, or rename it")
    if not ours and _exists(kubectl, PRODUCT_NAMESPACE):
        raise DemoError("avi.egress is installed in this cluster already; the demo would take it over: use another")
    for name in (PROJECT, OTHER_PROJECT):
        if name not in ours:
            metadata = {"name": name, "labels": {LABEL: "true"}}
            kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def existing(kubectl: Kubectl) -> list[str]:
    """The demonstration's own projects that are there."""
    found = kubectl.json("get", "namespaces", "-l", LABEL)["items"]
    return [item["metadata"]["name"] for item in found]


def remove(kubectl: Kubectl) -> bool:
    """Remove the demonstration's own projects and wait until they are gone; whether there were any."""
    ours = existing(kubectl)
    if ours:
        kubectl.run("delete", "namespace", *ours, "--timeout=120s", timeout=150)
    return bool(ours)


def _exists(kubectl: Kubectl, namespace: str) -> bool:
    return bool(kubectl.run("get", "namespace", namespace, "--ignore-not-found", "-o", "name").strip())
