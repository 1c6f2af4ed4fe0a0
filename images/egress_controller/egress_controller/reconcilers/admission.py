# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Admission of a service by clouds and networks, on a state that the API server confirms before it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Collection, Iterable, Sequence

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import find
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    InvalidInput,
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    READY_CONDITION,
    SOURCE_IPS_ANNOTATION,
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload import admission

from egress_controller.cache.context import Context
from egress_controller.ipam.claims import Claims
from egress_controller.runtime.errors import NotYet


@dataclass(frozen=True)
class _Seen:
    """The state that an admission depends on."""

    namespace: KubeObject
    clouds: Sequence[KubeObject]
    networks: Sequence[KubeObject]

    def is_as(self, other: _Seen) -> bool:
        """Whether nothing is older or newer in it that an admission depends on."""
        return self._stamp() == other._stamp()

    def _stamp(self) -> tuple[object, ...]:
        return self.namespace["metadata"].get("labels") or {}, _stamps(self.clouds), _stamps(self.networks)


class ServiceAdmission:
    """Decides whether a service is admitted, by the core's rules."""

    def __init__(self, context: Context, claims: Claims) -> None:
        self._client = context.client
        self._caches = context.caches
        self._clouds = context.listers.clouds
        self._networks = context.listers.networks
        self._claims = claims
        self._namespace = context.namespace
        self._known: tuple[object, object, Sequence[EgressCloud]] = (None, None, ())
        """The clouds with what the cluster shows, and of which of both that is."""

    def admit(self, service: KubeObject, desired: EgressService) -> tuple[EgressCloud, Sequence[EgressNetwork]]:
        namespace = self._caches.namespaces.get(desired.namespace)
        if namespace is None:
            raise NotYet(f"namespace {desired.namespace} has not been seen yet")
        # Read before the decision, which may then rest on something newer, but on nothing older.
        seen = _Seen(namespace, [*self._caches.clouds.all()], [*self._caches.networks.all()])
        try:
            cloud, allowed = admission.admit(desired, self._informed(), self._networks.all(), namespace)
        except Refused as error:
            raise self._refusal(service, seen, error, self._unreadable(error, desired, namespace)) from None
        held = self._held(desired, annotated_addresses(service))
        try:
            admission.check_stays(desired, allowed, held)
        except Refused as error:
            raise self._refusal(service, seen, error, self._unreadable_networks(held)) from None
        try:
            return cloud, admission.leading_there(desired, allowed, namespace, held)
        except Refused as error:
            raise self._refusal(service, seen, error, self._unreadable(error, desired, namespace)) from None

    def _unreadable(self, error: Refused, desired: EgressService, namespace: KubeObject) -> list[InvalidInput]:
        """What is wrong with a cloud or network that was missing because it can't be read, for that must be mended."""
        if error.reason == Reason.PROJECT_NOT_INCLUDED:
            return self._clouds.errors()
        if error.reason not in (
            Reason.NETWORK_NOT_FOUND,
            Reason.NETWORK_NOT_ALLOWED,
            Reason.DESTINATION_NOT_ALLOWED,
        ):
            return []
        if wanted := desired.egress_pod.network:
            return self._unreadable_networks([wanted])
        named = [cloud.networks for cloud in self._clouds.all().values() if cloud.includes(namespace)]
        if not all(named):
            return self._networks.errors()  # A cloud that names none has all.
        return self._unreadable_networks(name for names in named for name in names)

    def _unreadable_networks(self, names: Iterable[str]) -> list[InvalidInput]:
        return [found for found in map(self._networks.look_up, sorted(names)) if isinstance(found, InvalidInput)]

    def _informed(self) -> Sequence[EgressCloud]:
        """The clouds with what the cluster shows of its own networks, and where their gateway would be."""
        clouds, inside = self._clouds.all(), self._caches.seen_networks.known()
        of_clouds, of_inside, known = self._known
        if of_clouds is not clouds or of_inside is not inside:
            known = [replace(cloud, inside=inside, controller_namespace=self._namespace) for cloud in clouds.values()]
            self._known = (clouds, inside, known)
        return known

    def _refusal(self, service: KubeObject, seen: _Seen, error: Refused, causes: Sequence[InvalidInput]) -> Exception:
        """What to raise for a service that is not admitted: the first of the causes, if there are any."""
        # The kinds are watched one by one: a service may be seen before the network that was made just before it.
        stands = (find(service, READY_CONDITION) or {}).get("message") == str(error)
        if not stands and self._lags(seen):
            return NotYet(f"clouds, networks or namespace {seen.namespace['metadata']['name']} changed just now")
        return next(iter(causes), error)

    def _held(self, desired: EgressService, annotated: Collection[str]) -> set[str]:
        """The networks of the addresses that the service has, of those in its annotation."""
        bound = filter(lease_status.is_bound, self._claims.of_service(desired.namespace, desired.name))
        return {lease["spec"]["network"] for lease in bound if lease_status.address(lease) in annotated}

    def _lags(self, seen: _Seen) -> bool:
        """Whether the server has other clouds, networks or labels of the namespace than were decided on."""
        live = self._client.get(NAMESPACE, seen.namespace["metadata"]["name"])
        clouds, networks = self._client.list(EGRESS_CLOUD), self._client.list(EGRESS_NETWORK)
        return live is None or not _Seen(live, clouds, networks).is_as(seen)


def annotated_addresses(service: KubeObject) -> Collection[str]:
    """The source addresses in a service's annotation."""
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(SOURCE_IPS_ANNOTATION, "")).split(",")


def _stamps(objects: Iterable[KubeObject]) -> set[tuple[str, int]]:
    return {(obj["metadata"]["uid"], obj["metadata"].get("generation", 0)) for obj in objects}
