# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One pass over a service: from its annotation to traffic, or back to nothing.

The core decides; this file looks things up, has the plan carried out and tells the outcome.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Collection, Container, Mapping, Sequence

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api import conditions
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    ApiError,
    Conflict,
    EgressError,
    InvalidInput,
    PoolExhausted,
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    READY_CONDITION,
    REPLICATION_CONTROLLER,
    SERVICE,
    SOURCE_IPS_ANNOTATION,
    STATEFUL_SET,
    KubeObject,
    Resource,
    egress_pod_name,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.client.apply import apply
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload import admission, plan, service_status, source_ips
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, Plan

from egress_controller.cache.caches import BY_NAME_LABEL, NAME_LABEL, PARTS, Caches
from egress_controller.cache.listers import Listers
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.ipam.claims import Claims
from egress_controller.ipam.conflicts import ADDRESS_CONFLICT, Conflicts, condition_with
from egress_controller.ipam.releases import NOT_USED, Releases
from egress_controller.reconcilers.accounts import Accounts
from egress_controller.runtime.errors import NotYet
from egress_controller.runtime.event_recorder import NORMAL, WARNING, EventRecorder
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.logs import line
from egress_controller.runtime.status import condition_of
from egress_controller.runtime.work_queue import WorkQueue

STILL_ENDING_SECONDS = 1.0
"""How soon a withdrawn service is looked at again while pods of it end, should their cloud be gone (no watch)."""
CONTROLLERS = (REPLICATION_CONTROLLER, STATEFUL_SET)
PROGRESS_REASONS = frozenset({Reason.EGRESS_READY, Reason.DEGRADED, Reason.WAITING_FOR_POD, Reason.REPLACING})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """What it hangs on whether a service is admitted, told apart from what was there before and after."""

    namespace: str
    labels: Mapping[str, str]
    clouds: Collection[tuple[str, int]]
    networks: Collection[tuple[str, int]]

    @classmethod
    def of(cls, namespace: KubeObject, clouds: Sequence[KubeObject], networks: Sequence[KubeObject]) -> _Seen:
        metadata = namespace["metadata"]
        return cls(metadata["name"], metadata.get("labels") or {}, _stamps(clouds), _stamps(networks))


