# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An EgressAddress as the cache keeps it: a network may have 65,534, and dicts would take twice the room."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_ADDRESS, KubeObject


class PackedLock(NamedTuple):
    """What is read of an EgressAddress."""

    name: str
    uid: str
    resource_version: str
    generation: int
    network: str
    address: str
    lease: str
    lease_uid: str
    claims: int | None
    status: dict[str, Any] | None

    @property
    def key(self) -> str:
        return self.name

    @classmethod
    def pack(cls, lock: KubeObject) -> PackedLock:
        metadata, spec = lock["metadata"], lock["spec"]
        return cls(
            metadata["name"],
            metadata["uid"],
            metadata["resourceVersion"],
            metadata["generation"],
            sys.intern(spec["network"]),
            spec["address"],
            spec["lease"],
            spec["leaseUID"],
            spec.get("claims"),
            lock.get("status"),
        )

    def unpack(self) -> KubeObject:
        """The object as the API server has it, but for what is never read."""
        metadata = {
            "name": self.name,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
            "generation": self.generation,
        }
        spec = {"network": self.network, "address": self.address, "lease": self.lease, "leaseUID": self.lease_uid}
        lock: KubeObject = {
            "apiVersion": EGRESS_ADDRESS.api_version,
            "kind": EGRESS_ADDRESS.kind,
            "metadata": metadata,
            "spec": spec if self.claims is None else {**spec, "claims": self.claims},
        }
        return lock if self.status is None else {**lock, "status": self.status}
