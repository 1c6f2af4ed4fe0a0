# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The caches of everything that the controller watches, kept warm by informers."""

from __future__ import annotations

import threading
from typing import Hashable, Iterable, Iterator, Protocol

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CLOUD_LABEL,
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    ENDPOINT_SLICE,
    EVENT,
    LIMIT_RANGE,
    MANAGED_LABEL,
    MANAGER,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICATION_CONTROLLER,
    RESOURCE_QUOTA,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_CIDR,
    STATEFUL_SET,
    KubeObject,
    Resource,
    account_name,
    egress_pod_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient, Selection
from ansible_collections.avi.egress.plugins.module_utils.workload import exposure
from ansible_collections.avi.egress.plugins.module_utils.workload.endpoint_slice import SERVED_LABEL
from ansible_collections.avi.egress.plugins.module_utils.workload.placement import NAME_LABEL, Place
from ansible_collections.avi.egress.plugins.module_utils.workload.pod_refusals import FAILED_CREATE
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import made_by

from egress_controller.cache import forms
from egress_controller.cache.changed_locks import ChangedLocks
from egress_controller.cache.cluster_networks import SeenNetworks
from egress_controller.cache.forms import is_marked
from egress_controller.cache.lock_cache import LockCache
from egress_controller.cache.node_addresses import NodeAddresses
from egress_controller.cache.packed_lock import PackedLock
from egress_controller.cache.packed_object import compact
from egress_controller.cache.written_leases import WrittenLeases
from egress_controller.runtime.informer import AS_IT_IS, Form, Indexes, Informer
from egress_controller.runtime.outages import Outages

BY_NAMESPACE = "namespace"
BY_NETWORK = "network"
BY_PROJECT = "project"
BY_SERVICE = "service"
BY_LEASE = "lease"
BY_CLOUD = "cloud"
BY_NAME_LABEL = "name-label"
BY_NAME = "name"
BY_MAKER = "maker"

PARTS = (REPLICATION_CONTROLLER, STATEFUL_SET, NETWORK_POLICY, POD_DISRUPTION_BUDGET)
"""What keeps a service's egress pods, all in one place: their controller, NetworkPolicy and disruption budget."""
API_SERVERS = Selection(ENDPOINT_SLICE, "default", labels=f"{SERVED_LABEL}=kubernetes")
"""Where the API servers say which addresses they have."""
LIMITS = (RESOURCE_QUOTA, LIMIT_RANGE)
"""What may refuse a project's pods; only that it changed is of interest."""
FAILED_CREATES = f"reason={FAILED_CREATE}" + "".join(
    f",involvedObject.kind!={kind}" for kind in ("ReplicaSet", "Job", "DaemonSet")
)
"""The Events of refused pods, without those of the kinds that most pods of a cluster are made by."""

SERVICES, PARTS_OF_OURS, POLICIES, PODS = map(
    compact, (forms.SERVICES, forms.PARTS_OF_OURS, forms.POLICIES, forms.PODS)
)
"""Of what there is one for each service: most memory would be theirs. Not leases: claims count them again and again."""


class Listener(Protocol):
    """Is called with each change, after the cache shows it; must not wait."""

    def changed(self, resource: Resource, event: str, obj: KubeObject) -> None:
        """Hears of one change: ``event`` is that of the watch, ``obj`` what it carries."""