class ServiceReconciler:
    """Reconciles one service."""

    def __init__(
        self,
        cluster: KubeClient,
        caches: Caches,
        inventory: Listers,
        claims: Claims,
        releases: Releases,
        accounts: Accounts,
        events: EventRecorder,
        conflicts: Conflicts,
        queue: WorkQueue[Key],
        waiting: WaitingServices,
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._inventory = inventory
        self._claims = claims
        self._releases = releases
        self._accounts = accounts
        self._events = events
        self._conflicts = conflicts
        self._queue = queue
        self._waiting = waiting

    def run(self, namespace: str, name: str) -> None:
        service = self._caches.services.get(name, namespace)
        if service is None:
            # A deletion takes an address from the service: it is believed only when the server says so.
            service = self._cluster.get(SERVICE, name, namespace)
        if service is None or "deletionTimestamp" in service["metadata"]:
            self._withdraw(namespace, name, service)
            return
        try:
            wish = read_service(service)
            if wish is None:
                self._withdraw(namespace, name, service)
            else:
                self._serve(service, wish)
        except (Refused, InvalidInput, PoolExhausted) as error:
            self._refuse(service, error)
        except ApiError as error:
            if _is_verdict(error):
                self._refuse(service, error)
            raise

    def _serve(self, service: KubeObject, wish: EgressService) -> None:
        cloud, networks = self._admit(service, wish)
        pods = self._caches.pods(cloud.uuid)
        if pods is None:
            raise NotYet(f"the pods of EgressCloud {cloud.name} are not listed yet")
        network, leases = self._claim(wish, networks, _said(service))
        self._releases.needed(leases)
        sources = [lease["status"]["address"] for lease in leases]
        label = egress_pod_name(wish.name)
        observed = replace(
            self._observe(service, wish.namespace, wish.name, wanted=plan.wanted_parts(wish)),
            service_account=self._accounts.ensure(cloud.uuid, wish.namespace),
            pods=tuple(pods.of(BY_NAME_LABEL, (wish.namespace, label))),
        )
        decided = plan.serve(wish, cloud, network, sources, observed)
        newest = self._carry_out(decided, service)
        conflicts = self._conflicts.look(service, leases, observed.pods)
        if self._conflicts.move(wish, network, sources, conflicts):
            return  # The change of its lease calls the service again.
        self._conclude(newest, condition_with(conflicts, decided.condition), sources)
        kept = {lease["metadata"]["name"] for lease in leases}
        unwanted = self._claims.to_give_up(*_key(wish), kept)
        if unwanted and decided.settled:
            live = replace(observed, pods=self._live_pods(wish.namespace, wish.name))
            if plan.serve(wish, cloud, network, sources, live).settled:
                for lease in unwanted:
                    self._releases.give_up(lease, NOT_USED, "its service uses another")

    def _admit(self, service: KubeObject, wish: EgressService) -> tuple[EgressCloud, Sequence[EgressNetwork]]:
        namespace = self._caches.namespaces.get(wish.namespace)
        if namespace is None:
            raise NotYet(f"namespace {wish.namespace} has not been seen yet")
        clouds, networks = self._inventory.clouds, self._inventory.networks
        # Read before the decision, which may then rest on something newer, but on nothing older.
        seen = _Seen.of(namespace, self._caches.clouds.all(), self._caches.networks.all())
        try:
            cloud, allowed = admission.admit(wish, clouds.all().values(), networks.all(), namespace)
        except Refused as error:
            # A cloud or network that can't be read is missing above; then that is what the operator must hear.
            unreadable = {
                "ProjectNotIncluded": clouds.errors,
                "NetworkNotFound": networks.errors,
                "NetworkNotAllowed": networks.errors,
            }
            raise self._refusal(service, seen, error, unreadable.get(error.reason, list)()) from None
        held = self._held(wish, _said(service))
        try:
            admission.check_stays(wish, allowed, held)
        except Refused as error:
            causes = [found for found in map(networks.look_up, sorted(held)) if isinstance(found, InvalidInput)]
            raise self._refusal(service, seen, error, causes) from None
        return cloud, allowed

    def _refusal(self, service: KubeObject, seen: _Seen, error: Refused, causes: Sequence[InvalidInput]) -> Exception:
        """What to raise for a service that is not admitted: the first of the causes, if there are any."""
        # The kinds are watched one by one: a service may be seen before the network that was made just before it.
        stands = (condition_of(service, READY_CONDITION) or {}).get("message") == str(error)
        if not stands and self._lags(seen):
            return NotYet(f"clouds, networks or namespace {seen.namespace} changed just now")
        return next(iter(causes), error)

    def _held(self, wish: EgressService, said: Collection[str]) -> set[str]:
        """The networks of the addresses that a service says it has, and has."""
        bound = filter(lease_status.is_bound, self._claims.of_service(*_key(wish)))
        return {lease["spec"]["network"] for lease in bound if lease_status.address(lease) in said}

    def _lags(self, seen: _Seen) -> bool:
        """Whether the server has other clouds, networks or labels of the namespace than were decided on."""
        live = self._cluster.get(NAMESPACE, seen.namespace)
        clouds, networks = self._cluster.list(EGRESS_CLOUD), self._cluster.list(EGRESS_NETWORK)
        return live is None or _Seen.of(live, clouds, networks) != seen

    def _claim(
        self, wish: EgressService, networks: Sequence[EgressNetwork], said: Collection[str]
    ) -> tuple[EgressNetwork, Sequence[KubeObject]]:
        """All the service's leases, of one network: the one it has them of already, or the first that has room."""
        networks = self._reserving(wish, networks)
        key = service_key(wish.namespace, wish.name)
        self._waiting.add(key)  # Before the attempt, so that an address coming free meanwhile is not missed.
        wanted = dict(enumerate(wish.egress_pod.source_ips))
        exhausted: list[PoolExhausted] = []
        for network in self._preferred(wish, networks):
            try:
                leases = [
                    self._claims.claim(network, slot, wish.ip_family, said, wanted.get(slot.number))
                    for slot in source_ips.slots(wish, network)
                ]
            except PoolExhausted as error:
                exhausted.append(error)
            else:
                self._waiting.discard(key)
                return network, leases
        # A network that has none of this family is worth telling only where no other has.
        raise next((error for error in exhausted if error.size), exhausted[0])

    def _reserving(self, wish: EgressService, networks: Sequence[EgressNetwork]) -> Sequence[EgressNetwork]:
        """The one in which the addresses of ``source_ip`` are its own or its project's; all if it names none."""
        if not wish.egress_pod.source_ips:
            return networks
        return [source_ips.network_of(wish, networks, self._claims.holds)]

    def _preferred(self, wish: EgressService, networks: Sequence[EgressNetwork]) -> Sequence[EgressNetwork]:
        """The network that the service holds a lease of comes first, then one that it last held, then as given."""
        leases = filter(lease_status.address, self._claims.of_service(*_key(wish)))
        held = {lease["spec"]["network"]: lease for lease in leases}

        def order(network: EgressNetwork) -> int:
            lease = held.get(network.name)
            return 2 if lease is None else int(not lease_status.is_bound(lease))

        return sorted(networks, key=order)

    def _withdraw(self, namespace: str, name: str, service: KubeObject | None) -> None:
        self._waiting.discard(service_key(namespace, name))
        pods = self._live_pods(namespace, name)
        observed = replace(self._observe(service, namespace, name), pods=pods)
        decided = plan.withdraw(namespace, name, observed)
        newest = self._carry_out(decided, service)
        if newest is not None:
            self._conclude(newest, None)
        if not decided.settled:
            self._queue.add_after(service_key(namespace, name), STILL_ENDING_SECONDS)
        elif not any(write.resource in CONTROLLERS for write in decided.writes):
            # The controller is gone and so are its pods: nothing can send from the addresses any more.
            leases = self._claims.to_give_up(namespace, name)
            self._releases.of_ended_service(service_key(namespace, name), leases)

    def _observe(
        self, service: KubeObject | None, namespace: str, name: str, wanted: Container[Resource] = PARTS
    ) -> Observed:
        """From the caches; what they don't show of ``wanted`` is asked for: they may lag and selectors may hide it."""

        def part(resource: Resource) -> KubeObject | None:
            cached = self._caches.part(resource, namespace, name)
            if cached or resource not in wanted:
                return cached
            return self._cluster.get(resource, egress_pod_name(name), namespace)

        return Observed(
            service=service,
            controller=part(REPLICATION_CONTROLLER),
            stateful_set=part(STATEFUL_SET),
            network_policy=part(NETWORK_POLICY),
            disruption_budget=part(POD_DISRUPTION_BUDGET),
        )

    def _live_pods(self, namespace: str, name: str) -> tuple[KubeObject, ...]:
        """As the server has them now: an address is given up on this answer, never on a cache's."""
        return tuple(self._cluster.list(POD, namespace, labels=f"{NAME_LABEL}={egress_pod_name(name)}"))

    def _carry_out(self, decided: Plan, service: KubeObject | None) -> KubeObject | None:
        """Do the plan's writes; gives the Service as it is after them."""
        newest = service
        for write in decided.writes:
            stored = apply(self._cluster, [write])
            _log.info(line("written", what=write))
            if write.resource is SERVICE:
                newest = stored[0]
        return newest

    def _refuse(self, service: KubeObject, error: EgressError) -> None:
        self._conclude(service, plan.refuse(error).condition)

    def _conclude(self, service: KubeObject | None, condition: Condition | None, sources: Sequence[str] = ()) -> None:
        """Have the Service say it: its condition, and an Event where that is news."""
        if service is None:
            return
        patch = conditions.conditions_patch(
            service, service_status.service_conditions(condition, sources), timestamp(utc_now())
        )
        if not patch:
            return
        metadata = service["metadata"]
        # The version makes sure that nobody else's condition is overwritten: the patch holds all of them.
        patch["metadata"] = {"resourceVersion": metadata["resourceVersion"]}
        self._cluster.patch(SERVICE, metadata["name"], patch, metadata["namespace"], subresource="status")
        self._tell(service, condition)

    def _tell(self, service: KubeObject, condition: Condition | None) -> None:
        former = condition_of(service, READY_CONDITION) or {}
        if condition is None:
            self._events.emit(service, NORMAL, "EgressWithdrawn", "egress has been withdrawn from this service")
            return
        if condition.reason == ADDRESS_CONFLICT:
            return  # Told when the address was marked.
        progress = condition.reason in PROGRESS_REASONS
        if progress and former.get("reason") == condition.reason:
            return
        was_ready = former.get("status") == "True"
        kind = NORMAL if progress and (condition.ready or not was_ready) else WARNING
        self._events.emit(service, kind, condition.reason, condition.message)
        metadata = service["metadata"]
        name = f"{metadata['namespace']}/{metadata['name']}"
        _log.info(line("condition", service=name, ready=condition.status, reason=condition.reason))


def _said(service: KubeObject) -> Collection[str]:
    """The source addresses that a service was told it has."""
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(SOURCE_IPS_ANNOTATION, "")).split(",")


def _stamps(objects: Sequence[KubeObject]) -> set[tuple[str, int]]:
    return {(obj["metadata"]["uid"], obj["metadata"].get("generation", 0)) for obj in objects}


def _is_verdict(error: ApiError) -> bool:
    """Whether the server refused the request itself (a quota, an invalid field), which the owner must be told."""
    return error.status in (400, 403, 422) and not isinstance(error, Conflict)


def _key(wish: EgressService) -> tuple[str, str]:
    return wish.namespace, wish.name
