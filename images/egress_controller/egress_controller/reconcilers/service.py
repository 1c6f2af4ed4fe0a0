# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reconciler of Services: from the annotation to traffic, or back to nothing.

The core decides; the reconciler looks things up and has the plan carried out.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Container, Sequence

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    ApiError,
    EgressError,
    InvalidInput,
    PoolExhausted,
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    ENDPOINT_SLICE,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICATION_CONTROLLER,
    SERVICE,
    STATEFUL_SET,
    KubeObject,
    Resource,
    egress_pod_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.apply import apply
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import GATEWAY, PROJECT, EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.workload import exposure, placement, plan
from ansible_collections.avi.egress.plugins.module_utils.workload.admission import as_allowed
from ansible_collections.avi.egress.plugins.module_utils.workload.placement import NAME_LABEL, Place
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, Plan

from egress_controller.cache.caches import BY_NAME_LABEL, BY_NAMESPACE, PARTS
from egress_controller.cache.context import Context
from egress_controller.cache.event_handlers import STATUS_DELAY_SECONDS
from egress_controller.cache.forms import Outline
from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.ipam.claims import Claims
from egress_controller.ipam.conflicts import Conflicts, condition_with
from egress_controller.ipam.releases import NOT_USED, Releases
from egress_controller.ipam.service_leases import ServiceLeases
from egress_controller.reconcilers.accounts import Accounts
from egress_controller.reconcilers.admission import ServiceAdmission, annotated_addresses
from egress_controller.reconcilers.moves import Moves
from egress_controller.reconcilers.reachability import Reachability
from egress_controller.reconcilers.refusals import Refusals
from egress_controller.reconcilers.service_conditions import ServiceConditions
from egress_controller.runtime.errors import NotYet, StillWaiting
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result, soonest

CONTROLLERS = (REPLICATION_CONTROLLER, STATEFUL_SET)

_log = logging.getLogger(__name__)


