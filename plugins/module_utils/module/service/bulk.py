# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""One or many Services by one task: read once, all writes decided and tried before the first is made, then waited for.

Nothing here knows how a Service is to look; see ``service_definition``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Callable, Iterator, Mapping, Sequence

from ...api.errors import EgressError, Forbidden, NotFound
from ...api.resources import EGRESS_LEASE, READY_CONDITION, SERVICE, KubeObject
from ...api.timestamps import utc_now
from ...api.writes import Write
from ...client.apply import Change, settle
from ...client.fan_out import each, fan_out
from ...client.kube_client import KubeClient, Selection
from ...ipam.release_confirmation import confirmation
from .. import waiting
from ..item_errors import SHOWN, after_changes, of_item, some
from ..waiting import Awaited, Objects, ServiceName, TimedOut

Places = Sequence[str | None]
"""Where to look for the Services of a task: namespaces, or None for the whole cluster."""


@dataclass(frozen=True)
class ServiceRequest:
    """What a task's options ask of one Service."""

    options: Mapping[str, Any]
    number: int | None = None
    """Its place in the list; None if it is asked for by itself."""
    awaited: Sequence[str] = (READY_CONDITION,)
    """The conditions that are to be waited for."""

    @property
    def present(self) -> bool:
        return bool(self.options["state"] == "present")

    @property
    def name(self) -> ServiceName:
        return self.options["namespace"], self.options["name"]

    @property
    def asked_addresses(self) -> Sequence[str]:
        """Those of ``source_ip``, for a Service that is to be there."""
        return (self.options["source_ip"] or ()) if self.present else ()

    @property
    def key(self) -> str:
        return "/".join(self.name)

    def is_met(self, service: KubeObject | None) -> bool:
        """Whether the Service says all that is to be waited for."""
        return service is not None and waiting.meets(service, self.awaited)

    def is_in(self, place: str | None) -> bool:
        return place in (None, self.options["namespace"])

    @property
    def subject(self) -> str:
        return f"Service {self.key}"


@dataclass(frozen=True)
class Step:
    """A Service brought, or to be brought, into the state that is asked for."""

    request: ServiceRequest
    before: KubeObject | None
    write: Write | None
    after: KubeObject | None

    @property
    def is_idle(self) -> bool:
        """Whether the Service is as it is to be, and says all that is to be waited for."""
        return self.write is None and self.request.present and self.request.is_met(self.before)


Decide = Callable[[ServiceRequest, "KubeObject | None"], "Write | None"]
"""The write that leads from the Service as it is to what is asked for; EgressError if none may be made."""


@contextmanager
def naming_item(request: ServiceRequest) -> Iterator[None]:
    """Say which item of the list an error is about."""
    try:
        yield
    except EgressError as error:
        if request.number is None:
            raise
        raise of_item(f"services[{request.number}]", request.subject, error) from error


def read(cluster: KubeClient, requests: Sequence[ServiceRequest]) -> tuple[Places, Mapping[ServiceName, KubeObject]]:
    """Where the Services are to be looked for, and those that are there, by one request.

    One list for all projects together. Whose rights do not reach so far reads project by project.
    """
    projects = sorted({request.options["namespace"] for request in requests})
    if len(requests) == 1 and requests[0].number is None:
        namespace, name = requests[0].name
        found = cluster.get(SERVICE, name, namespace)
        return projects, {requests[0].name: found} if found else {}
    if len(projects) > 1:
        try:
            return [None], _by_name(cluster.list(SERVICE))
        except Forbidden:
            pass
    listed = each(lambda project: cluster.list(SERVICE, project), projects)
    return projects, _by_name([item for items in listed for item in items])


def decide(requests: Sequence[ServiceRequest], found: Mapping[ServiceName, KubeObject], decided: Decide) -> list[Step]:
    """A step for each request, not taken yet."""
    steps = []
    for request in requests:
        observed = found.get(request.name)
        with naming_item(request):
            steps.append(Step(request, observed, decided(request, observed), observed))
    return steps


def carry_out(cluster: KubeClient, steps: Sequence[Step], decided: Decide, check_mode: bool) -> list[Step]:
    """The steps taken, in check mode as the API server foretells it.

    What the API server refuses shows before the first of several writes is made: it tries them all without keeping
    them. It still happens in between when somebody else is faster.
    """
    if check_mode or len([step for step in steps if step.write]) > 1:
        tried = _all_taken(cluster, steps, decided, dry_run=True)
        if check_mode:
            return tried
    return _all_taken(cluster, steps, decided, dry_run=False)


