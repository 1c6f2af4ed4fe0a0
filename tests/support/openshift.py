# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An API server that admits pods as OpenShift does: its own SCC admission, definition and SCCs; no nodes.

What allocates UIDs and SELinux levels to namespaces on OpenShift, and syncs their Pod Security labels, can't be had as
a Go module: the first is played here, the second is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    SECURITY_CONTEXT_CONSTRAINTS,
)

from tests.cluster import addons, tools
from tests.cluster.processes import python
from tests.cluster.standard_sccs import standard_sccs
from tests.support.api_server import CONTROLLERS, ApiServer, ControlPlane, api_server
from tests.support.checkout import CHECKOUT
from tests.support.definitions import define
from tests.support.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING

_MAKE_PODS = ("replicationcontroller", "statefulset", "deployment", "replicaset")
CONTROL_PLANE = ControlPlane(
    tools.OPENSHIFT, ",".join([CONTROLLERS, *(f"{name}-controller" for name in _MAKE_PODS)]), own_accounts=True
)
_KINDS = (
    SECURITY_CONTEXT_CONSTRAINTS,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
)
_RESOURCES = {resource.kind: resource for resource in _KINDS}


@contextmanager
def openshift(folder: Path) -> Iterator[ApiServer]:
    """It enforces Pod Security's ``restricted`` in namespaces without a label, the strictest that a cluster may do."""
    with api_server(folder, "restricted", CONTROL_PLANE) as server:
        cluster = server.cluster()
        define(cluster, [addons.scc_definition()])
        for body in standard_sccs():
            cluster.create(_RESOURCES[body["kind"]], body)
        _allocate(server)
        yield server


def _allocate(server: ApiServer) -> None:
    """Every namespace gets UIDs and an SELinux level of its own as soon as it is seen."""
    files = map(str, (server.ca_cert, server.client_cert, server.client_key))
    allocator = python("allocator", "127.0.0.1", str(server.port), *files)
    server.start_beside("env", f"PYTHONPATH={CHECKOUT}", *allocator)