class ServiceReconciler:
    """Parses, admits, claims, renders, writes and reports one service."""

    def __init__(
        self,
        context: Context,
        claims: Claims,
        releases: Releases,
        accounts: Accounts,
        conflicts: Conflicts,
        waiting: WaitingServices,
    ) -> None:
        self._client = context.client
        self._caches = context.caches
        self._claims = claims
        self._releases = releases
        self._accounts = accounts
        self._conflicts = conflicts
        self._waiting = waiting
        self._refusals = Refusals(context)
        self._admission = ServiceAdmission(context, claims)
        self._leases = ServiceLeases(claims, waiting)
        self._conditions = ServiceConditions(context)
        self._reachability = Reachability(context)
        self._moves = Moves(context.queue)
        self._queue = context.queue
        self._namespace = context.namespace

    def reconcile(self, key: Key) -> Result | None:
        service = self._caches.services.get(key.name, key.namespace)
        if service is None or isinstance(service, Outline):
            # A deletion takes an address from the service: it is believed only when the server confirms it.
            service = self._client.get(SERVICE, key.name, key.namespace)
        if service is None or "deletionTimestamp" in service["metadata"]:
            return self._withdraw(key, service)
        try:
            service = self._shut(service)
            desired = read_service(service)
            return self._withdraw(key, service) if desired is None else self._serve(service, desired)
        except (Refused, InvalidInput, PoolExhausted) as error:
            self._refuse(service, error)
        except ApiError as error:
            if error.is_verdict:
                self._refuse(service, error)
            raise
        return None

    def _shut(self, service: KubeObject) -> KubeObject:
        """Before all else: what is refused, or can't be decided yet, must not stay open to the outside meanwhile."""
        found = self._caches.endpoint_slice(service["metadata"]["namespace"], service["metadata"]["name"])
        return self._carry_out(Plan(tuple(plan.shut(service, found)), None), service) or service

    def _serve(self, service: KubeObject, desired: EgressService) -> Result | None:
        admitting, networks = self._admission.admit(service, desired)
        cloud = self._in_turn(admitting, desired)
        place = placement.of(desired, cloud)
        pods = self._caches.pods(cloud.uuid)
        if pods is None:
            raise NotYet(f"the pods of EgressCloud {cloud.name} are not listed yet")
        network, leases = self._leases.claim(desired, networks, annotated_addresses(service))
        self._releases.needed(leases)
        desired = as_allowed(desired, network)
        sources = [lease["status"]["address"] for lease in leases]
        key, here = service_key(desired.namespace, desired.name), self._observe(place, plan.wanted_parts(desired))
        present = tuple(pods.of(BY_NAME_LABEL, (place.namespace, place.name)))
        kept = here.stateful_set if desired.egress_pod.ha else here.controller
        refusal, retry = self._refusals.observe(key, kept, present)
        observed = replace(
            here,
            service=service,
            endpoint_slice=self._endpoint_slice(desired.namespace, desired.name, wanted=place.is_apart),
            service_account=self._accounts.ensure(cloud.uuid, place.namespace),
            pods=present,
            refusal=refusal,
            elsewhere=self._elsewhere(desired, place, here),
        )
        decided = plan.serve(desired, cloud, network, sources, observed)
        foreseen, later = self._refusals.foresee(key, decided.successor) if decided.successor else (None, None)
        if foreseen:
            self._refuse(service, foreseen)
            return later
        if refusal is None:
            self._refusals.forget(key)
        newest = self._carry_out(decided, service)
        conflicts, again = self._conflicts.observe(service, leases, observed.pods)
        again = soonest(again, retry)
        if self._conflicts.reassign(desired, network, sources, conflicts):
            return again  # The change of its lease calls the service too.
        reachable = self._reachability.observe(newest or service, desired, sources, observed.pods)
        others = {**reachable, **self._widened(place, desired.namespace, desired.policy is not None, observed.pods)}
        self._conditions.write(newest, condition_with(conflicts, decided.condition), sources, others)
        is_there = cloud == admitting and observed.elsewhere is None
        if is_there and decided.condition and decided.condition.ready:
            self._has_moved(key)
        needed = {lease["metadata"]["name"] for lease in leases}
        unwanted = self._claims.to_give_up(desired.namespace, desired.name, needed)
        if unwanted and decided.settled:
            live = replace(observed, pods=self._live_pods(place))
            if plan.serve(desired, cloud, network, sources, live).settled:
                for lease in unwanted:
                    self._releases.give_up(lease, NOT_USED, "its service uses another")
        return again

    def _widened(
        self, place: Place, project: str, has_rules: bool, pods: Sequence[KubeObject] = ()
    ) -> dict[str, Condition | None]:
        """What other NetworkPolicies, where the egress pods are, add to the service's own."""
        labels = [pod["metadata"].get("labels") or {} for pod in pods] or [place.labels]
        egress_pods = exposure.EgressPods(place.namespace, place.name, project, has_rules, labels)
        found = exposure.widening(self._caches.foreign_policies(place.namespace), egress_pods)
        return exposure.widened(place.name, found)

    def _withdraw(self, key: Key, service: KubeObject | None) -> Result | None:
        self._waiting.discard(key)
        self._refusals.forget(key)
        self._reachability.forget(key)
        self._has_moved(key)
        namespace, name = key.namespace, key.name
        project, gateway = self._places(namespace, name)
        observed = replace(
            self._observe_live(project),
            service=service,
            endpoint_slice=self._endpoint_slice(namespace, name, wanted=gateway is not None),
            elsewhere=self._observe_live(gateway) if gateway else None,
        )
        pods = [*observed.pods, *(observed.elsewhere or Observed()).pods]
        decided = plan.withdraw(namespace, name, observed)
        newest = self._carry_out(decided, service)
        self._conditions.write(newest, None)
        if not decided.settled:
            if all(self._caches.shows_pod(pod) for pod in pods):
                return None  # The end of each calls the service.
            raise StillWaiting(f"pods of Service {namespace}/{name} have not ended")
        if any(write.resource in CONTROLLERS for write in decided.writes):
            return None
        # The controller is gone and so are its pods: nothing can send from the addresses any more.
        return self._releases.of_ended_service(key, self._claims.to_give_up(namespace, name))

    def _refuse(self, service: KubeObject, error: EgressError) -> None:
        metadata = service["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        self._has_moved(service_key(namespace, name))
        self._conditions.write(service, plan.refuse(error).condition, others=self._widened_still(service))

    def _widened_still(self, service: KubeObject) -> dict[str, Condition | None]:
        """The same of a refused service: what runs stays, and others may be let in to it."""
        metadata = service["metadata"]
        for place in placement.places(self._namespace, metadata["namespace"], metadata["name"]):
            if self._caches.has_parts([place]):
                return self._widened(place, metadata["namespace"], exposure.has_rules(service))
        return exposure.widened(metadata["name"], ())

    def _in_turn(self, cloud: EgressCloud, service: EgressService) -> EgressCloud:
        """The cloud, with the former placement for as long as it is not the service's turn to leave that."""
        other = replace(cloud, placement=PROJECT if cloud.placement == GATEWAY else GATEWAY)
        if not self._caches.has_parts([placement.of(service, other)]):
            return cloud
        ours = self._moves.may_move(cloud.uuid, service_key(service.namespace, service.name))
        return cloud if ours or self._caches.has_parts([placement.of(service, cloud)]) else other

    def _has_moved(self, key: Key) -> None:
        """If it was its turn: others may move now, and an account that was needed may be needed no more."""
        if uuid := self._moves.ended(key):
            self._queue.add_after(Key("cloud", uuid), STATUS_DELAY_SECONDS)

    def _elsewhere(self, service: EgressService, place: Place, here: Observed) -> Observed | None:
        """What is there in the other placement, with the pods that the server has there now; None for nothing."""
        gateway = placement.in_gateway(self._namespace, service.namespace, service.name)
        other = placement.in_project(service.namespace, service.name) if place.is_apart else gateway
        is_new = not (here.controller or here.stateful_set)
        found = self._observe(other, CONTROLLERS if is_new and self._has_gateway() else ())
        return replace(found, pods=self._live_pods(other)) if found.parts() else None

    def _places(self, namespace: str, name: str) -> tuple[Place, Place | None]:
        """Where there may be something of a service: in its project, and in the gateway if that is in use."""
        project = placement.in_project(namespace, name)
        gateway = placement.in_gateway(self._namespace, namespace, name)
        return project, gateway if self._has_gateway() or self._caches.has_parts([gateway]) else None

    def _has_gateway(self) -> bool:
        """Whether egress pods are to be in the controller's namespace, or may still be there, as an account is."""
        if any(cloud["spec"].get("placement") == GATEWAY for cloud in self._caches.clouds.all()):
            return True
        return bool(self._caches.accounts.of(BY_NAMESPACE, self._namespace))

    def _endpoint_slice(self, namespace: str, name: str, wanted: bool) -> KubeObject | None:
        cached = self._caches.endpoint_slice(namespace, name)
        if not isinstance(cached, Outline) and (cached or not wanted):
            return cached
        return self._client.get(ENDPOINT_SLICE, egress_pod_name(name), namespace)

    def _observe_live(self, place: Place) -> Observed:
        return replace(self._observe(place), pods=self._live_pods(place))

    def _observe(self, place: Place, wanted: Container[Resource] = PARTS) -> Observed:
        """From the caches; what they don't show of ``wanted`` is asked for: they may lag and selectors may hide it."""

        def part(resource: Resource) -> KubeObject | None:
            cached = self._caches.part(resource, place)
            if not isinstance(cached, Outline) and (cached or resource not in wanted):
                return cached
            return self._client.get(resource, place.name, place.namespace)

        return Observed(
            controller=part(REPLICATION_CONTROLLER),
            stateful_set=part(STATEFUL_SET),
            network_policy=part(NETWORK_POLICY),
            disruption_budget=part(POD_DISRUPTION_BUDGET),
        )

    def _live_pods(self, place: Place) -> tuple[KubeObject, ...]:
        """As the server has them now: an address is given up on this answer, never on a cache's."""
        return tuple(self._client.list(POD, place.namespace, labels=f"{NAME_LABEL}={place.name}"))

    def _carry_out(self, decided: Plan, service: KubeObject | None) -> KubeObject | None:
        """Do the plan's writes; gives the Service as it is after them."""
        newest = service
        for write in decided.writes:
            stored = apply(self._client, [write])
            _log.info(line("written", what=write))
            if write.resource is SERVICE:
                newest = stored[0]
        return newest
