# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The CustomResourceDefinitions that the role installs, and OpenShift's SecurityContextConstraints."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import CUSTOM_RESOURCE_DEFINITION
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.checkout import CHECKOUT, files
from tests.support.waiting import wait_for

CRDS = files("roles/egress/files/crds/*.yaml")
SCC_CRD = CHECKOUT / "tests/cluster/manifests/scc-crd.yaml"
SCC = "securitycontextconstraints.security.openshift.io"
"""The name of the definition in it."""


def define(cluster: KubeClient, manifests: Iterable[Path]) -> None:
    """Install CustomResourceDefinitions that are not there yet, and wait until they are served."""
    for manifest in manifests:
        for body in yaml.safe_load_all(manifest.read_text()):
            name = body["metadata"]["name"]
            if cluster.get(CUSTOM_RESOURCE_DEFINITION, name) is None:
                cluster.create(CUSTOM_RESOURCE_DEFINITION, body)
            wait_for(f"{name} to be served", partial(is_served, cluster, name))


def is_served(cluster: KubeClient, name: str) -> bool:
    found = cluster.get(CUSTOM_RESOURCE_DEFINITION, name) or {}
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
