# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What one task sees of a cluster's leasing: each kind of object is listed once, and only if it is asked for."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Callable, Collection, Iterable, Iterator, Mapping, TypeVar

from ...api.errors import InvalidInput, NotFound, Refused
from ...api.reasons import Reason
from ...api.resources import (
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    NAMESPACE_LABEL,
    NODE,
    SERVICE,
    KubeObject,
)
from ...client.kube_client import KubeClient
from ...ipam import allocatable, lease_status
from ...ipam.cloud import read_cloud
from ...ipam.leases import Slot, is_left_by_another
from ...ipam.network import EgressNetwork, read_network
from ..service.definition import is_egress_service
from .snapshot import LeaseSnapshot

T = TypeVar("T")


class LeasingView:
    """``projects``: those that it is about, None for all; if it's only one, no other's leases and services are read."""

    def __init__(self, cluster: KubeClient, projects: Collection[str] | None = None) -> None:
        self._cluster = cluster
        self._only = next(iter(projects)) if projects and len(projects) == 1 else None

    def snapshot(self) -> LeaseSnapshot:
        """All leases and locks."""
        return LeaseSnapshot(self._leases.values(), self._locks)

    def holds(self, slot: Slot, address: str) -> bool:
        """Whether the slot's lease is for this address and no deleted project's."""
        lease = self._leases.get(slot.lease)
        if lease is None or lease_status.address(lease) != address:
            return False
        return lease_status.project(lease) is None or not is_left_by_another(lease, self.uid(slot.namespace))

    @cached_property
    def _leases(self) -> Mapping[str, KubeObject]:
        labels = f"{NAMESPACE_LABEL}={self._only}" if self._only else None
        return {item["metadata"]["name"]: item for item in self._cluster.list(EGRESS_LEASE, labels=labels)}

    @cached_property
    def _locks(self) -> Collection[KubeObject]:
        return self._cluster.list(EGRESS_ADDRESS)

    @cached_property
    def network_objects(self) -> Mapping[str, KubeObject]:
        """The EgressNetworks by name."""
        return {item["metadata"]["name"]: item for item in self._cluster.list(EGRESS_NETWORK)}

    def network(self, name: str) -> EgressNetwork:
        """With all that its spec says; Refused if there is none, InvalidInput if it can't be read."""
        found = self.network_objects
        if name not in found:
            known = f"there are: {', '.join(sorted(found))}" if found else "there are none"
            raise Refused(Reason.NETWORK_NOT_FOUND, f"EgressNetwork {name} does not exist; {known}")
        return read_network(found[name])

    def admitting(self, slot: Slot) -> EgressNetwork:
        """The slot's network; Refused if its project may have none of its addresses."""
        network = self.network(slot.network)
        namespace = self.namespace(slot.namespace)
        if not network.allows(namespace):
            raise Refused(
                Reason.NETWORK_NOT_ALLOWED,
                f"EgressNetwork {network.name} does not allow project {slot.namespace}; see spec.allowedNamespaces",
            )
        return network

    def namespace(self, name: str) -> KubeObject:
        """A project's namespace; NotFound if there is none."""
        namespace = self._namespaces.get(name)
        if namespace is None:
            raise NotFound(404, f"project {name} does not exist; create the namespace first")
        return namespace

    def uid(self, name: str) -> str | None:
        """Of a project's namespace, which must be there."""
        uid: str | None = self.namespace(name)["metadata"].get("uid")
        return uid

    @cached_property
    def readable(self) -> Mapping[str, EgressNetwork]:
        """The networks that can be read."""
        return {network.name: network for network in _readable(read_network, self.network_objects.values())}

    @cached_property
    def leasable(self) -> Mapping[str, EgressNetwork]:
        """The readable networks with what of them may be leased, as the controller sees it too."""
        of_nodes = (address for node in self._cluster.list(NODE) for address in allocatable.node_addresses(node))
        kept_back = allocatable.occupied(of_nodes, _readable(read_cloud, self._cluster.list(EGRESS_CLOUD)))
        divided = allocatable.divide(self.readable.values(), kept_back)
        return allocatable.spare(divided, [lock for lock in self._locks if allocatable.is_stray(lock, divided)])

    def uses(self, slot: Slot) -> bool:
        """Whether the slot's secure egress service is there."""
        return (slot.namespace, slot.service) in self._egress_services

    @cached_property
    def _namespaces(self) -> Mapping[str, KubeObject]:
        if self._only:
            found = self._cluster.get(NAMESPACE, self._only)
            return {self._only: found} if found else {}
        return {item["metadata"]["name"]: item for item in self._cluster.list(NAMESPACE)}

    @cached_property
    def _egress_services(self) -> frozenset[tuple[str, str]]:
        found = (item["metadata"] for item in self._cluster.list(SERVICE, self._only) if is_egress_service(item))
        return frozenset((metadata["namespace"], metadata["name"]) for metadata in found)


def _readable(read: Callable[[KubeObject], T], found: Iterable[KubeObject]) -> Iterator[T]:
    """What can't be read is served by no controller, and so in nobody's way."""
    for obj in found:
        with suppress(InvalidInput):
            yield read(obj)
