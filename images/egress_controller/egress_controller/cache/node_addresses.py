# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The addresses of the nodes, which are never leased; a node's heartbeat changes none."""

from __future__ import annotations

import threading

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.allocatable import node_addresses
from kubernetes.informer import DELETED


class NodeAddresses:
    """The addresses of all nodes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_node: dict[str, frozenset[str]] = {}
        self._revision = 0

    @property
    def revision(self) -> int:
        """Another number after each change of an address."""
        with self._lock:
            return self._revision

    def update(self, event: str, node: KubeObject) -> bool:
        """Take a node's event in; whether it changed an address."""
        name = node["metadata"]["name"]
        found = frozenset() if event == DELETED else node_addresses(node)
        with self._lock:
            if self._by_node.get(name, frozenset()) == found:
                return False
            self._by_node[name] = found
            if not found:
                del self._by_node[name]
            self._revision += 1
            return True

    def all(self) -> frozenset[str]:
        with self._lock:
            return frozenset().union(*self._by_node.values())
