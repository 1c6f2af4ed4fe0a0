# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Event handlers of the caches: from a change to the keys that it may concern.

They run in the informers' threads, so they only enqueue. What may concern everything is looked at behind what changes
meanwhile.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import is_true
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CLOUD_LABEL,
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    ENDPOINT_SLICE,
    EVENT,
    MASS_RELEASE_ANNOTATION,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
    READY_CONDITION,
    REPLICATION_CONTROLLER,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_CIDR,
    STATEFUL_SET,
    KubeObject,
    Resource,
    account_name,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.workload import exposure, placement
from kubernetes.informer import DELETED

from egress_controller.cache.caches import (
    BY_LEASE,
    BY_NAMESPACE,
    BY_NETWORK,
    BY_SERVICE,
    LIMITS,
    PARTS,
    Caches,
)
from egress_controller.cache.forms import is_marked
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.work_queue import WorkQueue

STATUS_DELAY_SECONDS = 0.3
"""A network's figures follow its leases a little later, so that a hundred leases are one write."""


class EventHandlers:
    """The caches' listener; ``gateway`` is the controller's own namespace."""

    def __init__(self, queue: WorkQueue[Key], waiting: WaitingServices, refused: RefusedServices, gateway: str) -> None:
        self._queue = queue
        self._waiting = waiting
        self._refused = refused
        self._gateway = gateway
        self._caches: Caches | None = None
        self._seen: dict[tuple[str, str], Any] = {}
        self._handlers: dict[Resource, Callable[[Caches, str, KubeObject], None]] = {
            SERVICE: self._service,
            NAMESPACE: self._namespace,
            NODE: self._node,
            SERVICE_CIDR: self._service_cidr,
            EGRESS_CLOUD: self._cloud,
            EGRESS_NETWORK: self._network,
            EGRESS_LEASE: self._lease,
            EGRESS_ADDRESS: self._address,
            POD: self._part,
            **dict.fromkeys(PARTS, self._part),
            ENDPOINT_SLICE: self._endpoint_slice,
            NETWORK_POLICY: self._policy,
            SERVICE_ACCOUNT: self._account,
            SECURITY_CONTEXT_CONSTRAINTS: self._scc,
            EVENT: self._failed_create,
            **dict.fromkeys(LIMITS, self._limit),
        }

    def attach(self, caches: Caches) -> None:
        """The caches whose events are handled, and in which related objects are looked up."""
        self._caches = caches

    def begin(self) -> None:
        """The workers are about to start: whom nobody has served yet comes before all that waits so far."""
        self._queue.put_behind()
        for service in self._caches.marked_services() if self._caches else ():
            if not is_true(service, READY_CONDITION):
                self._queue.add(service_key(service["metadata"]["namespace"], service["metadata"]["name"]))

    def changed(self, resource: Resource, event: str, obj: KubeObject) -> None:
        if self._caches is not None:
            self._handlers[resource](self._caches, event, obj)

    def _service(self, caches: Caches, event: str, service: KubeObject) -> None:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        if is_marked(service) or self._has_parts(caches, namespace, name):
            self._queue.add(service_key(namespace, name))

    def _has_parts(self, caches: Caches, namespace: str, name: str) -> bool:
        """Whether something of ours is there for a service that lost its annotation."""
        if not all(map(lease_status.is_expired, caches.leases.of(BY_SERVICE, (namespace, name)))):
            return True
        return caches.has_parts(placement.places(self._gateway, namespace, name))

    def _namespace(self, caches: Caches, event: str, namespace: KubeObject) -> None:
        metadata = namespace["metadata"]
        if not self._is_news(event, namespace, (metadata.get("labels"), "deletionTimestamp" in metadata)):
            return
        self._add_clouds(caches)
        self._add_all(self._cause_changed(metadata["name"]))  # Its labels say what Pod Security lets in.
        for service in caches.services.of(BY_NAMESPACE, metadata["name"]):
            self._queue.add(service_key(metadata["name"], service["metadata"]["name"]))

    def _node(self, caches: Caches, event: str, node: KubeObject) -> None:
        """Called only when its networks changed; its addresses are what the networks do not lease."""
        self._add_networks(caches)
        self._add_all(self._waiting.all())
        self._inside_changed(caches)

    def _service_cidr(self, caches: Caches, event: str, obj: KubeObject) -> None:
        self._inside_changed(caches)

    def _endpoint_slice(self, caches: Caches, event: str, obj: KubeObject) -> None:
        """One of ours, or one of the API servers: then these have other addresses now."""
        if placement.served_by(obj, self._gateway):
            self._part(caches, event, obj)
        else:
            self._inside_changed(caches)

    def _inside_changed(self, caches: Caches) -> None:
        """A destination may be inside the cluster now, or no longer; at the start each service is called anyway."""
        if caches.synced:
            self._add_services(caches)

    def _cloud(self, caches: Caches, event: str, cloud: KubeObject) -> None:
        if self._is_news(event, cloud, cloud["metadata"].get("generation")):
            self._queue.add(Key("cloud", cloud["spec"]["uuid"]))
            self._add_networks(caches)  # Its bridges' addresses are none of theirs.
            self._add_services(caches)
            self._add_holders(caches.leases.all())  # Its pods are watched no longer, should it be gone.

    def _network(self, caches: Caches, event: str, network: KubeObject) -> None:
        metadata = network["metadata"]
        confirmed = (metadata.get("annotations") or {}).get(MASS_RELEASE_ANNOTATION)
        if self._is_news(event, network, (metadata.get("generation"), confirmed)):
            self._queue.add(Key("network", metadata["name"]))
            for lease in caches.leases.of(BY_NETWORK, metadata["name"]):
                self._queue.add_behind(Key("lease", lease["metadata"]["name"]))
            # Their leases may wait for the network's permission to be given up.
            self._add_holders(caches.leases.of(BY_NETWORK, metadata["name"]))
            for address in caches.addresses.of(BY_NETWORK, metadata["name"]):
                self._queue.add_behind(Key("address", address["metadata"]["name"]))
            self._add_networks(caches)  # What it offers, a younger one on its link does not lease.
            self._add_services(caches)

    def _lease(self, caches: Caches, event: str, lease: KubeObject) -> None:
        spec = lease["spec"]
        if event == DELETED or not lease_status.is_expired(lease):  # A record is no concern of its service's.
            self._queue.add(service_key(spec["namespace"], spec["service"]))
        self._queue.add_after(Key("network", spec["network"]), STATUS_DELAY_SECONDS)
        self._queue.add(Key("lease", lease["metadata"]["name"]))
        if event == DELETED or lease_status.is_released(lease) or lease_status.is_expired(lease):
            # Its own project may take the address over, or has one less of its quota.
            self._add_all(self._waiting.of(spec["namespace"]))
        for address in caches.addresses.of(BY_LEASE, lease["metadata"]["name"]):
            self._queue.add(Key("address", address["metadata"]["name"]))

    def _address(self, caches: Caches, event: str, address: KubeObject) -> None:
        self._queue.add_after(Key("network", address["spec"]["network"]), STATUS_DELAY_SECONDS)
        self._queue.add(Key("address", address["metadata"]["name"]))
        if event == DELETED:
            self._queue.add(Key("lease", address["spec"]["lease"]))  # Which may still need it.
            self._add_networks(caches)  # It may have been in the way of any.
            self._add_all(self._waiting.all())

    def _part(self, caches: Caches, event: str, part: KubeObject) -> None:
        if service := placement.served_by(part, self._gateway):
            self._queue.add(service_key(*service))

    def _policy(self, caches: Caches, event: str, policy: KubeObject) -> None:
        """An egress pod's own concerns its service alone; any other may let others in to all of its namespace's."""
        self._part(caches, event, policy)
        namespace = policy["metadata"]["namespace"]
        key = (NETWORK_POLICY.kind, f"{namespace}/{policy['metadata']['name']}")
        former = self._seen.pop(key, None)
        if event != DELETED and not exposure.is_own(policy):
            self._seen[key] = policy["spec"]
        if self._seen.get(key) == former:
            return
        if namespace == self._gateway:
            self._add_services(caches)
        for service in caches.services.of(BY_NAMESPACE, namespace):
            self._queue.add(service_key(namespace, service["metadata"]["name"]))

    def _account(self, caches: Caches, event: str, obj: KubeObject) -> None:
        """Only one that a cloud would make: whoever may make accounts may give them this label, with any value."""
        uuid = obj["metadata"]["labels"][CLOUD_LABEL]
        if obj["metadata"]["name"] == account_name(uuid):
            self._queue.add(Key("cloud", uuid))

    def _scc(self, caches: Caches, event: str, scc: KubeObject) -> None:
        self._queue.add(Key("cloud", scc["metadata"]["labels"][CLOUD_LABEL]))
        self._add_all(self._refused.cause_changed())

    def _limit(self, caches: Caches, event: str, limit: KubeObject) -> None:
        self._add_all(self._cause_changed(limit["metadata"]["namespace"]))

    def _cause_changed(self, namespace: str) -> list[Key]:
        """The services whose refused pods a change in a namespace may concern: in the gateway, those of any project."""
        return self._refused.cause_changed(None if namespace == self._gateway else namespace)

    def _failed_create(self, caches: Caches, event: str, failed: KubeObject) -> None:
        """A StatefulSet says it nowhere else; that such an Event is forgotten is no news."""
        about = failed.get("involvedObject") or {}
        for controllers in (caches.parts[REPLICATION_CONTROLLER], caches.parts[STATEFUL_SET]):
            controller = controllers.get(str(about.get("name", "")), failed["metadata"]["namespace"])
            if event != DELETED and controller:
                self._part(caches, event, controller)

    def _add_clouds(self, caches: Caches) -> None:
        for cloud in caches.clouds.all():
            self._queue.add(Key("cloud", cloud["spec"]["uuid"]))

    def _add_networks(self, caches: Caches) -> None:
        for network in caches.networks.all():
            self._queue.add_after(Key("network", network["metadata"]["name"]), STATUS_DELAY_SECONDS)

    def _add_holders(self, leases: Iterable[KubeObject]) -> None:
        """The services of leases, those that are gone too."""
        for lease in leases:
            if not lease_status.is_expired(lease):
                self._queue.add_behind(service_key(lease["spec"]["namespace"], lease["spec"]["service"]))

    def _add_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _add_services(self, caches: Caches) -> None:
        for service in caches.marked_services():
            self._queue.add_behind(service_key(service["metadata"]["namespace"], service["metadata"]["name"]))

    def _is_news(self, event: str, obj: KubeObject, state: Any) -> bool:
        """Whether what matters of an object changed: our own status writes must not wake every service."""
        key = (obj["kind"], obj["metadata"]["name"])
        if event == DELETED:
            self._seen.pop(key, None)
            return True
        marker = (obj["metadata"]["uid"], state)
        if self._seen.get(key) == marker:
            return False
        self._seen[key] = marker
        return True
