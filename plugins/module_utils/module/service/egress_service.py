# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_egress_service``: brings secure egress services into the state that a playbook asks for.

All writes are decided, and tried by the API server, before the first is made: what is refused leaves nothing behind.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Sequence

from ...api.addresses import IP_FAMILIES, canonical
from ...api.errors import EgressError, InvalidInput, no_such_kind
from ...api.merge_patch import merge_patch
from ...api.resources import EGRESS_CLOUD, REACHABLE_CONDITION, READY_CONDITION, SERVICE, KubeObject, object_key
from ...api.writes import Write, delete
from ...client.kube_client import KubeClient
from ...workload.manifests import tried_destinations
from ..argument_specs import STATE, WAIT, ArgumentSpec
from ..result import Result, shown
from ..waiting import ServiceName
from . import bulk, definition, precheck
from .bulk import ServiceRequest, Step, naming_item
from .egress_service_info import report_of

_SERVICE: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True, "aliases": ["project"]},
    **STATE.options,
    "destination_ip": {"type": "str"},
    "destinations": {"type": "dict"},
    "ports": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str"},
            "port": {"type": "int", "required": True},
            "target_port": {"type": "int"},
            "protocol": {"type": "str", "choices": ["TCP", "UDP"], "default": "TCP"},
        },
    },
    "hm_port": {"type": "int"},
    "image": {"type": "str"},
    "node_selector": {"type": "dict"},
    "tolerations": {"type": "list", "elements": "dict"},
    "ha": {"type": "bool", "default": False},
    "network": {"type": "str"},
    "source_ip": {"type": "list", "elements": "str"},
    "resolve": {"type": "str", "choices": ["ttl", "once"]},
    "probe": {"type": "dict", "options": {"interval": {"type": "int"}, "timeout": {"type": "int"}}},
    "drain_seconds": {"type": "int"},
    "avi_proxy": {"type": "dict"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "type": {"type": "str", "choices": ["ClusterIP", "LoadBalancer"], "default": "ClusterIP"},
    "ip_families": {"type": "list", "elements": "str", "choices": list(IP_FAMILIES)},
    "ip_family_policy": {"type": "str", "choices": ["SingleStack", "PreferDualStack", "RequireDualStack"]},
}
AWAITED = {"ready": (READY_CONDITION,), "reachable": (READY_CONDITION, REACHABLE_CONDITION)}
"""The conditions behind each word of ``wait_for``."""
SPEC = WAIT + ArgumentSpec(
    {
        "wait_for": {"type": "str", "choices": list(AWAITED), "default": "ready"},
        **{name: {key: value for key, value in item.items() if key != "required"} for name, item in _SERVICE.items()},
        "services": {"type": "list", "elements": "dict", "options": _SERVICE},
    },
    mutually_exclusive=[("destination_ip", "destinations"), *(("services", name) for name in _SERVICE)],
    required_one_of=[("name", "services"), ("namespace", "services")],
    required_if=[("state", "present", ("destination_ip", "destinations", "services"), True)],
)

Options = Mapping[str, Any]


def validate(options: Options) -> None:
    """Refuse wrong options, each item's by itself, and two items for one Service."""
    if options["wait_timeout"] < 0:
        raise InvalidInput("avi_egress_service", "wait_timeout", options["wait_timeout"], "give seconds, 0 or more")
    names: dict[ServiceName, int | None] = {}
    addresses: dict[str, int | None] = {}
    for request in _requests(options):
        with naming_item(request):
            definition.validate(request.options)
            if (other := names.setdefault(request.name, request.number)) != request.number:
                raise InvalidInput(
                    request.subject, "name", request.name[1], f"services[{other}] has the same; give it once"
                )
            for address in filter(None, map(canonical, request.asked_addresses)):
                if (other := addresses.setdefault(address, request.number)) != request.number:
                    raise InvalidInput(request.subject, "source_ip", address, f"services[{other}] asks for it, too")


def reconcile(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """Each Service present and its egress ready, or absent and its address given back; in the order given."""
    requests = _requests(options)
    places, found = bulk.read(cluster, requests)
    steps = bulk.decide(requests, found, _decide)
    waits = options["wait"] and not check_mode
    due = [step for step in steps if not step.is_idle and (step.request.present or waits)]
    installed = bool(due) and cluster.serves(EGRESS_CLOUD)
    if not installed and any(step.request.present for step in due):
        raise EgressError(no_such_kind(EGRESS_CLOUD.kind))
    precheck.refuse_unavailable(cluster, steps)
    if installed and waits:
        bulk.confirm_releases(cluster, steps)
    steps = bulk.carry_out(cluster, steps, _decide, check_mode)
    before, after = shown(*(step.before for step in steps)), shown(*(step.after for step in steps))
    changed = any(step.write for step in steps)
    warnings: list[str] = []
    if waits and installed:
        with _after(changed):
            steps, warnings = bulk.wait(cluster, places, steps, options["wait_timeout"])
    return Result(changed, before, after, _values(steps, options["services"] is not None), warnings)


def _requests(options: Options) -> list[ServiceRequest]:
    """One from the options themselves, or one from each item of ``services``."""
    listed, awaited = options["services"], AWAITED[options["wait_for"]]
    return (
        [ServiceRequest(options, awaited=awaited)]
        if listed is None
        else [ServiceRequest(item, number, awaited) for number, item in enumerate(listed)]
    )


@contextmanager
def _after(changed: bool) -> Iterator[None]:
    """Whoever waits in vain is told all the same that something was written."""
    try:
        yield
    except EgressError as error:
        error.changed = changed
        raise


def _decide(request: ServiceRequest, observed: KubeObject | None) -> Write | None:
    if observed:
        _refuse_foreign(observed)
    if not request.present:
        return delete(observed) if observed else None
    desired = definition.definition(request.options, observed)
    if REACHABLE_CONDITION in request.awaited:
        _refuse_untried(request, observed)
    namespace, name = request.name
    if observed is None:
        return Write("create", SERVICE, namespace, name, definition.new(desired))
    patch = merge_patch(desired, observed)
    return Write("patch", SERVICE, namespace, name, patch) if patch else None


def _refuse_untried(request: ServiceRequest, observed: KubeObject | None) -> None:
    """What no egress pod tries is never found to be reachable."""
    if not tried_destinations(definition.intent(request.options, observed)):
        expected = "its egress pod tries no destination, as probe.interval is 0 or all are UDP; wait for ready"
        raise InvalidInput(request.subject, "wait_for", "reachable", expected)


def _values(steps: Sequence[Step], listed: bool) -> dict[str, Any]:
    if not listed:
        return dict(report_of(steps[0].after)) if steps[0].after else {}
    return {
        "services": [
            {"namespace": namespace, "name": name, "changed": step.write is not None, **report_of(step.after)}
            for step in steps
            for namespace, name in [step.request.name]
        ]
    }


def _refuse_foreign(service: KubeObject) -> None:
    """A Service that leads to an application's own pods is not to be turned into, or deleted as, an egress service."""
    if service["spec"].get("selector") and not definition.is_egress_service(service):
        raise EgressError(
            f"{object_key(service)} exists and is no secure egress service: it selects pods and has no egress_pod "
            "annotation; choose another name, or delete it"
        )
