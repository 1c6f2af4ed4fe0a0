# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An API server that admits pods as OpenShift does: its own SCC admission, definition and SCCs; no nodes.

What allocates UIDs and SELinux levels to namespaces on OpenShift, and syncs their Pod Security labels, can't be had as
a Go module: the first is played here, the second is not there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient, Selection

from tests.cluster import tools
from tests.support.api_server import CONTROLLERS, ApiServer, ControlPlane, api_server
from tests.support.definitions import define
from tests.support.standard_sccs import standard_sccs

_MAKE_PODS = ("replicationcontroller", "statefulset", "deployment", "replicaset")
CONTROL_PLANE = ControlPlane(
    tools.OPENSHIFT, ",".join([CONTROLLERS, *(f"{name}-controller" for name in _MAKE_PODS)]), own_accounts=True
)
UID_RANGE = "openshift.io/sa.scc.uid-range"
_DEFINITION = "payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints-Default.crd.yaml"
_FIRST_UID, _UIDS = 1_000_000_000, 10_000
_WATCH_SECONDS = 1


@contextmanager
def openshift(folder: Path) -> Iterator[ApiServer]:
    """It enforces Pod Security's ``restricted`` in namespaces without a label, the strictest that a cluster may do."""
    with api_server(folder, "restricted", CONTROL_PLANE) as server:
        cluster = server.cluster()
        define(cluster, [tools.module_folder(tools.OPENSHIFT, "github.com/openshift/api") / _DEFINITION])
        for resource, body in standard_sccs():
            cluster.create(resource, body)
        with _allocation(cluster):
            yield server


@contextmanager
def _allocation(cluster: KubeClient) -> Iterator[None]:
    """Every namespace gets UIDs and an SELinux level of its own as soon as it is seen."""
    ended = threading.Event()
    allocating = threading.Thread(target=_allocate_all, args=(cluster, ended), daemon=True)
    allocating.start()
    try:
        yield
    finally:
        ended.set()
        allocating.join()


def _allocate_all(cluster: KubeClient, ended: threading.Event) -> None:
    known: dict[str, int] = {}
    while not ended.is_set():
        found, version = cluster.list_with_version(NAMESPACE)
        for namespace in found:
            _allocate(cluster, namespace, known)
        for kind, namespace in cluster.watch(Selection(NAMESPACE), version=version, timeout=_WATCH_SECONDS):
            if kind == "ADDED":
                _allocate(cluster, namespace, known)


def _allocate(cluster: KubeClient, namespace: KubeObject, known: dict[str, int]) -> None:
    name = namespace["metadata"]["name"]
    if UID_RANGE in (namespace["metadata"].get("annotations") or {}):
        return
    number = known.setdefault(name, len(known))
    uids = f"{_FIRST_UID + number * _UIDS}/{_UIDS}"
    annotations = {
        UID_RANGE: uids,
        "openshift.io/sa.scc.supplemental-groups": uids,
        "openshift.io/sa.scc.mcs": f"s0:c{number + 1},c0",
    }
    cluster.patch(NAMESPACE, name, {"metadata": {"annotations": annotations}})