class Caches:
    """One informer for each resource, and one for the egress pods of each cloud."""

    def __init__(self, client: KubeClient, outages: Outages, listener: Listener) -> None:
        self._client = client
        self._outages = outages
        self._listener = listener
        self._lock = threading.Lock()
        self._pods: dict[str, Informer] = {}
        self._uuids: dict[str, str] = {}
        """The uuid of each cloud, by the cloud's name."""
        self._sccs: Informer | None = None
        self._service_cidrs: Informer | None = None
        self.node_addresses = NodeAddresses()
        self.seen_networks = SeenNetworks()
        self.changed_locks = ChangedLocks()
        self.lock_cache = LockCache()
        self.written_leases = WrittenLeases()
        self.nodes = self._informer(Selection(NODE))
        self.namespaces = self._informer(Selection(NAMESPACE), form=forms.NAMESPACES)
        self.clouds = self._informer(Selection(EGRESS_CLOUD))
        self.networks = self._informer(Selection(EGRESS_NETWORK))
        self.leases = self._informer(
            Selection(EGRESS_LEASE), {BY_SERVICE: _served, BY_NETWORK: _network, BY_PROJECT: _project}
        )
        self.addresses = self._informer(
            Selection(EGRESS_ADDRESS),
            {BY_LEASE: _holder, BY_NETWORK: _network},
            Form(PackedLock.pack, PackedLock.unpack),
        )
        self.services = self._informer(Selection(SERVICE), {BY_NAMESPACE: _marked_namespace}, SERVICES)
        labelled = [part for part in PARTS if part is not NETWORK_POLICY]
        self.parts = {part: self._informer(Selection(part, labels=NAME_LABEL), form=PARTS_OF_OURS) for part in labelled}
        # Any policy may let somebody in to an egress pod, whatever its labels.
        self.parts[NETWORK_POLICY] = self._informer(Selection(NETWORK_POLICY), {BY_NAMESPACE: _foreign}, POLICIES)
        failed = Selection(EVENT, fields=FAILED_CREATES)
        self.failed_creates = self._informer(failed, {BY_NAME: _about}, forms.FAILED_CREATES)
        self._limits = [self._informer(Selection(limit), form=forms.HEADS) for limit in LIMITS]
        self._api_servers = self._informer(API_SERVERS, form=forms.API_SERVERS)
        managed = Selection(ENDPOINT_SLICE, labels=f"{MANAGED_LABEL}={MANAGER}")
        self.slices = self._informer(managed, form=PARTS_OF_OURS)
        accounts = Selection(SERVICE_ACCOUNT, labels=CLOUD_LABEL)
        self.accounts = self._informer(accounts, {BY_CLOUD: _cloud, BY_NAMESPACE: _namespace}, forms.ACCOUNTS)

    def start(self) -> None:
        self.seen_networks.reached_at(self._client.host)
        for informer in self._static():
            informer.start()

    @property
    def synced(self) -> bool:
        """Whether every first list has come in, those of the clouds' pods too."""
        if not all(informer.synced for informer in self._static()):
            return False
        with self._lock:
            found = [*self._pods.values(), *filter(None, [self._service_cidrs])]
            return all(informer.synced for informer in found)

    def pods(self, uuid: str) -> Informer | None:
        """The egress pods of a cloud; None while their first list has not come in."""
        with self._lock:
            found = self._pods.get(uuid)
        return found if found and found.synced else None

    def all_pods(self) -> Iterator[KubeObject]:
        """The egress pods of all clouds, as far as they are listed."""
        return (pod for informer in self._pod_informers() for pod in informer.all())

    def pods_of_stateful_sets(self) -> list[KubeObject]:
        """Those that come in several for a service."""
        return [pod for informer in self._pod_informers() for pod in informer.of(BY_MAKER, STATEFUL_SET.kind)]

    def shows_pod(self, pod: KubeObject) -> bool:
        """Whether a pod is an egress pod of a cloud that is there, so that its end is seen."""
        metadata = pod["metadata"]
        return any(informer.get(metadata["name"], metadata["namespace"]) for informer in self._pod_informers())

    def scc(self, name: str) -> KubeObject | None:
        with self._lock:
            return self._sccs.get(name) if self._sccs else None

    def watch_sccs(self) -> None:
        """Called once it is known that the platform has them."""
        with self._lock:
            if self._sccs is None:
                self._sccs = self._informer(Selection(SECURITY_CONTEXT_CONSTRAINTS, labels=CLOUD_LABEL))
                self._sccs.start()

    def watch_service_cidrs(self) -> None:
        """Called once it is known that the platform has them."""
        with self._lock:
            if self._service_cidrs is None:
                self._service_cidrs = self._informer(Selection(SERVICE_CIDR))
                self._service_cidrs.start()

    def part(self, resource: Resource, place: Place) -> KubeObject | None:
        """None too for an object without the label: it is none of ours."""
        found = self.parts[resource].get(place.name, place.namespace)
        return found if found and NAME_LABEL in (found["metadata"].get("labels") or {}) else None

    def has_parts(self, places: Iterable[Place]) -> bool:
        """Whether there is anything of a service's egress pods in these places."""
        return any(self.part(resource, place) for place in places for resource in PARTS)

    def endpoint_slice(self, namespace: str, service: str) -> KubeObject | None:
        """The way that leads a Service to egress pods in another namespace."""
        return self.slices.get(egress_pod_name(service), namespace)

    def foreign_policies(self, namespace: str) -> list[KubeObject]:
        """The NetworkPolicies of a namespace that are no egress pod's own, with what ``exposure`` asks them for."""
        return self.parts[NETWORK_POLICY].of(BY_NAMESPACE, namespace)

    def marked_services(self) -> Iterator[KubeObject]:
        """Every service that asks for egress, or carries a trace of it."""
        return filter(is_marked, self.services.all())

    def project_leases(self, network: str, namespace: str) -> list[KubeObject]:
        """The leases that a project has of a network, with what this process has done to them a moment ago."""
        project = (network, namespace)
        return self.written_leases.over(project, lambda: self.leases.of(BY_PROJECT, project))

    def _pod_informers(self) -> list[Informer]:
        with self._lock:
            return list(self._pods.values())

    def _static(self) -> tuple[Informer, ...]:
        return (
            self.nodes,
            self.namespaces,
            self.clouds,
            self.networks,
            self.leases,
            self.addresses,
            self.services,
            *self.parts.values(),
            self.failed_creates,
            *self._limits,
            self.slices,
            self._api_servers,
            self.accounts,
        )

    def _informer(self, selection: Selection, indexes: Indexes | None = None, form: Form = AS_IT_IS) -> Informer:
        def notify(event: str, obj: KubeObject) -> None:
            if selection.resource is EGRESS_CLOUD:
                self._follow_cloud(event, obj)
            if selection.resource is EGRESS_ADDRESS:
                self.changed_locks.add(obj["metadata"]["name"])
                self.lock_cache.update(event, obj)
            if selection.resource is EGRESS_LEASE:
                self.written_leases.update(event, obj)
            if selection.resource is NODE:
                # Both are asked: each keeps a book of its own.
                news = [self.node_addresses.update(event, obj), self.seen_networks.update_node(event, obj)]
                _trim_node(obj)
                if not any(news):
                    return  # a heartbeat
            if selection is API_SERVERS and not self.seen_networks.update_api_servers(event, obj):
                return  # The same addresses, such as in another order.
            if selection.resource is SERVICE_CIDR:
                self.seen_networks.update_service_cidr(event, obj)
            if selection.resource is SERVICE:
                self.seen_networks.update_service(obj)
            self._listener.changed(selection.resource, event, obj)

        return Informer(self._client, selection, self._outages, notify, indexes=indexes, form=form)

    def _follow_cloud(self, event: str, cloud: KubeObject) -> None:
        """Watch the pods of clouds that are there, by their account: never those of the whole cluster."""
        name = cloud["metadata"]["name"]
        with self._lock:
            if event == "DELETED":
                self._uuids.pop(name, None)
            else:
                self._uuids[name] = cloud["spec"]["uuid"]
            wanted = set(self._uuids.values())
            for uuid in wanted - self._pods.keys():
                pods = Selection(POD, fields=f"spec.serviceAccountName={account_name(uuid)}")
                self._pods[uuid] = self._informer(pods, POD_INDEXES, PODS)
                self._pods[uuid].start()
            for uuid in self._pods.keys() - wanted:
                self._pods.pop(uuid).stop()