def confirm_releases(cluster: KubeClient, steps: Sequence[Step]) -> None:
    """Say of the leases of listed Services that are to go that this is meant, so that many at once are no accident.

    It is an administrator's to say: for whoever may not write leases, the brake holds as ever.
    """
    gone = [step.request.name for step in steps if not step.request.present and step.request.number is not None]
    if not gone:
        return
    try:
        leases = {item["metadata"]["name"]: item for item in cluster.list(EGRESS_LEASE)}
        body = {"metadata": {"annotations": confirmation(utc_now())}}
        each(lambda name: cluster.patch(EGRESS_LEASE, name, body), list(waiting.bound_leases(leases, gone)))
    except (Forbidden, NotFound):
        return


def wait(cluster: KubeClient, places: Places, steps: Sequence[Step], seconds: float) -> tuple[list[Step], list[str]]:
    """The steps with their Services ready or withdrawn, and warnings; EgressError names those that are not in time.

    All are waited for at the same time. What was ready already, and was not written, is believed.
    """
    deadline = monotonic() + seconds
    found: Objects = {}
    stays: dict[ServiceName, str] = {}
    warnings: list[str] = []
    late = [step for step in steps if step.request.present and not step.is_idle]
    for place in places:
        if here := [step for step in late if step.request.is_in(place)]:
            awaited = [Awaited(step.after, step.write is not None, step.request.awaited) for step in here if step.after]
            found |= waiting.until_decided(cluster, _watched(place, here), awaited, deadline)
    for place in places:
        if gone := [step.request for step in steps if not step.request.present and step.request.is_in(place)]:
            try:
                stays |= waiting.what_stays(cluster, place, [request.name for request in gone], deadline, seconds)
            except Forbidden as error:
                told = some([request.subject for request in gone])
                warnings.append(f"{told}: whether the address is given back cannot be seen: {error}")
    not_ready = {step.request.key for step in late if not step.request.is_met(found.get(step.request.key))}
    unfinished = [step.request for step in steps if step.request.key in not_ready or step.request.name in stays]
    _refuse_unfinished(cluster, unfinished, found, stays, seconds)
    return [replace(step, after=found.get(step.request.key, step.after)) for step in steps], warnings


def _by_name(services: Sequence[KubeObject]) -> dict[ServiceName, KubeObject]:
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in services}


def _all_taken(cluster: KubeClient, steps: Sequence[Step], decided: Decide, *, dry_run: bool) -> list[Step]:
    due = [place for place, step in enumerate(steps) if step.write]
    outcomes = fan_out(lambda place: _taken(cluster, steps[place], decided, dry_run=dry_run), due)
    taken = {due[number]: step for number, step in sorted(outcomes.done.items())}
    if error := outcomes.first_error:
        changed = [step.request.key for step in taken.values() if step.write and not dry_run]
        raise after_changes(changed, error) if changed else error
    return [taken.get(place, step) for place, step in enumerate(steps)]


def _taken(cluster: KubeClient, step: Step, decided: Decide, *, dry_run: bool) -> Step:
    request, (namespace, name) = step.request, step.request.name
    with naming_item(request):
        change, after = settle(
            cluster,
            Change(step.before, step.write),
            lambda: cluster.get(SERVICE, name, namespace),
            lambda observed: decided(request, observed),
            dry_run=dry_run,
        )
    return Step(request, change.before, change.write, after)


def _watched(place: str | None, steps: Sequence[Step]) -> Selection:
    """One Service alone, where only one is waited for."""
    if len(steps) > 1:
        return Selection(SERVICE, place)
    namespace, name = steps[0].request.name
    return Selection(SERVICE, namespace, fields=f"metadata.name={name}")


def _why_not_met(cluster: KubeClient, request: ServiceRequest, found: Objects, seconds: float) -> EgressError:
    return waiting.why_not_met(cluster, request.key, found, seconds, request.awaited)


def _refuse_unfinished(
    cluster: KubeClient,
    requests: Sequence[ServiceRequest],
    found: Objects,
    stays: Mapping[ServiceName, str],
    seconds: float,
) -> None:
    """Raise why these are not as they are to be; of many the first few are told, a refusal's reason before others."""
    errors = []
    for request in requests[:SHOWN]:
        stayed = stays.get(request.name)
        why = TimedOut(stayed) if stayed else _why_not_met(cluster, request, found, seconds)
        errors.append(why if request.number is None else of_item(f"services[{request.number}]", request.subject, why))
    if len(requests) == 1:
        raise errors[0]
    if errors:
        more = f"; and {len(requests) - SHOWN} more are not ready" if len(requests) > SHOWN else ""
        told = EgressError("; ".join(map(str, errors)) + more)
        told.reason = next((error.reason for error in errors if error.reason != TimedOut.reason), TimedOut.reason)
        raise told
