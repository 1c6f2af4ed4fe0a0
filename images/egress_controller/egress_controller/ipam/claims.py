# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Claims and releases of leases: hints come from the caches, decisions from the API server."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from datetime import datetime
from typing import Callable, Collection, Container
from weakref import WeakValueDictionary

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    NAMESPACE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases, transfers
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, IMPORT, Slot, claimed_by
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.ipam.store import LeaseStore

from egress_controller.cache.caches import BY_LEASE, BY_SERVICE, Caches
from egress_controller.runtime.errors import NotYet


class Claims:
    """Claims, releases and frees leases. Thread-safe."""

    def __init__(self, client: KubeClient, caches: Caches, now: Callable[[], datetime] = utc_now) -> None:
        self._client = client
        self._caches = caches
        self._now = now
        self._lock = threading.Lock()
        self._counting: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
        """By network and project, held by its claims: none counts its leases while another is about to add one."""

    def of_service(self, namespace: str, name: str) -> list[KubeObject]:
        return self._caches.leases.of(BY_SERVICE, (namespace, name))

    def to_give_up(self, namespace: str, name: str, kept: Container[str] = ()) -> list[KubeObject]:
        """The service's leases but those of the names ``kept``, as far as they are ours and not given up already."""
        return [
            lease
            for lease in self.of_service(namespace, name)
            if lease["metadata"]["name"] not in kept
            and claimed_by(lease) == CONTROLLER
            and lease_status.phase(lease) in (None, lease_status.BOUND)
        ]

    def claim(
        self,
        network: EgressNetwork,
        slot: Slot,
        ip_family: str,
        annotated: Collection[str] = (),
        wanted: str | None = None,
    ) -> KubeObject:
        """The slot's Bound lease; PoolExhausted, Refused, or Conflict when it is to be tried again.

        ``annotated``: the addresses in the service's annotation; only for those is the cache believed.
        """
        uid = self._namespace_uid(slot, annotated)
        project = (slot.network, slot.namespace)
        store = _Store(self._client, self._caches, slot.lease, annotated, project)
        limited = network.limits(slot.namespace, ip_family)
        with self._counting_of(project) if limited else nullcontext():
            lease = transfers.claim(
                store,
                network,
                leases.Claim(slot, wanted, ip_family, CONTROLLER, uid),
                self._caches.lock_cache.draw(network.name),
                lambda: self._caches.project_leases(*project),
                self._now(),
            )
        return leases.hand_over(store, lease, CONTROLLER) if claimed_by(lease) == IMPORT else lease

    def _counting_of(self, project: tuple[str, str]) -> threading.Lock:
        with self._lock:
            return self._counting.setdefault(project, threading.Lock())

    def holds(self, slot: Slot, address: str) -> bool:
        """Whether a slot's lease is for this address and no deleted project's, on the server's word."""
        lease = self._client.get(EGRESS_LEASE, slot.lease)
        if lease is None or lease_status.address(lease) != address:
            return False
        return not leases.is_left_by_another(lease, self._namespace_uid(slot, (address,)))

    def give_up(self, lease: KubeObject, reason: str) -> None:
        """Release a lease; one that is not Bound yet is as it was before the claim, or gone."""
        store = self._store(lease)
        if lease_status.is_bound(lease):
            leases.release(store, lease, self._now(), reason)
        else:
            leases.free(store, lease)

    def free(self, lease: KubeObject) -> None:
        leases.free(self._store(lease), lease)

    def relock(self, lease: KubeObject) -> bool:
        """Lock the lease's address again; False where it is another lease's by now."""
        return leases.relock(self._store(lease), lease)

    def _namespace_uid(self, slot: Slot, annotated: Collection[str]) -> str | None:
        """On the server's word wherever a lease is there that a deleted project of this name may have left."""
        known, lease = self._caches.namespaces.get(slot.namespace), self._caches.leases.get(slot.lease)
        uid = known["metadata"]["uid"] if known else None
        if lease is None or (lease_status.is_bound(lease) and claimed_by(lease) != CONTROLLER):
            return uid
        is_own = lease_status.is_bound(lease) and lease_status.project(lease) == uid
        if is_own and lease_status.address(lease) in annotated:
            return uid
        live = self._client.get(NAMESPACE, slot.namespace)
        if live is None:
            raise NotYet(f"namespace {slot.namespace} is gone")
        return str(live["metadata"]["uid"])

    def _store(self, lease: KubeObject) -> LeaseStore:
        spec = lease["spec"]
        return _Store(self._client, self._caches, lease["metadata"]["name"], (), (spec["network"], spec["namespace"]))


class _Store:
    """The LeaseStore of one lease."""

    def __init__(
        self, client: KubeClient, caches: Caches, lease: str, annotated: Collection[str], project: tuple[str, str]
    ) -> None:
        self._client = client
        self._caches = caches
        self._lease = lease
        self._annotated = annotated
        self._project = project
        self._asked = False

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        """A Bound lease comes from the cache, so that a settled service costs no request; so does that there is none.

        All else is asked for, and so is a lease that is read again: something did not fit then. A service whose
        annotation lacks the address may be a new one whose predecessor's lease was Released a moment ago. A lease that
        the cache lacks is met when it is created.
        """
        if resource is EGRESS_LEASE and not self._asked:
            self._asked = True
            cached = self._caches.leases.get(name)
            if cached is None:
                return None
            if lease_status.is_bound(cached) and lease_status.address(cached) in self._annotated:
                return cached
        deletions = self._caches.lock_cache.deletions
        found = self._client.get(resource, name)
        if found and resource is EGRESS_ADDRESS:
            self._caches.lock_cache.observe(found, deletions)
        return found

    def list(self, resource: Resource, *, labels: str | None = None) -> list[KubeObject]:
        """The project's leases and the EgressAddresses that this lease holds, as far as they are known here."""
        if resource is EGRESS_LEASE:
            return self._caches.project_leases(*self._project)
        return self._caches.lock_cache.assumed(self._lease) + self._caches.addresses.of(BY_LEASE, self._lease)

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        stored = self._client.create(resource, body)
        if resource is EGRESS_ADDRESS:
            self._caches.lock_cache.assume(stored)
        return stored

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        stored = self._client.replace(resource, body, subresource)
        if resource is EGRESS_LEASE:
            self._caches.written_leases.add(stored)
        return stored

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        self._client.delete(resource, obj)
        if resource is EGRESS_ADDRESS:
            self._caches.lock_cache.forget(obj)