def _marked_namespace(service: KubeObject) -> Hashable:
    return service["metadata"]["namespace"] if is_marked(service) else None


def _foreign(policy: KubeObject) -> Hashable:
    """Its namespace, unless it is an egress pod's own: these may be very many, and none concerns another's pod."""
    return None if exposure.is_own(policy) else str(policy["metadata"]["namespace"])


def _trim_node(node: KubeObject) -> None:
    """Drop from the cached object itself what is never read: a node lists its images and may be one of thousands."""
    metadata = node["metadata"]
    for key in node.keys() - {"apiVersion", "kind", "metadata"}:
        del node[key]
    for key in metadata.keys() - {"name", "uid", "resourceVersion"}:
        del metadata[key]


def _about(event: KubeObject) -> Hashable:
    about = event.get("involvedObject") or {}
    return (about.get("namespace"), about.get("name"))


def _served(lease: KubeObject) -> Hashable:
    return (lease["spec"]["namespace"], lease["spec"]["service"])


def _network(obj: KubeObject) -> Hashable:
    return str(obj["spec"]["network"])


def _project(lease: KubeObject) -> Hashable:
    return (lease["spec"]["network"], lease["spec"]["namespace"])


def _holder(address: KubeObject) -> Hashable:
    return str(address["spec"]["lease"])


def _namespace(obj: KubeObject) -> Hashable:
    return str(obj["metadata"]["namespace"])


def _cloud(account: KubeObject) -> Hashable:
    return str(account["metadata"]["labels"][CLOUD_LABEL])


def _name_label(pod: KubeObject) -> Hashable:
    metadata = pod["metadata"]
    return (metadata["namespace"], (metadata.get("labels") or {}).get(NAME_LABEL))


def _stateful_set(pod: KubeObject) -> Hashable:
    """Those of ReplicationControllers may be very many, and are in no group."""
    return STATEFUL_SET.kind if made_by(pod) == STATEFUL_SET.kind else None


POD_INDEXES: Indexes = {BY_NAME_LABEL: _name_label, BY_NAMESPACE: _namespace, BY_MAKER: _stateful_set}
